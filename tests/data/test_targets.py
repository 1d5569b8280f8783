"""What labels are: every layout of several labels is read as its generator meant, ranks are ordered, the rest is refused."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from layouts import CLASSES, save, stored

from coldframe.data import load_dataset
from coldframe.data.base import Dataset
from coldframe.data.targets import parted, rarest, taken
from coldframe.errors import DataError, InputError

TAGS = [(0,), (1,), (2,), (0, 1), (1, 2), (0, 1, 2), ()] * 6
"""Labels of each picture; its number stands in its green value."""


def names(row: tuple[int, ...]) -> list[str]:
    return [CLASSES[k] for k in row]


def table(path: Path, cells: list[object], head: tuple[str, ...] = ("file", "tags")) -> Path:
    files = [save(path.parent / f"i{number}.png", 0, number).name for number in range(len(TAGS))]
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([head, *([name, *cell] for name, cell in zip(files, cells, strict=True))])
    return path


def check(data: Dataset) -> None:
    assert data.classes == CLASSES and "several labels per image" in data.origin
    seen = set()
    for split in data.splits:
        assert split.tags is not None and split.tags.any(0).all()
        for row in range(len(split)):
            number = split.images.open(row).getpixel((0, 0))[1]
            assert np.flatnonzero(split.tags[row]).tolist() == list(TAGS[number])
            seen.add(number)
    assert seen == set(range(len(TAGS)))


def in_bars(folder: Path) -> str:
    return f"csv:{table(folder / 'a.csv', [['|'.join(names(row))] for row in TAGS])}?label=tags"


def in_lists(folder: Path) -> str:
    return f"csv:{table(folder / 'a.csv', [[str(names(row))] for row in TAGS])}"


def by_spaces(folder: Path) -> str:
    return f"csv:{table(folder / 'a.csv', [[' '.join(names(row))] for row in TAGS])}?separator=space"


def by_semicolons(folder: Path) -> str:
    return f"csv:{table(folder / 'a.csv', [['; '.join(names(row))] for row in TAGS])}?label=tags&targets=several"


def in_columns(folder: Path) -> str:
    return f"csv:{table(folder / 'a.csv', [[int(k in row) for k in range(3)] for row in TAGS], ('file', *CLASSES))}"


def in_named_columns(folder: Path) -> str:
    cells = [[7, *(int(k in row) for k in range(3))] for row in TAGS]
    return f"csv:{table(folder / 'a.csv', cells, ('file', 'age', *CLASSES))}?label=cat,dog,hen"


def in_metadata(folder: Path) -> str:
    rows = []
    for number, row in enumerate(TAGS):
        rows.append({"file_name": save(folder / f"i{number}.png", 0, number).name, "labels": names(row)})
    (folder / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return f"folder:{folder}"


def from_roboflow(folder: Path) -> str:
    cells = [[int(k in row) for k in range(3)] for row in TAGS]
    for split, chosen in (("train", range(14, 42)), ("valid", range(7)), ("test", range(7, 14))):
        lines = [f"filename, {', '.join(CLASSES)}"]
        for number in chosen:
            save(folder / split / f"i{number}.png", 0, number)
            lines.append(f"i{number}.png, {', '.join(map(str, cells[number]))}")
        (folder / split / "_classes.csv").write_text("\n".join(lines))
    return f"folder:{folder}"


def in_several_folders(folder: Path) -> str:
    for number, row in enumerate(TAGS):
        for k in row or ():
            save(folder / CLASSES[k] / f"i{number}.png", 0, number)
    return f"folder:{folder}?targets=several"


def in_parquet(folder: Path) -> str:
    pq.write_table(
        pa.table({"image": [stored(0, number) for number in range(len(TAGS))], "tags": [names(row) for row in TAGS]}),
        folder / "train.parquet",
    )
    return f"parquet:{folder}?label=tags"


def in_parquet_columns(folder: Path) -> str:
    flags = {CLASSES[k]: [int(k in row) for row in TAGS] for k in range(3)}
    pq.write_table(pa.table({"image": [stored(0, n) for n in range(len(TAGS))], **flags}), folder / "train.parquet")
    return f"parquet:{folder}?label=cat,dog,hen"


LAYOUTS = (
    in_bars, in_lists, by_spaces, by_semicolons, in_columns, in_named_columns, in_metadata, from_roboflow, in_parquet,
    in_parquet_columns,
)  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)
def test_every_layout_is_read_as_it_was_meant(layout: object, tmp_path: Path) -> None:
    spec = layout(tmp_path)  # type: ignore[operator]
    data = load_dataset(spec, several=True)
    check(data)
    assert data.spec == spec
    with pytest.raises(DataError, match=r"expected one label per image in .*, found [0-3] of"):
        load_dataset(spec)


def test_a_picture_in_several_folders(tmp_path: Path) -> None:
    data = load_dataset(in_several_folders(tmp_path), several=True)
    for split in data.splits:
        for row in range(len(split)):
            assert np.flatnonzero(split.tags[row]).tolist() == list(TAGS[split.images.open(row).getpixel((0, 0))[1]])
    assert sum(map(len, data.splits)) == sum(bool(row) for row in TAGS)
    save(tmp_path / "dog" / "i0.png", 0, 99)
    with pytest.raises(DataError, match=r"expected one picture of the name i0\.png .* which differ; rename one"):
        load_dataset(f"folder:{tmp_path}?targets=several", several=True)


def test_arrow_lists_of_class_labels(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    label = datasets.ClassLabel(names=list(CLASSES))
    lists = datasets.List(label) if hasattr(datasets, "List") else datasets.Sequence(label)
    features = datasets.Features({"image": datasets.Image(), "tags": lists})
    held = {"image": [{"bytes": stored(0, n), "path": None} for n in range(len(TAGS))], "tags": [list(row) for row in TAGS]}
    datasets.Dataset.from_dict(held, features=features).save_to_disk(str(tmp_path / "saved"))
    data = load_dataset(f"hf:{tmp_path / 'saved'}", several=True)
    for split in data.splits:
        for row in range(len(split)):
            assert np.flatnonzero(split.tags[row]).tolist() == list(TAGS[split.images.open(row).getpixel((0, 0))[1]])


def test_drawn_splits_hold_every_label_and_shots_count_the_rarest(tmp_path: Path) -> None:
    data = load_dataset(in_bars(tmp_path), several=True, shots=2)
    assert "train: 2 images per class" in data.origin and "by the rarest label" in data.origin
    assert np.bincount(rarest(data.train.tags)).max() == 2
    whole = load_dataset(in_bars(tmp_path), several=True, whole=True)
    assert len(whole.test) == len(TAGS) and whole.test.tags is not None
    with pytest.raises(DataError, match="expected one label per image"):
        load_dataset(f"{in_bars(tmp_path)}+mini:cifar10", several=True)


def test_one_label_stays_one_label(tmp_path: Path) -> None:
    single = [[[CLASSES[n % 3]]] for n in range(len(TAGS))]
    for cells in ([cell[0] for cell in single], [[str(cell[0])] for cell in single]):
        data = load_dataset(f"csv:{table(tmp_path / 'a.csv', cells)}")
        assert data.train.tags is None and data.classes == CLASSES
    assert parted(["dog; wild", "cat, tame"], "auto", None) is None
    with pytest.raises(DataError, match=r"expected one 1 among the columns of classes in .*, line 5, found 2"):
        load_dataset(f"{in_columns(tmp_path)}?targets=classes")


def test_ranks_are_ordered_by_value_and_told(tmp_path: Path) -> None:
    cells = [[["10", "2", "0.5"][n % 3]] for n in range(len(TAGS))]
    path = table(tmp_path / "a.csv", cells, ("file", "grade"))
    data = load_dataset(f"csv:{path}?label=grade&targets=ranks")
    assert data.classes == ("0.5", "2", "10") and data.train.ordered and data.test.ordered
    assert "3 ranks, 0.5 to 10" in data.origin
    for split in data.splits:
        for row, label in enumerate(split.labels):
            assert cells[split.images.open(row).getpixel((0, 0))[1]] == [data.classes[label]]
    whole = table(tmp_path / "b.csv", [[n % 3] for n in range(len(TAGS))], ("file", "grade"))
    plain = load_dataset(f"csv:{whole}")
    assert "classes are numbers: ?targets=ranks" in plain.origin and not plain.train.ordered
    with pytest.raises(DataError, match="expected numbers as classes"):
        load_dataset(f"csv:{table(tmp_path / 'c.csv', [[CLASSES[n % 3]] for n in range(len(TAGS))])}?targets=ranks")


def test_an_unknown_choice_is_refused() -> None:
    assert taken("a.csv?targets=ranks&label=x") == ("a.csv?label=x", "ranks")
    with pytest.raises(InputError, match="did you mean 'several'"):
        taken("a.csv?targets=severals")
