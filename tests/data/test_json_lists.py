"""COCO's annotations with one category an image, and split files of few-shot studies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from layouts import CLASSES, check, flat, split_of

from coldframe.data import load_dataset
from coldframe.errors import ColdframeError


def refused(spec: str) -> str:
    with pytest.raises(ColdframeError) as caught:
        load_dataset(spec)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def coco(folder: Path) -> dict[str, Any]:
    rows = flat(folder)
    return {
        "info": {},
        "images": [{"id": n, "file_name": name, "width": 5, "height": 4} for n, (name, _) in enumerate(rows)],
        "annotations": [{"id": n, "image_id": n, "category_id": 7 + label} for n, (_, label) in enumerate(rows)],
        "categories": [{"id": 7 + k, "name": name} for k, name in enumerate(CLASSES)],
    }


def test_coco(tmp_path: Path) -> None:
    content = coco(tmp_path / "images")
    path = tmp_path / "annotations.json"
    path.write_text(json.dumps(content))
    check(load_dataset(str(path)))
    content["annotations"].append({"image_id": 0, "category_id": 8})
    path.write_text(json.dumps(content))
    assert "detection is not read" in refused(str(path))
    content["annotations"][-1]["category_id"] = 99
    path.write_text(json.dumps(content))
    assert "found 99" in refused(str(path))
    content["annotations"] = content["annotations"][1:-1]
    path.write_text(json.dumps(content))
    assert "found none; annotate" in refused(str(path))


def test_split_files(tmp_path: Path) -> None:
    parts: dict[str, list[list[object]]] = {"train": [], "val": [], "test": []}
    for name, label in flat(tmp_path / "images"):
        parts[split_of(int(name[2]))].append([name, label, CLASSES[label]])
    path = tmp_path / "split.json"
    path.write_text(json.dumps(parts))
    data = load_dataset(f"json:{path}")
    check(data)
    assert (len(data.train), len(data.val), len(data.test)) == (12, 3, 3)
    first = parts["train"][0]
    for more, expected in ((["train", [first[0], 1, "dog"]], "expected one label for"), (["test", first], "in one split")):
        path.write_text(json.dumps(parts | {more[0]: [*parts[more[0]], more[1]]}))
        assert expected in (said := refused(str(path))) and "entry" in said
    path.write_text(json.dumps(parts | {"train": [*parts["train"], first]}))
    data = load_dataset(f"json:{path}")
    check(data)
    assert "1 rows left out that repeat a row" in data.origin
    parts["train"][0][2] = "cow"
    path.write_text(json.dumps(parts))
    assert "one name for label 0" in refused(str(path))
    path.write_text(json.dumps({"train": [["gone.png", 0, "cat"], ["x.png", 1, "dog"]]}))
    assert "expected an image 'gone.png' of train, entry 0" in refused(str(path))
    path.write_text(json.dumps({"train": [["gone.png", 0]]}))
    assert "write [path, label, class name]" in refused(str(path))
    path.write_text(json.dumps({"rows": []}))
    assert "found rows" in refused(str(path))
