"""The loop on a tiny network: it learns, it is repeatable, and a run that was killed equals one that was not."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from drawn import same_numbers

from coldframe.backbones.pocket import CONTEXT, Shape
from coldframe.backbones.words import Words
from coldframe.errors import InputError, TrainingError
from coldframe.recipes.pocket import train
from coldframe.recipes.pocket.corpus import Pictures
from coldframe.recipes.pocket.state import read_average
from coldframe.recipes.pocket.train import Config, Run, Stage
from coldframe.recipes.pocket.vocabulary import vocabulary

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


def test_rates_and_stages_are_the_formulas(config: Config) -> None:
    usual = Config()
    for f in (0.0, 0.01, 0.0299, 0.1, 0.3, 0.65, 0.9):
        assert usual.rate(f) == pytest.approx(min(1, (f + 1e-4) / 0.03) * min(1, (1 - f) / 0.7))
    assert [config.stage(f) for f in (0.499, 0.5, 1.5)] == [(0.75, [0]), (1.0, [0, 1]), (1.0, [0, 1])]
    deep = replace(usual, stages=(Stage(1.0, 0.5, 4),))
    assert deep.stage(0.0) == (0.5, [0, 3, 6, 9])


def test_the_course_is_the_one_it_was(config: Config, pictures: Pictures) -> None:
    run = Run(config, pictures, pictures)
    summary = run.go(log_every=1, evaluate_every=5)
    lines = [json.loads(line) for line in run.log.read_text().splitlines()]
    found = {
        name: [line[name] for line in lines if name in line] for name in ("step", "seen", "f", "lr", "loss", "class 10", "kind")
    }
    found |= {"evaluated": [line["step"] for line in lines if "val" in line], "steps": [summary["steps"], summary["seen"]]}
    same_numbers(__file__, "course", found, 5e-3)


def test_time_or_epochs_end_a_run_and_seconds_are_those_of_steps(
    config: Config, pictures: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, saves = count(100.0, 1.5), []
    monkeypatch.setattr(train, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    run = Run(replace(config, epochs=None, minutes=0.1), pictures, pictures)
    monkeypatch.setattr(run.state, "save", lambda *_: saves.append(run.state.step))
    assert run.go(save_every=2.0)["seconds"] == 6.0
    assert saves == [2, 4, 4]  # every third second, and at the end
    assert [json.loads(line)["s"] for line in run.log.read_text().splitlines()] == [6.0]


def test_answers_are_counted_within_each_data_set(pictures: Pictures) -> None:
    words = Words(*vocabulary(), CONTEXT)
    both = Pictures(np.repeat(pictures.pixels[:12], 1, 0), np.array([0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 109]))

    class Known(torch.nn.Module):
        logit_scale = torch.zeros(())

        def encode_image(self, x: torch.Tensor) -> torch.Tensor:
            return torch.eye(110)[
                torch.tensor([0, 1, 2, 3, 9, 9] if len(x) == 6 and self.calls() else [0, 1, 2, 5, 6, 99])[: len(x)]
            ][:, :100]

        def calls(self) -> bool:
            self.seen = getattr(self, "seen", 0) + 1
            return self.seen % 2 == 1

    texts = {10: torch.eye(10, 100), 100: torch.eye(100)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "encode_ids", lambda model, ids: texts[len(ids)])
        assert train.accuracy(Known(), both, words) == {"cifar10": 4 / 6, "cifar100": 4 / 6}
        assert train.accuracy(Known(), both.subset(np.arange(6)), words, limit=6) == {"cifar10": 4 / 6}
