"""Whatever is wrong is one sentence on stderr and exit status 2; nothing is half-written."""

from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from coldframe import files
from coldframe.cli import main


@pytest.fixture
def flowers(tmp_path: Path) -> Path:
    """Return a folder of two classes with eight small pictures each."""
    generator = np.random.default_rng(0)
    for name in ("rose", "tulip"):
        (tmp_path / "flowers" / name).mkdir(parents=True)
        for number in range(8):
            picture = Image.fromarray(generator.integers(0, 256, (40, 40, 3), dtype=np.uint8))
            picture.save(tmp_path / "flowers" / name / f"{number}.jpg")
    return tmp_path / "flowers"


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Run the command line, and return its one sentence."""
    with pytest.raises(SystemExit) as stopped:
        main(list(words))
    assert stopped.value.code == 2
    error = capsys.readouterr().err.strip()
    sentence = error.splitlines()[-1]
    assert sentence.startswith("coldframe: ") and "Traceback" not in error
    return sentence


def run(*words: str) -> None:
    """Run the command line where nothing is wrong."""
    with pytest.raises(SystemExit) as stopped:
        main(list(words))
    assert not stopped.value.code


def compare(capsys: pytest.CaptureFixture[str], data: str, *more: str, model: str = "lite0") -> str:
    return refused(capsys, "compare", "--json", "--data", data, "--model", model, "--methods", "knn", "--seeds", "1", *more)


def test_missing_folder_names_the_nearest(capsys: pytest.CaptureFixture[str], flowers: Path) -> None:
    assert "'flowers'" in compare(capsys, f"folder:{flowers.parent / 'flowres'}")


def test_class_with_one_image(capsys: pytest.CaptureFixture[str], flowers: Path) -> None:
    (flowers / "lily").mkdir()
    (flowers / "rose" / "0.jpg").rename(flowers / "lily" / "0.jpg")
    assert "'lily'" in compare(capsys, str(flowers))


def test_no_images(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "empty" / "rose").mkdir(parents=True)
    assert "expected images" in compare(capsys, str(tmp_path / "empty"))


def test_text_file_with_the_name_of_a_picture(capsys: pytest.CaptureFixture[str], flowers: Path) -> None:
    (flowers / "rose" / "3.jpg").write_text("not a picture")
    assert "3.jpg" in compare(capsys, str(flowers))


def test_truncated_picture_is_named_or_skipped(capsys: pytest.CaptureFixture[str], flowers: Path) -> None:
    picture = flowers / "tulip" / "5.jpg"
    picture.write_bytes(picture.read_bytes()[:400])
    assert "5.jpg" in compare(capsys, str(flowers))
    run("compare", "--json", "--data", str(flowers), "--methods", "knn", "--seeds", "1", "--on-error", "skip")
    assert "5.jpg" in capsys.readouterr().out


@pytest.mark.parametrize("model", ["lite", "timm:resnet_18", "open_clip:ViT-B-23", "nothing:x"])
def test_unknown_model(capsys: pytest.CaptureFixture[str], flowers: Path, model: str) -> None:
    sentence = compare(capsys, str(flowers), model=model)
    assert "did you mean" in sentence or "known" in sentence
    assert len(sentence) < 400


def test_unknown_method_and_setting(capsys: pytest.CaptureFixture[str], flowers: Path) -> None:
    sentence = refused(capsys, "compare", "--json", "--data", str(flowers), "--model", "lite0", "--methods", "kn")
    assert "did you mean 'knn'" in sentence
    assert "METHOD.NAME=VALUE" in compare(capsys, str(flowers), "--set", "k=3")
    assert "did you mean 'knn'" in refused(capsys, "fit", "kn", "--data", "x", "--out", "y")


@pytest.mark.parametrize("model", ["timm:resnet18.a1_in1k", "open_clip:ViT-B-32/openai"])
def test_weights_that_are_not_here(
    capsys: pytest.CaptureFixture[str], flowers: Path, model: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    sentence = compare(capsys, str(flowers), model=model)
    assert "weights" in sentence


def test_head_of_other_classes(capsys: pytest.CaptureFixture[str], flowers: Path, tmp_path: Path) -> None:
    run("fit", "knn", "--data", str(flowers), "--out", str(tmp_path / "run"), "--k", "1", "--json")
    (flowers / "lily").mkdir()
    for number in range(4):
        (flowers / "lily" / f"{number}.jpg").write_bytes((flowers / "rose" / f"{number}.jpg").read_bytes())
    capsys.readouterr()
    run("evaluate", str(tmp_path / "run"), "--data", str(flowers))
    said = capsys.readouterr()
    assert "lily" in said.out + said.err
    run("predict", "--run", str(tmp_path / "run"), "--format", "csv", str(flowers / "rose"))
    assert "file,rank,class,probability" in capsys.readouterr().out


def test_full_disk(capsys: pytest.CaptureFixture[str], flowers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: str | Path, content: bytes) -> Path:
        with files.replacing(path) as temporary:
            temporary.write_bytes(content[: len(content) // 2])
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("coldframe.files.writing.write_bytes", full)
    out = tmp_path / "out"
    assert "the disk is full" in compare(capsys, str(flowers), "--out", str(out))
    assert not [place for place in out.rglob("*") if place.is_file()]


def test_wrong_option_and_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert "did you mean 'compare'" in refused(capsys, "compar")
    with pytest.raises(SystemExit) as stopped:
        main(["compare", "--sedes", "3"])
    assert stopped.value.code == 2
