"""Columns of labels of every type that people store, and what is wrong with them by file, column and row."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from coldframe.data import load_dataset
from coldframe.data.base import Dataset
from coldframe.errors import DataError


def table(labels: object, metadata: object = None, *, image: str = "image", label: str = "label") -> pa.Table:
    """Return ten pictures with labels; metadata is what the Hub writes about the columns."""
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4), (9, 9, 9)).save(buffer, "PNG")
    made = pa.table({image: [{"bytes": buffer.getvalue(), "path": ""}] * len(labels), label: labels})  # type: ignore[arg-type]
    if metadata is not None:
        made = made.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": metadata}})})
    return made


def load(folder: Path, **tables: pa.Table) -> Dataset:
    for name, made in tables.items():
        pq.write_table(made, folder / f"{name}.parquet")
    return load_dataset(f"parquet:{folder}")


def refused(folder: Path, **tables: pa.Table) -> str:
    with pytest.raises(DataError) as caught:
        load(folder, **tables)
    said = str(caught.value)
    assert "\n" not in said and len(said) < 500
    return said


def about(*names: object, kind: str = "ClassLabel") -> dict[str, object]:
    return {"image": {"_type": "Image"}, "label": {"_type": kind, "names": list(names)}}


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (pa.array([True, False] * 5), ("False", "True")),
        (pa.array(["cat", "dog"] * 5).dictionary_encode(), ("cat", "dog")),
        (pa.array([7, 3] * 5).dictionary_encode(), ("3", "7")),
        (pa.array([["cat"], ["dog"]] * 5), ("cat", "dog")),
        (pa.array([[4], [2]] * 5, pa.list_(pa.int8(), 1)), ("2", "4")),
        (pa.array([2**63, 1] * 5, pa.uint64()), ("1", str(2**63))),
        (pa.array(["cat", "dog"] * 5, pa.large_string()), ("cat", "dog")),
    ],
    ids=lambda value: str(getattr(value, "type", value)),
)
def test_labels_of_every_type(labels: pa.Array, classes: tuple[str, ...], tmp_path: Path) -> None:
    data = load(tmp_path, train=table(labels))
    assert data.classes == classes
    assert sorted(np.bincount(data.train.labels).tolist()) == [3, 3]


def test_lists_of_one_class_count_the_names(tmp_path: Path) -> None:
    inner = {"_type": "ClassLabel", "names": ["a", "b"]}
    listed = {"image": {"_type": "Image"}, "label": {"_type": "Sequence", "feature": inner}}
    assert load(tmp_path, train=table([[1], [0]] * 5, listed)).classes == ("a", "b")
    assert "found 2 of" in refused(tmp_path, train=table([[1], [0, 1]] * 5, listed))


def test_a_test_split_without_labels_is_left_out_and_named(tmp_path: Path) -> None:
    data = load(tmp_path, train=table([0, 1] * 10, about("a", "b")), test=table([-1] * 5, about("a", "b")))
    assert "test left out: its labels in column 'label' are withheld" in data.origin
    assert len(data.test) == 4 and set(data.test.labels) == {0, 1}
    nothing = load(tmp_path, train=table(["x", "y"] * 10), test=table(pa.nulls(3, pa.string())))
    assert "test left out" in nothing.origin


def test_single_rows_without_a_label_are_named_by_file_and_column(tmp_path: Path) -> None:
    said = refused(tmp_path, train=table([0, 1] * 10, about("a", "b")), test=table([0, 1, -1, 1], about("a", "b")))
    assert "column 'label' of" in said and "test.parquet, row 2, found -1" in said
    assert "row 1, found none" in refused(tmp_path, train=table(["a", None] * 5), test=table(["a", "b"]))


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (table(["a", "c"] * 5, about("a", "b")), "expected a label from 0 to 1"),
        (table(pa.array([0, 2**64 - 1] * 5, pa.uint64()), about("a", "b")), "row 1, found '18446744073709551615'"),
        (table([0, 5] * 5, about("a", "b")), "train.parquet, row 1, found '5'"),
        (table([0, 1] * 5, about("a", 7)), "names of classes as texts"),
        (table([0, 1] * 5, about("a", None)), "names of classes as texts"),
        (table([0, 1] * 5, about("a", "a")), "'a' twice"),
        (table([0, 1] * 5, {"label": {"_type": "ClassLabel", "names": "ab"}}), "names of classes as texts"),
        (table([0.5, 1.0] * 5), "expected a column of labels"),
    ],
)
def test_labels_that_name_no_class(made: pa.Table, expected: str, tmp_path: Path) -> None:
    assert expected in refused(tmp_path, train=made)


@pytest.mark.parametrize(
    "metadata", [["a", "list"], "text", 5, None, {"label": ["a"]}, {"label": {"names": None}}, {"label": 3}]
)
def test_metadata_of_another_shape_is_as_none(metadata: object, tmp_path: Path) -> None:
    assert load(tmp_path, train=table([0, 1] * 5, metadata)).classes == ("0", "1")


def test_files_of_other_columns_are_named(tmp_path: Path) -> None:
    train = table([0, 1] * 5)
    assert "column 'image' in" in refused(tmp_path, train=train, test=table([0, 1], image="photo"))
    assert "column 'label' in" in refused(tmp_path, train=train, test=table([0, 1], label="kind"))
    assert "test.parquet" in refused(tmp_path, train=train, test=pa.table({"image": ["a.png"], "label": [0]}))
    assert "of one type" in refused(tmp_path, train=train, test=table(["a", "b"]))
    assert "column 'label' of" in refused(tmp_path, train=train, test=table([0.5, 1.5]))


def test_damage_of_any_kind_is_one_sentence(tmp_path: Path) -> None:
    pq.write_table(table([0, 1] * 5), tmp_path / "sound.parquet")
    content = (tmp_path / "sound.parquet").read_bytes()
    path = tmp_path / "train.parquet"
    for cut in (0, 4, 8, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:cut])
        with pytest.raises(DataError, match=r"cannot read .*train\.parquet: expected a sound parquet file") as caught:
            load_dataset(f"parquet:{path}")
        assert "\n" not in str(caught.value)
