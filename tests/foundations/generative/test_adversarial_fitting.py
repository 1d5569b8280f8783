"""Training of the adversarial autoencoder: it learns, it resumes to the bit, and it refuses what cannot be."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from drawn import same_numbers

from coldframe.errors import InputError, TrainingError
from coldframe.foundations.generative import adversarial_fitting
from coldframe.foundations.generative.adversarial_fitting import Settings, diagnose, draws, fit
from coldframe.foundations.generative.digits import Digits

SMALL = Settings(latent=2, channels=2, epochs=3, batch=16, momentum=0.9, schedule="cosine", noise=0.1)


@pytest.fixture(scope="module")
def splits() -> dict[str, Digits]:
    """Bars at ten places: something to learn in a moment."""
    labels = torch.arange(90) % 10
    pixels = torch.zeros(90, 28, 28, dtype=torch.uint8)
    for i, k in enumerate(labels.tolist()):
        pixels[i, 4 + i % 3 : 24, 2 * k + 3 : 2 * k + 7] = 255
    whole = Digits(pixels, labels, tuple("0123456789"))
    return {"train": Digits(pixels[:50], labels[:50], whole.classes), "val": Digits(pixels[50:], labels[50:], whole.classes)}


class Stop(Exception):
    """The run is killed here."""


@pytest.mark.parametrize("killed_at", [1, 4, 6, 9])
def test_a_killed_run_ends_at_the_same_bits(
    splits: dict[str, Digits], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed_at: int
) -> None:
    whole = SMALL.model()
    expected = fit(whole, splits, SMALL).history
    plain, taken = adversarial_fitting.step, 0

    def fatal(*arguments: Any) -> Any:
        nonlocal taken
        taken += 1
        if taken > killed_at:
            raise Stop
        return plain(*arguments)

    monkeypatch.setattr(adversarial_fitting, "step", fatal)
    with pytest.raises(Stop):
        fit(SMALL.model(), splits, SMALL, run=tmp_path, save_seconds=0)
    monkeypatch.setattr(adversarial_fitting, "step", plain)
    again = SMALL.model()
    steps = []
    monkeypatch.setattr(adversarial_fitting, "step", lambda *a: steps.append(1) or plain(*a))
    found = fit(again, splits, SMALL, run=tmp_path, save_seconds=0).history
    assert len(steps) == 12 - killed_at
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in whole.state_dict().items())
    untimed = [{k: v for k, v in row.items() if k != "seconds"} for row in found]
    assert untimed == [{k: v for k, v in row.items() if k != "seconds"} for row in expected]
    assert [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()] == found


def test_a_finished_run_is_not_trained_again(splits: dict[str, Digits], tmp_path: Path) -> None:
    first = SMALL.model()
    fit(first, splits, SMALL, run=tmp_path)
    again, told = SMALL.model(), []
    assert fit(again, splits, SMALL, run=tmp_path, report=told.append).epoch == 3
    assert told == []
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in first.state_dict().items())


def test_another_runs_folder_is_refused(splits: dict[str, Digits], tmp_path: Path) -> None:
    fit(SMALL.model(), splits, SMALL, run=tmp_path)
    other = replace(SMALL, weight=0.9)
    with pytest.raises(InputError, match="other settings, data or weights"):
        fit(other.model(), splits, other, run=tmp_path)


def test_it_learns_to_reconstruct_and_the_adversary_pulls_codes_to_the_prior(splits: dict[str, Digits]) -> None:
    settings = Settings(latent=2, channels=2, epochs=20, batch=16, weight=0.5, lr=5e-3, discriminator_lr=0.02, momentum=0.9)
    found = []
    for weight in (0.5, 1.0):
        model = settings.model()
        torch.nn.init.constant_(model.encoder[-1].bias, 3.0)  # codes start far from the prior
        before = diagnose(model, splits["val"].pixels)
        assert before["gaussian_distance"] > 15
        after = fit(model, splits, replace(settings, weight=weight)).history[-1]
        assert after["error"] < before["error"] / 1.5
        found.append(after)
    for distance in ("gaussian_distance", "sliced_wasserstein", "code_mean"):
        assert found[0][distance] < found[1][distance] / 1.5


def test_draws_follow_seed_epoch_and_batch() -> None:
    items = torch.arange(5)
    first, second = draws(SMALL, 0, items), draws(SMALL, 0, items)
    assert all(a is not None and b is not None and torch.equal(a, b) for a, b in zip(first, second, strict=True))
    others = [draws(SMALL, 1, items), draws(SMALL, 0, items + 1), draws(replace(SMALL, seed=1), 0, items)]
    assert all(not torch.equal(first[0], other[0]) for other in others)
    assert draws(replace(SMALL, noise=0.0), 0, items)[1] is None
    assert torch.equal(draws(replace(SMALL, noise=0.0), 0, items)[0], first[0])


def test_the_courses_settings_are_the_defaults() -> None:
    settings = Settings()
    adam, sgd = adversarial_fitting.optimisers(settings.model(), settings)
    assert isinstance(adam, torch.optim.Adam) and isinstance(sgd, torch.optim.SGD)
    assert (adam.defaults["lr"], adam.defaults["betas"]) == (1e-3, (0.5, 0.999))
    assert (sgd.defaults["lr"], sgd.defaults["momentum"], settings.batch, settings.weight) == (5e-3, 0, 64, 0.995)
    assert settings.count(54_000) == 100
    assert settings.count(1_800) == 69


def test_losses_that_are_not_finite_stop_the_run(splits: dict[str, Digits]) -> None:
    settings = replace(SMALL, discriminator_lr=1e9, momentum=0.0)
    with pytest.raises(TrainingError, match=r"found .* at step \d+ \(epoch 1\); choose smaller learning rates"):
        fit(settings.model(), splits, settings)


@pytest.mark.parametrize(("setting", "words"), [
    ({"weight": 1.5}, "weight to be a number from 0 to 1, found 1.5"),
    ({"weight": float("nan")}, "weight to be a number from 0 to 1, found nan"),
    ({"batch": 0}, "batch to be a whole number from 1 "), ({"epochs": 0}, "epochs to be a whole number from 1 "),
    ({"lr": 0.0}, "lr to be a number above 0"), ({"discriminator_lr": float("inf")}, "discriminator_lr to be a number above 0"),
    ({"momentum": 1.0}, "momentum from 0 to below 1"), ({"noise": -1.0}, "noise to be a number from 0 "),
])  # fmt: skip
def test_settings_out_of_range_are_refused(setting: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        Settings(**setting)


def test_what_is_diagnosed_follows_from_codes_and_prior() -> None:
    codes = torch.tensor([[3.0, 0.0], [5.0, 4.0], [7.0, 8.0]])
    pictures = torch.zeros(3, 28, 28, dtype=torch.uint8)

    class Known:
        """Codes that are far from the prior, and pictures that are all white."""

        def __init__(self, verdict: float) -> None:
            self.verdict = verdict

        def encode(self, _: Any) -> Any:
            return codes

        def decode(self, z: Any) -> Any:
            return torch.ones(len(z), 28, 28)

        def discriminator(self, z: Any) -> Any:
            return torch.where(z[:, 0] > 2.5, -self.verdict, self.verdict)

    def found(verdict: float) -> dict[str, float]:
        return diagnose(Known(verdict), pictures)  # type: ignore[arg-type]

    assert [found(verdict)["discriminator_accuracy"] for verdict in (1.0, -1.0, 0.0)] == [1.0, 0.0, 0.5]
    assert found(1.0)["code_mean"] == pytest.approx(41**0.5) and found(1.0)["code_std"] == pytest.approx(10**0.5)
    assert found(1.0)["error"] == pytest.approx(4.0)


def test_the_course_is_the_one_it_was(splits: dict[str, Digits]) -> None:
    history = fit(SMALL.model(), splits, SMALL).history
    fields = [field for field in history[0] if field != "seconds"]
    same_numbers(__file__, "aae_course", {field: [line[field] for line in history] for field in fields}, 1e-3)


def test_limits_of_epochs_and_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [Settings().count(n) for n in (9_999, 10_000)] == [13, 100]  # 2,000 steps of 157 an epoch
    asked: list[Any] = []
    monkeypatch.setattr(adversarial_fitting, "check_networks", lambda *numbers, codes, device: asked.append((*numbers, codes)))
    Settings(latent=3, channels=5).check_memory(50, torch.device("cpu"))
    Settings(latent=3, channels=5).check_memory(500, torch.device("cpu"))
    assert asked == [(5, 3, 50, 1, 1), (5, 3, 64, 1, 1)]


def test_seconds_go_on_where_a_run_stood_and_saves_are_far_enough_apart(
    splits: dict[str, Digits], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(save_seconds: float) -> tuple[list[float], list[tuple[int, int]]]:
        clock, saves = count(0.0, 1.23456), []
        keep = adversarial_fitting.checkpoint.save
        with monkeypatch.context() as patch:
            patch.setattr(adversarial_fitting, "time", SimpleNamespace(monotonic=lambda: next(clock)))
            patch.setattr(
                adversarial_fitting.checkpoint,
                "save",
                lambda run, key, progress, *rest: (
                    saves.append((progress.epoch, progress.step)) or keep(run, key, progress, *rest)
                ),
            )
            history = fit(SMALL.model(), splits, SMALL, run=tmp_path / str(save_seconds), save_seconds=save_seconds).history
        return [line["seconds"] for line in history], saves  # fmt: skip

    seconds, saves = run(1e9)
    assert saves == [(3, 12)] and seconds == pytest.approx([9.876, 20.988, 32.099], abs=1e-9)
    # The clock goes on by 1.23456 each time it is read.
    assert run(3.0)[1] == [(0, 2), (1, 4), (1, 6), (2, 8), (2, 10), (3, 12)]
