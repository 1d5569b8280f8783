"""Labels beside images in any layout, with what lies around: each is read as its maker meant or refused, never otherwise."""

from __future__ import annotations

import csv
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tagged
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from layouts import CLASSES, all_rows, array, check, save, shard, split_of, stored

from coldframe.data import load_dataset
from coldframe.errors import ColdframeError

FAULTS = ("lost", "two labels")
"""What every reader of files must refuse: a listed file that is not there, a file with two classes."""
AROUND = ("", "stray", "notes", "hidden", *FAULTS)


def listed(folder: Path, fault: str) -> list[tuple[str, str, str]]:
    """Write the images; return (name, class, split) of each, with the fault."""
    rows = []
    for label, number in all_rows():
        path = save(folder / f"i{label}{number}.png", label, number)
        rows.append((path.name, CLASSES[label], split_of(number)))
    if fault == "lost":
        (folder / rows[7][0]).unlink()
    return [*rows, (rows[7][0], "dog" if rows[7][1] != "dog" else "cat", rows[7][2])] if fault == "two labels" else rows


def in_table(draw: st.DrawFn, root: Path, fault: str) -> str:
    mark, head = draw(st.sampled_from([",", ";", "\t", "|"])), draw(st.booleans())
    below, split = draw(st.sampled_from(["", "photos"])), draw(st.booleans())
    rows = [row if split else row[:2] for row in listed(root / below, fault)]
    with (root / "list.csv").open("w", newline="") as file:
        csv.writer(file, delimiter=mark).writerows([("file", "label", "split")[: len(rows[0])], *rows] if head else rows)
    return f"csv:{root / 'list.csv'}"


def in_metadata(draw: st.DrawFn, root: Path, fault: str) -> str:
    rows = [{"file_name": name, "label": label} for name, label, _ in listed(root, fault)]
    ending = draw(st.sampled_from(["csv", "jsonl", "parquet"]))
    if ending == "jsonl":
        (root / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif ending == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), root / "metadata.parquet")
    else:
        lines = ["file_name,label", *(",".join(row.values()) for row in rows)]
        (root / "metadata.csv").write_text("\n".join(lines) + "\n")
    return f"folder:{root}"


def in_json(draw: st.DrawFn, root: Path, fault: str) -> str:
    rows = listed(root / "images", fault)
    content: dict[str, object]
    if draw(st.booleans()):
        content = {name: [[f, CLASSES.index(c), c] for f, c, s in rows if s == name] for name in ("train", "val", "test")}
    else:
        numbers = {name: at for at, name in enumerate(dict.fromkeys(row[0] for row in rows))}
        content = {
            "images": [{"id": at, "file_name": name} for name, at in numbers.items()],
            "annotations": [{"image_id": numbers[name], "category_id": 3 + CLASSES.index(c)} for name, c, _ in rows],
            "categories": [{"id": 3 + k, "name": name} for k, name in enumerate(CLASSES)],
        }
    (root / "a.json").write_text(json.dumps(content))
    return f"json:{root / 'a.json'}"


def by_pattern(draw: st.DrawFn, root: Path, _: str) -> str:
    mark = draw(st.sampled_from(["_", "-", "."]))
    for label, number in all_rows():
        save(root / f"{CLASSES[label]}{mark}{number}.png", label, number)
    return f"folder:{root}?pattern={{class}}{mark}*"


def in_arrays(draw: st.DrawFn, root: Path, _: str) -> str:
    if draw(st.booleans()):
        np.save(root / "X.npy", array(all_rows()))
        np.save(root / "y.npy", np.array([CLASSES[label] for label, _ in all_rows()]))
        return f"npy:{root / 'X.npy'}?labels={root / 'y.npy'}"
    parts = {name: [row for row in all_rows() if split_of(row[1]) == name] for name in ("train", "val", "test")}
    held = {f"{name}_images": array(rows) for name, rows in parts.items()}
    np.savez(root / "a.npz", **held, **{f"{n}_labels": np.array([[CLASSES[r[0]]] for r in rows]) for n, rows in parts.items()})
    return f"npz:{root / 'a.npz'}"


def in_shards(draw: st.DrawFn, root: Path, _: str) -> str:
    if draw(st.booleans()):
        for split in ("train", "val", "test"):
            shard(root / f"{split}-0.tar", [row for row in all_rows() if split_of(row[1]) == split], "txt")
        return f"wds:{root}"
    held = {"image": [{"bytes": stored(*row), "path": ""} for row in all_rows()], "kind": [CLASSES[r[0]] for r in all_rows()]}
    pq.write_table(pa.table(held), root / "train.parquet")
    return f"parquet:{root}"


LISTS = (in_table, in_metadata, in_json)
KINDS: tuple[Callable[[st.DrawFn, Path, str], str], ...] = (*LISTS, by_pattern, in_arrays, in_shards)


@st.composite
def mixes(draw: st.DrawFn, root: Path) -> tuple[str, bool]:
    """Write some layout and what lies around; return its spec and whether it must be refused."""
    kind, around = draw(st.sampled_from(KINDS)), draw(st.sampled_from(AROUND))
    if around in FAULTS and kind not in LISTS:
        around = ""
    spec = kind(draw, root, around)
    if around == "stray" and kind in LISTS:
        save(root / ("images" if kind is in_json else "") / "nobody.png", 9, 99)
    if around == "notes":
        (root / "notes.txt").write_text("x")
    if around == "hidden":
        (root / "._i00.png").write_bytes(b"x")
        (root / "Thumbs.db").write_bytes(b"x")
    return spec, around in FAULTS


@given(st.data())
@settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_any_layout_is_read_as_meant_or_refused(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        spec, faulty = data.draw(mixes(Path(folder)))
        try:
            found = load_dataset(spec)
        except ColdframeError as error:
            assert "\n" not in str(error) and faulty, str(error)
            return
        assert not faulty
        check(found)


@given(st.data())
@settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_several_labels_with_what_lies_around(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        layout = data.draw(st.sampled_from([*tagged.LAYOUTS, tagged.in_several_folders]))
        spec = layout(root)
        if data.draw(st.booleans()):
            (root / "notes.txt").write_text("x")
        found = load_dataset(spec, several=True)
        for split in found.splits:
            assert split.tags is not None
            for row in range(len(split)):
                assert np.flatnonzero(split.tags[row]).tolist() == list(tagged.TAGS[tagged.number_of(split.images.open(row))])
