"""The loop on a tiny network: it learns, it is repeatable, and a run that was killed equals one that was not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from coldframe.backbones.pocket import Shape
from coldframe.errors import InputError, TrainingError
from coldframe.recipes.pocket import train
from coldframe.recipes.pocket.corpus import Pictures
from coldframe.recipes.pocket.state import read_average
from coldframe.recipes.pocket.train import Config, Run, Stage

TINY = Shape(size=12, patch=6, width=64, layers=2, text_width=32, text_layers=1, embedding=16)


@pytest.fixture(scope="module")
def pictures() -> Pictures:
    """Pictures whose class is their brightness."""
    draw = np.random.default_rng(0)
    labels = np.arange(64) % 10
    base = (labels * 25)[:, None, None, None]
    pixels = np.clip(base + draw.integers(0, 12, (64, 3, 12, 12)), 0, 255).astype(np.uint8)
    return Pictures(pixels, labels)


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    monkeypatch.setattr(train, "CAPTION_SETS", 8)
    stages = (Stage(0.5, 0.75, 1), Stage(1.0, 1.0, 2))
    return Config(out=tmp_path / "run", epochs=3, teacher_minutes=0, batch=16, shape=TINY, stages=stages)


def weights(run: Run) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in run.model.state_dict().items()}


def test_the_loss_falls(config: Config, pictures: Pictures) -> None:
    run = Run(replace(config, epochs=32), pictures, pictures)
    summary = run.go(log_every=1, evaluate_every=64)
    lines = [json.loads(line) for line in run.log.read_text().splitlines()]
    loss = [line["class 10"] for line in lines if "loss" in line]
    assert len(loss) == summary["steps"] == 128
    assert np.mean(loss[-8:]) < 0.8 * np.mean(loss[:8])
    assert [line["val"] for line in lines if "val" in line] and 0 <= summary["val"]["cifar10"] <= 1
    assert summary["val"].keys() == {"cifar10"}


def test_a_run_that_was_killed_equals_one_that_was_not(config: Config, pictures: Pictures, tmp_path: Path) -> None:
    whole = Run(config, pictures, pictures)
    whole.go()
    broken = replace(config, out=tmp_path / "broken")
    first = Run(broken, pictures, pictures)
    for _ in range(5):
        first._step(first._share())
    first.state.save(broken.out, broken.fixed())
    second = Run(broken, pictures, pictures)
    second.go()
    assert second.state.step == whole.state.step == 12
    for name, tensor in weights(whole).items():
        assert torch.equal(tensor, weights(second)[name]), name
    for name, tensor in read_average(config.out)[0].items():
        assert torch.equal(tensor, read_average(broken.out)[0][name]), name


def test_only_the_newest_state_is_kept(config: Config, pictures: Pictures) -> None:
    Run(config, pictures, pictures).go(save_every=0.0)
    assert [path.name for path in config.out.glob("state-*")] == ["state-12.safetensors"]


def test_a_state_of_another_run_is_refused(config: Config, pictures: Pictures) -> None:
    Run(config, pictures, pictures).go()
    with pytest.raises(InputError, match="another batch"):
        Run(replace(config, batch=8), pictures, pictures).go()


def test_blocks_and_patches_grow_and_the_rate_ends_at_zero(config: Config) -> None:
    usual = Config()
    assert usual.stage(0.99) == (1.0, list(range(12)))
    assert config.stage(0.2) == (0.75, [0])
    assert usual.rate(0.2) == 1.0
    assert usual.rate(0.0) < 0.01
    assert usual.rate(1.0) == pytest.approx(0.0)


def test_a_loss_that_is_no_number_stops_the_run(config: Config, pictures: Pictures) -> None:
    run = Run(config, pictures, pictures)
    model: Any = run.model
    with torch.no_grad():
        model.visual.proj.fill_(float("nan"))
    with pytest.raises(TrainingError, match="not a number at step 0"):
        run.go(log_every=1)
