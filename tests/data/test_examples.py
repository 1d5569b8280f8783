"""A picture of each class as a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from coldframe.data import from_arrays, load_dataset
from coldframe.data.examples import examples


def test_each_class_has_the_pixels_of_its_first_test_picture(tmp_path: Path) -> None:
    data = load_dataset("mini:mnist")
    paths = examples(data, tmp_path / "out")
    assert [path.stem for path in paths] == list(data.classes)
    for label, path in enumerate(paths):
        first = int(np.flatnonzero(data.test.labels == label)[0])
        with Image.open(path) as picture:
            assert np.array_equal(np.asarray(picture.convert("RGB")), np.asarray(data.test.images.open(first)))


def test_names_of_classes_that_are_no_file_names_do_not_meet(tmp_path: Path) -> None:
    for name, colour in (("a_b", "red"), ("a?b", "green"), ("a*b", "blue")):
        (tmp_path / "data" / name).mkdir(parents=True)
        for number in range(6):
            Image.new("RGB", (8, 8), colour).save(tmp_path / "data" / name / f"{number}.png")
    paths = examples(load_dataset(f"folder:{tmp_path / 'data'}"), tmp_path / "out")
    assert len(set(paths)) == 3 and all(path.parent == tmp_path / "out" and path.is_file() for path in paths)


def test_long_and_empty_names_and_classes_without_a_picture(tmp_path: Path) -> None:
    long, pixels = "x" * 90, np.zeros((3, 4, 4, 3), np.uint8)
    data = from_arrays(np.zeros((4, 4, 4, 3), np.uint8), [0, 1, 2, 3], [long, long + "y", "..", "d"],
                       val=(pixels, [0, 1, 2]), test=(pixels, [0, 1, 3]))  # fmt: skip
    assert [path.name for path in examples(data, tmp_path)] == ["x" * 80 + ".png", "x" * 80 + "-1.png", "d.png"]
    whole = from_arrays(pixels, [0, 1, 2], ["?", " ", "c"], val=(pixels, [0, 1, 2]), test=(pixels, [0, 1, 2]))
    assert [path.name for path in examples(whole, tmp_path)] == ["-.png", "1.png", "c.png"]
