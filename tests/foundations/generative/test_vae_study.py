"""``coldframe train vae``: what it writes, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from drawn import same_text
from PIL import Image

from coldframe.errors import DataError, InputError
from coldframe.foundations.generative import digits, saved, vae_study
from coldframe.foundations.generative.bounds import Measured
from coldframe.foundations.generative.vae import VAE
from coldframe.foundations.generative.vae_study import vae
from coldframe.training.loop import Result

FILES = {
    "model.json", "model.safetensors", "results.json", "report.html", "checkpoint.safetensors", "metrics.jsonl",
    *(f"{name}.{suffix}" for suffix in ("png", "svg")
      for name in ("samples", "reconstructions", "interpolations", "manifold", "curves", "kl")),
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Forty pictures of two classes in two splits."""
    generator = np.random.default_rng(0)
    for split in ("train", "test"):
        for kind in ("left", "right"):
            (tmp_path / "data" / split / kind).mkdir(parents=True)
            for n in range(10):
                pixels = generator.integers(0, 60, (28, 28), dtype=np.uint8)
                pixels[:, :14] += 150 * (kind == "left")
                Image.fromarray(pixels).save(tmp_path / "data" / split / kind / f"{n}.png")
    return tmp_path / "data"


def test_a_run_writes_its_model_its_numbers_and_its_figures(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    study = vae(data=str(folder), latent=2, channels=2, epochs=2, batch=8, every=1, device="cpu", out=out)
    assert {path.name for path in out.iterdir()} == FILES
    results = json.loads((out / "results.json").read_text())
    test, row = results["test"], results["rows"][0]
    assert row["stored_bytes"] >= 4 * row["trainable_parameters"] > 1_000
    assert results["rows"][0]["bits_per_dimension"] == test["bits_per_dimension"] == study.test.bits
    assert test["bits_per_dimension"] == pytest.approx((test["rec"] + test["kl"]) * np.log2(np.e) / 784)
    assert results["importance_weighted"]["samples"] == 64
    assert 0 < results["marginal_bits_per_dimension"] < 4
    assert "no latent" in str(study)
    assert "<img" in (out / "report.html").read_text()
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines()[0].startswith("vae: 2 epochs of 3 steps on 18 pictures")
    assert len(said.err.splitlines()) == 3
    assert saved.decoder(out).latent == 2
    again = vae(data=str(folder), latent=2, channels=2, epochs=2, batch=8, device="cpu", out=out)
    assert again.test == study.test


@pytest.mark.parametrize(("settings", "message"), [
    ({"latent": 0}, "latent to be a whole number from 1"), ({"device": "warp"}, "device that this machine has"),
    ({"every": 0}, "every 1 or more epochs"), ({"levels": 300}, "levels to be a whole number from 2 to 256, found 300"),
])  # fmt: skip
def test_settings_out_of_range_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        vae(**settings)  # type: ignore[arg-type]


def test_pictures_of_another_size_are_refused() -> None:
    with pytest.raises(DataError, match="28 x 28 pixels, found 32 x 32"):
        vae(data="mini:cifar10")


def test_what_is_said_is_what_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pixels = torch.arange(90, dtype=torch.uint8).view(-1, 1, 1).expand(90, 28, 28)
    part = digits.Digits(pixels, torch.arange(90) % 10, tuple("0123456789"))
    drawn: list[int] = []

    def fitted(model: VAE, splits: object, settings: object, *, run: Path | None, report: Any) -> Result:
        lines = [{"epoch": e, "seconds": 1.5 * e, "rec": 100.0 - e, "kl": 2.5, "val": -0.75} for e in (1, 2, 3, 4)]
        for line in lines:
            report(line)
        return Result(lines, 3, -0.75, None, 6.00049)

    for name, value in {
        "fit": fitted, "measure": lambda *_: Measured(90, 100.0, 14.0, (0.5, 8.0, 3.0, 0.25, 2.25, 0.125), 5),
        "importance_weighted_bound": lambda model, chosen, samples: torch.tensor([-110.0, -111.0]).double(),
        "marginal_bits": lambda *_: 1.25, "_draw": lambda model, pictures, out: drawn.append(len(pictures)),
        "machine": lambda _: {"device": "cpu"},
    }.items():  # fmt: skip
        monkeypatch.setattr(vae_study, name, value)
    monkeypatch.setattr(vae_study.digits, "load", lambda *_, **__: SimpleNamespace(origin="made by hand"))
    monkeypatch.setattr(vae_study.digits, "read_all", lambda _: dict.fromkeys(("train", "val", "test"), part))
    monkeypatch.setattr(vae_study.Study, "save", lambda self, folder: folder)
    found = vae(latent=6, channels=2, epochs=4, batch=16, every=2, device="cpu", out=tmp_path)
    assert drawn == [45] and found.pictures[:, 0, 0].tolist() == list(range(0, 90, 2))  # after the second epoch alone
    row = {name: value for name, value in found.row.items() if value is not None}
    said = [capsys.readouterr().err, found.command, str(found), f"{row}", f"{found.results()['test']}", f"{found.bound}"]
    same_text(__file__, "vae_study", "\n".join(said) + "\n")
