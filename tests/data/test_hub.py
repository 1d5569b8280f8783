"""Data sets of the Hub's library: folders of save_to_disk, by column types, without a network."""

from __future__ import annotations

from pathlib import Path

import pytest
from drawn import same_text
from layouts import CLASSES, all_rows, check, split_of, stored
from readings import png, read

from coldframe.data import load_dataset
from coldframe.errors import DataError

datasets = pytest.importorskip("datasets")


def table(rows: list[tuple[int, int]], **more: list[object]) -> object:
    features = {"photo": datasets.Image(), "kind": datasets.ClassLabel(names=list(CLASSES))}
    content = {"photo": [{"bytes": stored(*row), "path": None} for row in rows], "kind": [label for label, _ in rows]}
    extra = {name: datasets.Value("string") for name in more}
    return datasets.Dataset.from_dict(content | more, features=datasets.Features(features | extra))


def test_folders_of_save_to_disk(tmp_path: Path) -> None:
    table(all_rows()).save_to_disk(str(tmp_path / "one"))
    check(load_dataset(f"hf:{tmp_path / 'one'}"))
    words = {"train": "train", "validation": "val", "test": "test"}
    splits = {name: table([row for row in all_rows() if split_of(row[1]) == word]) for name, word in words.items()}
    datasets.DatasetDict(splits).save_to_disk(str(tmp_path / "three"))
    data = load_dataset(f"hf:{tmp_path / 'three'}")
    check(data)
    assert (len(data.train), len(data.val), len(data.test)) == (12, 3, 3)


def test_columns_and_names_that_are_not_there(tmp_path: Path) -> None:
    table(all_rows(), patient=[f"p{number}" for _, number in all_rows()]).save_to_disk(str(tmp_path / "one"))
    data = load_dataset(f"hf:{tmp_path / 'one'}?group=patient")
    assert data.train.groups is not None
    with pytest.raises(DataError, match=r"expected labels in column 'kin'.*did you mean 'kind'"):
        load_dataset(f"hf:{tmp_path / 'one'}?label=kin")
    with pytest.raises(DataError, match="cannot load hf:") as caught:
        load_dataset(f"hf:{tmp_path / 'gone'}")
    assert "\n" not in str(caught.value)


def hub(kind: object, labels: list[object], **more: list[object]) -> object:
    """Return a table of ten small pictures with labels of a kind, and columns of text."""
    features = {"img": datasets.Image(), "label": kind} | {name: datasets.Value("string") for name in more}
    pictures = [{"bytes": png(number), "path": None} for number in range(len(labels))]
    return datasets.Dataset.from_dict({"img": pictures, "label": labels} | more, features=datasets.Features(features))


def test_what_the_hubs_tables_hold_is_read_as_before(tmp_path: Path) -> None:
    names, numbers, lists = datasets.ClassLabel(names=["cat", "dog"]), datasets.Value("int8"), datasets.List
    half, text = [0, 1] * 5, [f"t{number % 2}" for number in range(10)]
    cases = {
        "names": (hub(names, half), ["", "?label=img", "?image=label", "?group=x", "?lable=x"]),
        "withheld": (hub(names, [*half[:9], -1]), [""]), "missing": (hub(numbers, [*half[:9], None]), [""]),
        "numbers": (hub(numbers, [value * 3 - 1 for value in half]), ["", "?targets=ranks"]),
        "texts": (hub(names, half, of=text), ["?label=of", "?group=of"]),
        "two": (hub(numbers, half, of=text), ["", "?label=of"]),
        "one_each": (hub(lists(names), [[0], [1]] * 5), ["", "?targets=several"]),
        "lists": (hub(lists(names), [[0], [1], [0, 1], [], [1]] * 2), ["", "?targets=classes"]),
        "listed": (hub(lists(datasets.Value("string")), [["a"], ["b"], ["a", "c"], ["c"], ["a"]] * 2), [""]),
        "real": (hub(datasets.Value("float32"), [0.5] * 10), [""]),
        "splits": (datasets.DatasetDict({"train": hub(names, half), "test": hub(names, [1, 0])}), [""]),
    }  # fmt: skip
    (tmp_path / "empty").mkdir()
    for name, end in (("empty", "; check the name"), ("gone", "; check the name, or fetch it with --download")):
        with pytest.raises(DataError) as caught:
            load_dataset(f"hf:{tmp_path / name}")
        assert str(caught.value).endswith(end)
    lines: list[str] = []
    for name, (table, ends) in cases.items():
        table.save_to_disk(str(tmp_path / name))  # type: ignore[attr-defined]
        lines += [line for end in ends for line in read(tmp_path, f"hf:ROOT/{name}{end}")]
    same_text(__file__, "read_hub", "\n".join(lines) + "\n")
