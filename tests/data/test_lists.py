"""Tables of images and labels, in every way that people write them."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from layouts import CLASSES, check, flat, split_of

from coldframe.data import load_dataset
from coldframe.errors import DataError, InputError


def refused(spec: str, **options: object) -> str:
    with pytest.raises((DataError, InputError)) as caught:
        load_dataset(spec, **options)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    return str(caught.value)


def write(path: Path, rows: list[tuple[object, ...]], mark: str = ",", head: str | None = None) -> Path:
    lines = [mark.join(map(str, row)) for row in rows]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(([head.replace(",", mark)] if head else []) + lines) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("mark", [",", ";", "\t", " ", "|"], ids=["comma", "semicolon", "tab", "space", "bar"])
@pytest.mark.parametrize("head", ["file,label", None])
@pytest.mark.parametrize("below", ["", "photos"])
def test_separators_heads_and_folders(tmp_path: Path, mark: str, head: str | None, below: str) -> None:
    rows = [(name, CLASSES[label]) for name, label in flat(tmp_path / below)]
    data = load_dataset(f"csv:{write(tmp_path / 'list.csv', rows, mark, head)}")
    check(data)
    assert ("no head" in data.origin) == (head is None)


def test_paths_with_folders_labels_first_numbers_and_windows_marks(tmp_path: Path) -> None:
    rows = [(label, f"photos/{name}") for name, label in flat(tmp_path / "photos")]
    path = write(tmp_path / "list.csv", rows, head="y,path")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    check(load_dataset(str(path)), ("0", "1", "2"))
    write(path, [(f"{label}.0", name) for label, name in rows])
    check(load_dataset(str(path)), ("0", "1", "2"))


def test_numbers_in_parquet_have_the_names_that_the_hub_gives(tmp_path: Path) -> None:
    names, labels = zip(*flat(tmp_path), strict=True)
    said = {"info": {"features": {"label": {"names": list(CLASSES), "_type": "ClassLabel"}}}}
    table = pa.table({"file_name": names, "label": labels}).replace_schema_metadata({"huggingface": json.dumps(said)})
    pq.write_table(table, tmp_path / "metadata.parquet")
    check(load_dataset(f"csv:{tmp_path / 'metadata.parquet'}"))


def test_names_without_endings(tmp_path: Path) -> None:
    rows = [(name.removesuffix(".png"), CLASSES[label]) for name, label in flat(tmp_path / "train")]
    path = write(tmp_path / "labels.csv", rows, head="id,breed")
    check(load_dataset(f"csv:{path}"))
    (tmp_path / "train" / "i00.jpg").write_bytes(b"")
    assert "found i00.jpg and i00.png" in refused(f"csv:{path}")


def test_splits_groups_and_several_columns(tmp_path: Path) -> None:
    rows = [
        (name, label, CLASSES[label], split_of(int(name[2])), f"p{name[2]}", number)
        for number, (name, label) in enumerate(flat(tmp_path))
    ]
    path = write(tmp_path / "list.csv", rows, head="image,class_id,class_name,split,patient,age")
    data = load_dataset(f"csv:{path}")
    check(data)
    assert (len(data.train), len(data.val), len(data.test)) == (12, 3, 3)
    assert "classes from 'class_name'" in data.origin
    grouped = load_dataset(f"csv:{path}?group=patient")
    assert grouped.train.groups is not None and set(grouped.train.groups) == {"p2", "p3", "p4", "p5"}
    assert "did you mean 'patient'" in refused(f"csv:{path}?group=patien")
    assert "did you mean 'label'" in refused(f"csv:{path}?lable=x")
    assert refused(f"csv:{path}?label=age").startswith("class '")
    write(path, [(a, c, d, e) for a, _, c, d, e, _ in rows], head="image,kind,breed_of,colour")
    assert "choose, as in csv:" in refused(f"csv:{path}")


def test_splits_without_a_head_and_withheld_labels(tmp_path: Path) -> None:
    rows = [(name, CLASSES[label], split_of(int(name[2]))) for name, label in flat(tmp_path)]
    data = load_dataset(f"csv:{write(tmp_path / 'a.csv', rows)}")
    assert len(data.test) == 3 and {Path(data.test.images.name(n)).stem[2] for n in range(3)} == {"0"}
    hidden = [(name, "" if split == "test" else label, split) for name, label, split in rows]
    data = load_dataset(f"csv:{write(tmp_path / 'b.csv', hidden, head='file,label,split')}")
    assert "test left out: its 3 labels are withheld" in data.origin
    assert all(Path(data.test.images.name(n)).stem[2] != "0" for n in range(len(data.test)))
    odd = [(name, label, "holdout") for name, label, _ in rows]
    assert "found 'holdout'" in refused(f"csv:{write(tmp_path / 'c.csv', odd, head='file,label,split')}")


def test_one_hot_columns(tmp_path: Path) -> None:
    rows = [(name, *(int(label == k) for k in range(3))) for name, label in flat(tmp_path)]
    check(load_dataset(f"csv:{write(tmp_path / 'a.csv', rows, head='image,cat,dog,hen')}"))
    rows[1] = (rows[1][0], 1, 1, 0)
    path = write(tmp_path / "a.csv", rows, head="image,cat,dog,hen")
    assert "found 2 of" in refused(f"csv:{path}")
    assert "line 3, found 2" in refused(f"csv:{path}?targets=classes")


def test_what_is_doubtful_is_refused(tmp_path: Path) -> None:
    listed = flat(tmp_path / "images")
    rows = [(name, CLASSES[label]) for name, label in listed]
    path = write(tmp_path / "list.csv", rows, head="file,label")
    flat(tmp_path / "masks")
    assert "images and " in (said := refused(f"csv:{path}")) and "choose, as in ?root=" in said
    check(load_dataset(f"csv:{path}?root={tmp_path / 'images'}"))
    both = write(tmp_path / "both.csv", [(f"images/{n}", f"masks/{n}", c) for n, c in rows], head="photo,mask,label")
    assert "the columns photo and mask" in refused(f"csv:{both}")
    check(load_dataset(f"csv:{both}?image=photo&label=label"))
    rarely = [(f"images/{n}", f"masks/{n}" if at < 2 else "none", c) for at, (n, c) in enumerate(rows)]
    check(load_dataset(f"csv:{write(tmp_path / 'rarely.csv', rarely, head='photo,mask,label')}?label=label"))
    for bad, expected in (
        ([*rows, (rows[0][0], "dog")], "one label for"),
        ([*rows, ("gone.png", "dog")], "line 20"),
        ([*rows[1:], (rows[0][0], "cat|dog")], "found 2 of"),
        ([*rows[1:], (rows[0][0], "0.5")], "expected classes"),
        ([*rows[1:], (rows[0][0], "")], "found none"),
        ([*rows, ("x",)], "expected 2 columns"),
    ):
        write(path, bad, head="file,label")
        assert expected in refused(f"csv:{path}?root={tmp_path / 'images'}")
    write(path, [*rows, ("gone.png", "dog"), rows[0]], head="file,label")
    data = load_dataset(f"csv:{path}?root={tmp_path / 'images'}", on_error="skip")
    check(data)
    assert "1 rows left out whose images are missing" in data.origin and "1 rows left out that repeat" in data.origin
    path.write_text("")
    assert "found none" in refused(f"csv:{path}")
    path.write_text("a,b\nc,d\n")
    assert "found none that exists" in refused(f"csv:{path}")
    assert "did you mean 'list.csv'" in refused(f"csv:{tmp_path / 'lst.csv'}")
