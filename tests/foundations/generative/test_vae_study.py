"""``coldframe train vae``: what it writes, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from coldframe.errors import DataError, InputError
from coldframe.foundations.generative import saved
from coldframe.foundations.generative.vae_study import vae

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
