"""Parquet in the way of the Hub: files, columns by type, reading from threads."""

from __future__ import annotations

import io
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from coldframe.data import load_dataset
from coldframe.data.parquet import Rows
from coldframe.errors import DataError, InputError


def picture(value: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4), (value, 0, 0)).save(buffer, "PNG")
    return buffer.getvalue()


def write(path: Path, labels: dict[str, list[object]], features: dict[str, object] | None = None, start: int = 0) -> None:
    count = len(next(iter(labels.values())))
    images = [{"bytes": picture(start + n), "path": f"{n}.png"} for n in range(count)]
    table = pa.table({"picture": images, **labels})
    if features is not None:
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, row_group_size=3)


NAMED = {"picture": {"_type": "Image"}, "kind": {"_type": "ClassLabel", "names": ["red_rose", "tulip"]}}


def test_splits_come_from_file_names(tmp_path: Path) -> None:
    write(tmp_path / "data" / "train-00000-of-00002.parquet", {"kind": [0, 1] * 5, "id": list(range(10))}, NAMED)
    write(tmp_path / "data" / "train-00001-of-00002.parquet", {"kind": [1, 0], "id": [10, 11]}, NAMED, 10)
    write(tmp_path / "data" / "validation-00000-of-00001.parquet", {"kind": [0, 1], "id": [0, 1]}, NAMED, 50)
    write(tmp_path / "data" / "test-00000-of-00001.parquet", {"kind": [0, 1, 1], "id": [0, 1, 2]}, NAMED, 100)
    data = load_dataset(f"parquet:{tmp_path}")
    assert data.classes == ("red rose", "tulip")
    assert (len(data.train), len(data.val), len(data.test)) == (12, 2, 3)
    assert data.train.labels.tolist() == [0, 1] * 5 + [1, 0]
    assert [data.train.images.open(n).getpixel((0, 0))[0] for n in range(12)] == list(range(12))
    assert data.train.images.name(11).endswith("train-00001-of-00002.parquet row 1")
    assert data.train.images.digest(0) != data.train.images.digest(1)
    assert len(data.train.images.digest(0)) == 32


def test_text_and_bare_integers_are_labels(tmp_path: Path) -> None:
    write(tmp_path / "words.parquet", {"species": ["cat", "dog"] * 5})
    assert load_dataset(str(tmp_path / "words.parquet")).classes == ("cat", "dog")
    write(tmp_path / "numbers.parquet", {"y": [7, 3] * 5})
    assert load_dataset(f"parquet:{tmp_path / 'numbers.parquet'}").classes == ("3", "7")


def test_several_label_columns_must_be_chosen(tmp_path: Path) -> None:
    path = tmp_path / "two.parquet"
    write(path, {"fine": [0, 1] * 5, "coarse": ["x", "y"] * 5})
    with pytest.raises(DataError, match=r"found fine and coarse; choose, as in parquet:.*\?label=fine"):
        load_dataset(f"parquet:{path}")
    assert load_dataset(f"parquet:{path}?label=coarse").classes == ("x", "y")
    with pytest.raises(DataError, match="did you mean 'coarse'"):
        load_dataset(f"parquet:{path}?label=coars")
    with pytest.raises(InputError, match="unknown choice 'lable'"):
        load_dataset(f"parquet:{path}?lable=fine")


def test_damage_is_said(tmp_path: Path) -> None:
    (tmp_path / "train.parquet").write_text("text")
    with pytest.raises(DataError, match="expected a sound parquet file"):
        load_dataset(f"parquet:{tmp_path}")
    with pytest.raises(DataError, match="found nothing there"):
        load_dataset(f"parquet:{tmp_path / 'gone'}")
    write(tmp_path / "train.parquet", {"y": [0, -1] * 5})
    with pytest.raises(DataError, match="row 1, found -1"):
        load_dataset(f"parquet:{tmp_path}")


def test_rows_are_the_same_from_threads_and_with_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "train.parquet"
    write(path, {"y": [0, 1] * 10})
    rows = Rows([path], "picture", kept_bytes=1)
    order = np.random.default_rng(0).integers(0, 20, 200).tolist()
    with ThreadPoolExecutor(8) as pool:
        values = list(pool.map(lambda n: rows.open(n).getpixel((0, 0))[0], order))
    assert values == order
    assert len(rows._kept) == 1


@pytest.mark.shared_data
def test_cifar10(shared_data: Path) -> None:
    data = load_dataset(f"parquet:{shared_data / 'cifar10'}", shots=10)
    assert (len(data.train), len(data.val), len(data.test)) == (100, 100, 10000)
    assert data.classes[0] == "airplane"
    assert data.train.images.open(0).size == (32, 32)


def test_few_test_images_are_drawn_evenly_over_the_classes(tmp_path: Path) -> None:
    write(tmp_path / "train.parquet", {"kind": [0, 1] * 5}, NAMED)
    write(tmp_path / "test.parquet", {"kind": [0] * 9 + [1] * 3}, NAMED, 20)
    few, again = load_dataset(f"parquet:{tmp_path}?test=4"), load_dataset(f"parquet:{tmp_path}?test=4", seed=5)
    assert np.bincount(few.test.labels).tolist() == [2, 2]
    assert [few.test.images.name(i) for i in range(4)] == [again.test.images.name(i) for i in range(4)]
    assert "4 of 12 images" in few.origin
    assert len(load_dataset(f"parquet:{tmp_path}?test=99").test) == 12
    for wrong in ("0", "-3", "x", ""):
        with pytest.raises(InputError, match="number of test images"):
            load_dataset(f"parquet:{tmp_path}?test={wrong}")
