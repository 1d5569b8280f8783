"""The classes and the held-out rows."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from coldframe.errors import DataError
from coldframe.recipes.pocket.corpus import COARSE, FINE, HELD_OUT, held_out, read


def test_held_out_rows_are_balanced_and_repeat() -> None:
    for per_class in HELD_OUT.values():
        labels = [i % 3 for i in range(3 * per_class + 300)]
        rows = held_out(labels, per_class)
        assert rows == held_out(labels, per_class) and rows == sorted(set(rows))
        assert np.bincount([labels[row] for row in rows]).tolist() == [per_class] * 3


def test_missing_data_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="set COLDFRAME_DATA"):
        read(tmp_path, "cifar100", "train", 32)


@pytest.mark.shared_data
def test_the_classes_are_those_of_the_data(shared_data: Path) -> None:
    import pyarrow.parquet as pq

    table = pq.read_table(shared_data / "cifar100" / "test-00000-of-00001.parquet", columns=["fine_label", "coarse_label"])
    features = json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]
    assert tuple(name.replace("_", " ") for name in features["fine_label"]["names"]) == FINE
    coarse = [name.replace("_", " ") for name in features["coarse_label"]["names"]]
    assert coarse == list(COARSE)
    pairs = set(zip(table["fine_label"].to_pylist(), table["coarse_label"].to_pylist(), strict=True))
    assert {(FINE[fine], coarse[of]) for fine, of in pairs} == {(name, group) for group in COARSE for name in COARSE[group]}


@pytest.mark.shared_data
def test_pictures_of_a_split(shared_data: Path) -> None:
    pictures = read(shared_data, "cifar100", "test", 8)
    assert pictures.pixels.shape == (10_000, 3, 8, 8)
    assert np.bincount(pictures.labels).tolist() == [0] * 10 + [100] * 100
