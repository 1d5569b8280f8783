"""What is wrong with a data set: planted faults are found, a sound one has none, the cleaned list is read again."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from coldframe.cli import main
from coldframe.data import load_dataset
from coldframe.verbs.check import check


def draw(path: Path, seed: int) -> np.ndarray:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (48, 40, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return pixels


@pytest.fixture
def faulty(tmp_path: Path) -> Path:
    """Return splits of two classes: one copy across splits, one in train, one picture with two labels, one blank, one tiny."""
    root = tmp_path / "data"
    for number in range(40):
        split = "train" if number < 24 else "val" if number < 32 else "test"
        draw(root / split / ("cat" if number % 2 else "dog") / f"{number:02}.png", number)
    draw(root / "test" / "cat" / "copy.png", 1)
    draw(root / "train" / "dog" / "again.png", 2)
    draw(root / "train" / "dog" / "other.png", 3)
    Image.new("RGB", (40, 48), (9, 9, 9)).save(root / "val" / "cat" / "blank.png")
    tiny = np.random.default_rng(99).integers(0, 256, (5, 5, 3), dtype=np.uint8)
    Image.fromarray(tiny).save(root / "train" / "cat" / "tiny.png")
    near = draw(root / "train" / "cat" / "near.png", 38).astype(int)
    moved = np.clip(near + np.random.default_rng(5).integers(-4, 5, near.shape), 0, 255).astype(np.uint8)
    Image.fromarray(moved).save(root / "train" / "cat" / "near.png")
    return root


def test_planted_faults_are_found_and_the_cleaned_list_is_read(
    faulty: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    words = ["check", f"folder:{faulty}", "--model", "none", "--out", str(out), "--fix", str(tmp_path / "clean.csv")]
    with pytest.raises(SystemExit) as stopped:
        main(words)
    said = capsys.readouterr().out
    assert stopped.value.code == 0
    assert "1 of 9 test images repeat one outside test pixel by pixel, 1 nearly" in said
    assert "1 pictures have two labels" in said
    with (out / "issues.csv").open() as file:
        listed = list(csv.DictReader(file))
    rows = {(Path(row["image"]).name, row["issue"]) for row in listed}
    assert all(not Path(row["image"]).is_absolute() and str(out) not in row["says"] for row in listed)
    assert {("copy.png", "same pixels"), ("again.png", "same pixels"), ("blank.png", "blank"), ("tiny.png", "tiny")} <= rows
    assert {kind for _, kind in rows} == {"same pixels", "two labels", "nearly the same, two labels", "blank", "tiny"}
    assert json.loads((out / "results.json").read_text())["counts"]["same pixels"] == 2
    assert "copy.png" in (out / "report.html").read_text()
    cleaned = load_dataset(f"csv:{tmp_path / 'clean.csv'}")
    assert "official train and val and test" in cleaned.origin
    names = {Path(s.images.name(n)).name for s in (cleaned.train, cleaned.val, cleaned.test) for n in range(len(s))}
    assert len(names) == 46 - 5
    assert "copy.png" in names and not names & {"01.png", "03.png", "other.png", "blank.png"}


def test_doubtful_labels_are_those_that_were_changed(tmp_path: Path) -> None:
    pytest.importorskip("cleanlab")
    for number in range(60):
        pixels = np.random.default_rng(number).integers(0, 90, (32, 32, 3), dtype=np.uint8)
        pixels[..., number % 2] += 150
        path = tmp_path / ("green" if (number % 2) ^ (number in (4, 30)) else "red") / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(path)
    found = check(load_dataset(f"folder:{tmp_path}"), model="pocket")
    worst = [Path(found.images.name(fault.row)).stem for fault in found.of("label")[:2]]
    assert set(worst) == {"4", "30"}
    for fault in found.of("label"):
        name = found.data.classes[found.labels[fault.row]]
        assert f"not {name} " in fault.says and not fault.says.startswith(f"looks like {name} ")
    assert any("border's colours alone" in line and "a shortcut" in line for line in found.lines)


def test_a_sound_data_set_has_no_faults(tmp_path: Path) -> None:
    for number in range(20):
        draw(tmp_path / ("cat" if number % 2 else "dog") / f"{number}.png", number)
    assert check(load_dataset(f"folder:{tmp_path}"), model=None).faults == []


def test_groups_on_both_sides_outliers_and_copies_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("cleanlab")
    for number in range(60):
        pixels = np.random.default_rng(number).integers(0, 60, (32, 32, 3), dtype=np.uint8)
        pixels[..., number % 2] += 150
        split = "train" if number < 40 else "val" if number < 48 else "test"
        patient = f"patient{number % 6}" if number != 59 else "patient9"
        path = tmp_path / "d" / split / ("red" if number % 2 == 0 else "green") / f"{patient}_slice{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    ring = np.zeros((32, 32, 3), dtype=np.uint8)
    ring[4:28:4] = (255, 255, 0)
    Image.fromarray(ring).save(tmp_path / "d" / "train" / "red" / "odd_1.png")
    first = next((tmp_path / "d" / "train" / "red").glob("patient0_*"))
    (tmp_path / "d" / "test" / "red" / "again_7.png").write_bytes(first.read_bytes())
    pool = tmp_path / "pool"
    pool.mkdir()
    for number, colour in enumerate(((180, 30, 30), (30, 180, 30), (105, 105, 30))):
        Image.new("RGB", (32, 32), colour).save(pool / f"{number}.png")
    words = ["check", f"folder:{tmp_path / 'd'}", "--out", str(tmp_path / "out"), "--unlabelled", str(pool), "--next", "2"]
    with pytest.raises(SystemExit) as stopped:
        main([*words, "--device", "cpu"])
    said = capsys.readouterr().out
    assert not stopped.value.code, said
    assert "6 stems of names are in test and outside it, such as 'patient" in said and "?group={group}_*" in said
    assert "1 of 13 test images are copies of training images" in said and "without them" in said
    with (tmp_path / "out" / "issues.csv").open() as file:
        rows = {(Path(row["image"]).name, row["issue"]) for row in csv.DictReader(file)}
    assert ("odd_1.png", "outlier") in rows
    assert len((tmp_path / "out" / "label-next.csv").read_text().splitlines()) == 3
    assert "to label next, of 3 pictures" in said
    with pytest.raises(SystemExit) as stopped:
        main([*words, "--model", "none"])
    assert stopped.value.code == 2 and "to label next" in capsys.readouterr().err


def test_the_cleaned_list_holds_names_of_any_bytes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(24):
        draw(tmp_path / "data" / ("cat" if number % 2 else "dog") / f"{number:02}.png", number)
    odd = tmp_path / "data" / "cat" / "\udcff\udcfe.png"
    (tmp_path / "data" / "cat" / "01.png").rename(odd)
    clean = tmp_path / "clean.csv"
    with pytest.raises(SystemExit):
        main(["check", f"folder:{tmp_path / 'data'}", "--model", "none", "--out", str(tmp_path / "out"), "--fix", str(clean)])
    capsys.readouterr()
    data = load_dataset(f"csv:{clean}")
    names = {split.images.name(row) for split in data.splits for row in range(len(split))}
    assert str(odd) in names and len(names) == 24
