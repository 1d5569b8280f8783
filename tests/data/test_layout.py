"""Folders of folders: what is clear is read as its maker meant, what is doubtful is refused, nothing is read otherwise."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from layouts import CLASSES, PER_CLASS, all_rows, check, picture, save, split_of

from coldframe.data import load_dataset
from coldframe.data.layout import split_word
from coldframe.errors import ColdframeError, DataError


def refused(spec: object) -> str:
    with pytest.raises(DataError) as caught:
        load_dataset(f"folder:{spec}")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def fill(root: Path, below: str = "", ending: str = "png") -> Path:
    """Write one folder per class; ``below`` is a folder in each of them."""
    for label, number in all_rows():
        path = root / CLASSES[label] / below / f"i{number}.{ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture(label, number).save(path, "PNG")
    return root


def fill_splits(root: Path, **names: str) -> Path:
    for label, number in all_rows():
        save(root / names[split_of(number)] / CLASSES[label] / f"i{number}.png", label, number)
    return root


@pytest.mark.parametrize(
    ("name", "split"),
    [("Train", "train"), ("Training_Set", "train"), ("seg_test", "test"), ("TESTING", "test"), ("trainData", "train"),
     ("validation", "val"), ("dev", "val"), ("train1", "train"), ("test images", "test"), ("Evaluation", "test"),
     ("trainset", "train"), ("pred", "none"), ("steam train", ""), ("training shoes", ""), ("cat", ""), ("2019", "")],
)  # fmt: skip
def test_names_of_splits(name: str, split: str) -> None:
    assert split_word(name) == split


def test_splits_of_any_spelling_and_one_folder_above(tmp_path: Path) -> None:
    words = {"train": "Training_Set", "val": "dev", "test": "seg_test"}
    data = load_dataset(f"folder:{fill_splits(tmp_path / 'a', **words)}")
    check(data)
    assert (len(data.train), len(data.val), len(data.test)) == (12, 3, 3)
    assert "split folders: train Training_Set, val dev, test seg_test" in data.origin
    above = {"train": "seg_train/seg_train", "val": "val", "test": "seg_test/seg_test"}
    check(load_dataset(f"folder:{fill_splits(tmp_path / 'b', **above)}"))
    data = load_dataset(f"folder:{fill(tmp_path / 'c' / 'archive' / 'flowers').parents[1]}")
    check(data)
    assert "read below archive/flowers/" in data.origin


def test_what_lies_beside_splits_and_classes_is_left_out_and_said(tmp_path: Path) -> None:
    root = fill_splits(tmp_path / "a", train="train", val="val", test="test")
    save(root / "single_prediction" / "x.png", 0, 99)
    data = load_dataset(f"folder:{root}")
    check(data)
    assert "single_prediction/ left out: 1 images, no folder of a split" in data.origin
    root = fill(tmp_path / "b")
    for number in range(5):
        save(root / "test" / f"{number}.png", 1, number + 50)
    data = load_dataset(f"folder:{root}")
    check(data)
    assert "test/ left out: 5 images without labels" in data.origin
    root = fill(tmp_path / "c" / "train").parent
    save(root / "test" / "unknown" / "1.png", 0, 99)
    data = load_dataset(f"folder:{root}")
    check(data)
    assert "test/unknown left out: 1 images without labels" in data.origin
    root = fill(tmp_path / "d" / "train").parent
    save(root / "test" / "1.png", 0, 99)
    data = load_dataset(f"folder:{root}")
    check(data)
    assert "test/ left out: 1 images, no class folders" in data.origin


def test_masks_are_not_photos(tmp_path: Path) -> None:
    for label, number in all_rows():
        save(tmp_path / "a" / CLASSES[label] / "images" / f"{number}.png", label, number)
        save(tmp_path / "a" / CLASSES[label] / "masks" / f"{number}.png", 5, number)
        save(tmp_path / "b" / CLASSES[label] / f"x ({number}).png", label, number)
        save(tmp_path / "b" / CLASSES[label] / f"x ({number})_mask.png", 5, number)
    data = load_dataset(f"folder:{tmp_path / 'a'}")
    check(data)
    assert "only images/ of every class is read" in data.origin
    data = load_dataset(f"folder:{tmp_path / 'b'}")
    check(data)
    assert "18 masks left out" in data.origin
    fill(fill(tmp_path / "c"), ending="jpg")
    assert "choose one ending, as in ?ending=" in refused(tmp_path / "c")
    check(load_dataset(f"folder:{tmp_path / 'c'}?ending=jpg"))


def test_two_meanings_are_refused(tmp_path: Path) -> None:
    for domain in ("amazon", "dslr"):
        fill(tmp_path / "office" / domain)
    said = refused(tmp_path / "office")
    assert "the same folders (cat, dog, hen) in amazon and dslr" in said and "folder:" in said
    assert load_dataset(f"folder:{tmp_path / 'office'}?level=1").classes == ("amazon", "dslr")
    assert load_dataset(f"folder:{tmp_path / 'office'}?level=2").classes == CLASSES
    for label, number in all_rows():
        save(tmp_path / "deep" / f"kind{label}" / f"{CLASSES[label]}{number % 2}" / f"{number}.png", label, number)
    assert "choose ?level=1 or ?level=2" in refused(tmp_path / "deep")
    fill(tmp_path / "box" / "Dataset")
    save(tmp_path / "box" / "Examples" / "1.png", 0, 0)
    assert "Dataset/, which holds folders, beside Examples/" in refused(tmp_path / "box")
    for name in ("train", "test"):
        for number in range(9):
            save(tmp_path / "flat" / name / f"{number}.png", 0, number)
    assert "found the splits test and train with loose images" in refused(tmp_path / "flat")
    (tmp_path / "flat" / "train" / "_classes.csv").write_text("filename,a,b\n")
    assert "csv:" in (said := refused(tmp_path / "flat")) and "_classes.csv" in said
    fill_splits(tmp_path / "no", train="val", val="val", test="test")
    assert "expected a train folder" in refused(tmp_path / "no")


def test_classes_may_hold_folders_and_an_empty_class_in_one_split(tmp_path: Path) -> None:
    data = load_dataset(f"folder:{fill(tmp_path / 'a', 'images')}")
    check(data)
    root = fill_splits(tmp_path / "b", train="train", val="val", test="test")
    shutil.rmtree(root / "test" / "cat")
    (root / "test" / "cat").mkdir()
    data = load_dataset(f"folder:{root}")
    assert len(data.test) == 2 and "test has no images of cat" in data.origin
    (root / "train" / "cow").mkdir()
    assert "found none; add some" in refused(root)


def test_flat_folders_with_classes_in_names(tmp_path: Path) -> None:
    for label, number in all_rows():
        save(tmp_path / f"{CLASSES[label]}_{number}.png", label, number)
    assert "?pattern={class}_*" in refused(tmp_path)
    check(load_dataset(f"folder:{tmp_path}?pattern={{class}}_*"))


@st.composite
def mixes(draw: st.DrawFn, root: Path) -> tuple[str, str]:
    """Write some mix of folders; return what its maker meant (``classes``, ``doubtful``, ``with Examples``) and the parts."""
    kind = draw(st.sampled_from(["plain", "splits", "deep", "domains", "flat"]))
    above = draw(st.sampled_from(["", "archive/"]))
    extra = draw(st.sampled_from(["", "test", "Examples", "unlabeled", "empty", "notes"]))
    split = draw(st.sampled_from(["train", "Training", "TRAIN_SET", "trainset"]))
    place = root / above if above else root
    if kind == "plain":
        fill(place)
    elif kind == "deep":
        fill(place, draw(st.sampled_from(["images", "a/b"])))
    elif kind == "splits":
        val, test = draw(st.sampled_from(["val", "Valid_set", "dev"])), draw(st.sampled_from(["test", "TestData"]))
        fill_splits(place, train=split, val=val, test=test)
    elif kind == "domains":
        for domain in ("one", "two"):
            fill(place / domain)
    else:
        for label, number in all_rows():
            save(place / f"{CLASSES[label]}{number}.png", label, number)
    if extra == "empty":
        (place / "empty").mkdir()
    elif extra == "notes":
        (place / "notes.txt").write_text("x")
    elif extra:
        for number in range(3):
            save(place / extra / f"{number}.png", 9, number)
    # A folder Examples beside classes is a class: nothing tells them apart; it is read as one, and its name is shown.
    parts = f"{above}{kind} {extra} {split}"
    if extra == "Examples" and kind in ("plain", "deep"):
        return "with Examples", parts
    return "doubtful" if kind in ("domains", "flat") else "classes", parts


@given(st.data())
@settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_any_mix_is_read_as_meant_or_refused(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        meant, _ = data.draw(mixes(root))
        try:
            found = load_dataset(f"folder:{root}")
        except ColdframeError as error:
            assert "\n" not in str(error)
            return
        assert meant != "doubtful"
        if meant == "with Examples":
            assert set(found.classes) == {*CLASSES, "Examples"}
        else:
            check(found, n=len(CLASSES) * PER_CLASS)
