"""A data set of one class is refused in one sentence that names where its labels stand, whatever its layout."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from layouts import save, shard, stored

from coldframe.data import load_dataset
from coldframe.errors import DataError

ROWS = [(0, number) for number in range(6)]


def files(root: Path) -> list[str]:
    return [save(root / "cat" / f"{number}.png", label, number).relative_to(root).as_posix() for label, number in ROWS]


def folders(root: Path) -> str:
    files(root / "in")
    return f"folder:{root / 'in'}"


def pattern(root: Path) -> str:
    for label, number in ROWS:
        save(root / "in" / f"cat_{number}.png", label, number)
    return f"folder:{root / 'in'}?pattern={{class}}_*"


def metadata(root: Path) -> str:
    lines = "".join(f"{name},cat\n" for name in files(root / "in"))
    (root / "in" / "metadata.csv").write_text(f"file_name,label\n{lines}")
    return f"folder:{root / 'in'}"


def table(root: Path) -> str:
    (root / "a.csv").write_text("path,species\n" + "".join(f"{name},cat\n" for name in files(root)))
    return str(root / "a.csv")


def lines(root: Path) -> str:
    (root / "a.jsonl").write_text("".join(json.dumps({"path": name, "species": "cat"}) + "\n" for name in files(root)))
    return f"csv:{root / 'a.jsonl'}"


def coco(root: Path) -> str:
    names = files(root)
    content = {
        "images": [{"id": number, "file_name": name} for number, name in enumerate(names)],
        "annotations": [{"id": number, "image_id": number, "category_id": 1} for number in range(len(names))],
        "categories": [{"id": 1, "name": "cat"}],
    }
    (root / "a.json").write_text(json.dumps(content))
    return str(root / "a.json")


def parquet(root: Path) -> str:
    images = [{"bytes": stored(*row), "path": None} for row in ROWS]
    pq.write_table(pa.table({"image": images, "species": [True] * len(ROWS)}), root / "a.parquet")
    return f"parquet:{root / 'a.parquet'}"


def arrays(root: Path) -> str:
    np.savez(root / "a.npz", x=np.zeros((6, 8, 8, 3), np.uint8), y=np.zeros(6, np.int64))
    return str(root / "a.npz")


def shards(root: Path) -> str:
    return f"wds:{shard(root / 'a-0.tar', ROWS)}"


def hub(root: Path) -> str:
    datasets = pytest.importorskip("datasets")
    features = datasets.Features({"photo": datasets.Image(), "kind": datasets.ClassLabel(names=["cat"])})
    content = {"photo": [{"bytes": stored(*row), "path": None} for row in ROWS], "kind": [0] * len(ROWS)}
    datasets.Dataset.from_dict(content, features=features).save_to_disk(str(root / "hub"))
    return f"hf:{root / 'hub'}"


@pytest.mark.parametrize(
    ("write", "where"),
    [
        (folders, "the folders of {root}/in, one per class"), (pattern, "the names below {root}/in by the pattern {class}_*"),
        (metadata, "column 'label' of {root}/in/metadata.csv"), (table, "column 'species' of {root}/a.csv"),
        (lines, "column 'species' of {root}/a.jsonl"), (coco, "the labels of {root}/a.json"),
        (parquet, "column 'species' of {root}/a.parquet"), (arrays, "y of npz:{root}/a.npz"),
        (shards, "the labels in {root}/a-0.tar"), (hub, "column 'kind' of hf:{root}/hub"),
    ],
)  # fmt: skip
def test_the_sentence_names_where_the_labels_stand(write: Callable[[Path], str], where: str, tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        load_dataset(write(tmp_path))
    named = where.replace("{root}", str(tmp_path))
    said = str(caught.value)
    assert f"expected two classes or more in {named}, found " in said and " alone, of 6 images" in said
