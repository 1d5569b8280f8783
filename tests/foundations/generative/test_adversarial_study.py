"""``coldframe train aae`` from end to end on bundled digits: its numbers, its folder, its refusals."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from drawn import same_text
from PIL import Image

from coldframe.cli import main
from coldframe.errors import DataError, InputError
from coldframe.files import read_json
from coldframe.foundations.generative import adversarial_study, classifier, digits, quality, saved
from coldframe.foundations.generative.adversarial import AAE
from coldframe.foundations.generative.adversarial_study import Study, aae
from coldframe.training.checkpoint import Progress


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, Path]:
    folder = tmp_path_factory.mktemp("aae")
    return aae(latent=2, channels=2, epochs=2, every=1, out=folder), folder


def test_the_folder_is_whole(run: tuple[Study, Path]) -> None:
    study, folder = run
    results = read_json(folder / "results.json")
    row = results["rows"][0]
    assert (row["method"], row["data"], row["n"], row["latent"], row["epochs"]) == ("aae", "mini:mnist", 1_000, 2, 2)
    assert row["stored_bytes"] >= 4 * row["trainable_parameters"] > 10_000
    assert results["quality"]["classifier_sha256"] == classifier.load().digest == row["classifier_sha256"]
    assert results["quality"]["floor"] < min(results["quality"]["controls"].values())
    assert [line["epoch"] for line in results["curves"]] == [1, 2]
    assert 0 <= results["codes_of_test"]["discriminator_accuracy"] <= 1
    page = (folder / "report.html").read_text()
    assert all(text in page for text in ("floor", "one class", "blur", "noise", row["classifier_sha256"], study.command))
    for name in ("samples", "reconstructions", "codes", "quality", "diagnostics"):
        assert (folder / f"{name}.png").is_file() and (folder / f"{name}.svg").is_file()


def test_the_saved_run_gives_the_same_score(run: tuple[Study, Path]) -> None:
    study, folder = run
    decoder = saved.decoder(folder)
    again = quality.draw(decoder.decode, decoder.latent, study.found["n"], 0)
    assert torch.equal(again, quality.draw(study.model.decode, 2, study.found["n"], 0))


def test_the_terminal_shows_floor_and_controls_beside_the_score(run: tuple[Study, Path]) -> None:
    text = str(run[0])
    assert text.splitlines()[0].startswith("pictures against the test images")
    assert f"{run[0].found['frechet']:.1f}" in text.splitlines()[1]
    assert all(word in text for word in ("training images (floor)", "one class", "noise", "1,000 pictures on each side"))


def test_the_command_names_every_setting(run: tuple[Study, Path]) -> None:
    words = run[0].command.split()
    assert words[:3] == ["coldframe", "train", "aae"]
    assert {"--weight", "--latent", "--discriminator-lr", "--momentum", "--seed", "--noise"} <= set(words)


@pytest.mark.parametrize(("words", "sentence"), [
    (["--latent", "0"], "from 1 to 4,096, found 0"),
    (["--weight", "1.2"], "from 0 to 1, found 1.2"),
    (["--every", "0"], "for --every: expected a whole number from 1"),
])  # fmt: skip
def test_refusals_are_one_sentence(words: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["train", "aae", *words, "--out", str(tmp_path / "run")])
    shown = capsys.readouterr().err.strip()
    assert stopped.value.code == 2
    assert sentence in shown and "\n" not in shown
    assert not (tmp_path / "run").exists()


def test_pictures_of_another_size_are_refused(tmp_path: Path) -> None:
    for split in ("train", "test"):
        for k in range(2):
            folder = tmp_path / split / str(k)
            folder.mkdir(parents=True)
            for i in range(4):
                Image.new("L", (32, 30), 60 * i).save(folder / f"{i}.png")
    with pytest.raises(DataError, match="expected pictures of 28 x 28 pixels, found 32 x 30"):
        aae(data=f"folder:{tmp_path}")


def test_too_few_pictures_are_refused_before_training(tmp_path: Path) -> None:
    for split in ("train", "test"):
        for k in range(2):
            folder = tmp_path / split / str(k)
            folder.mkdir(parents=True)
            for i in range(4):
                Image.new("L", (28, 28), 60 * i).save(folder / f"{i}.png")
    with pytest.raises(InputError, match="100 pictures or more"):
        aae(data=f"folder:{tmp_path}", out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_what_is_said_is_what_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pixels = torch.arange(90, dtype=torch.uint8).view(-1, 1, 1).expand(90, 28, 28)
    part = digits.Digits(pixels, torch.arange(90) % 10, tuple("0123456789"))
    about = {"n": 50, "floor": 1.25, "controls": {"one_class": 870.04, "noise": 125.0}, "real_class_entropy": 0.99,
             "real_confidence": 0.98, "classifier_sha256": "abc"}  # fmt: skip
    score = {"frechet": 50.25, "share_of_noise": 0.402, "class_entropy": 0.5, "confidence": 0.75}
    judge = SimpleNamespace(n=50, score=lambda pictures: score, as_dict=lambda: about)
    matched = {"code_std": 1.5, "code_mean": 0.25, "gaussian_distance": 0.125, "sliced_wasserstein": 0.0625,
               "discriminator_accuracy": 0.505, "error": 0.03125}  # fmt: skip
    drawn: list[str] = []

    def fitted(model: AAE, splits: Any, settings: Any, *, run: Path | None, report: Any) -> Progress:
        lines = [{"epoch": e, "seconds": 1.5 * e, **matched} for e in (1, 2, 3, 4)]
        for line in lines:
            report(line)
        return Progress(step=24, epoch=4, seconds=6.00049, history=lines)

    for name, value in {
        "fit": fitted, "diagnose": lambda *_: matched, "_draw": lambda model, test, out: drawn.append("figures"),
        "machine": lambda _: {"device": "cpu"},
    }.items():  # fmt: skip
        monkeypatch.setattr(adversarial_study, name, value)
    monkeypatch.setattr(adversarial_study.digits, "load", lambda *_, **__: SimpleNamespace(origin="made by hand"))
    monkeypatch.setattr(adversarial_study.digits, "read_all", lambda _: dict.fromkeys(("train", "val", "test"), part))
    monkeypatch.setattr(adversarial_study.quality, "reference", lambda *_, **__: judge)
    monkeypatch.setattr(Study, "save", lambda self, folder: folder)
    found = aae(latent=2, channels=2, epochs=4, batch=16, every=2, device="cpu", out=tmp_path)
    assert drawn == ["figures"]  # after the second epoch; the fourth is the last
    row = {name: value for name, value in found.row.items() if value is not None}
    said = [capsys.readouterr().err, found.command, str(found), f"{row}"]
    same_text(__file__, "aae_study", "\n".join(said) + "\n")
