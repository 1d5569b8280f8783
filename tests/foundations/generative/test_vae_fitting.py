"""Training: it learns, it resumes to the bit, its noise is a function of its arguments."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import torch
from drawn import same_numbers

from coldframe.errors import InputError
from coldframe.foundations.generative import vae_fitting
from coldframe.foundations.generative.digits import Digits, to_levels
from coldframe.foundations.generative.vae_fitting import Settings, fit, noise
from coldframe.training.loop import train


def splits(n: int = 40) -> dict[str, Digits]:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.zeros(n, 28, 28, dtype=torch.uint8)
    side = torch.randint(0, 2, (n,), generator=generator)
    pixels[side == 1, :, 14:] = 255
    pixels[side == 0, :14] = 200
    whole = Digits(pixels, side, ("right", "top"))
    return {"train": whole, "val": Digits(pixels[:10], side[:10], ("right", "top"))}


SMALL = Settings(latent=2, channels=2, epochs=3, batch=16, lr=0.01, schedule="cosine")


def test_training_makes_the_bound_better() -> None:
    seen: list[dict[str, Any]] = []
    result = fit(SMALL.model(), splits(), SMALL, report=seen.append)
    assert [line["epoch"] for line in seen] == [1, 2, 3]
    assert seen[-1]["val"] > seen[0]["val"]
    assert seen[-1]["rec"] + seen[-1]["kl"] == pytest.approx(seen[-1]["loss"], rel=1e-5)
    assert result.best == max(line["val"] for line in seen)


def test_the_last_bias_starts_at_the_shares_of_the_levels() -> None:
    model = SMALL.model()
    fit(model, splits(), replace(SMALL, epochs=1, lr=1e-9))
    levels = to_levels(splits()["train"].pixels, 16)
    counts = torch.stack([(levels == level).sum() for level in range(16)]) + 1
    bias = model.decoder[-1].bias
    assert torch.allclose(bias.softmax(dim=0), counts / counts.sum(), atol=1e-6)


class Killed(Exception):
    """Stands for a kill."""


@pytest.mark.parametrize("step", [1, 3, 4])
def test_a_run_that_goes_on_ends_at_the_same_bits(step: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, again = SMALL.model(), SMALL.model()
    fit(whole, splits(), SMALL)
    calls = count()

    def killed(*arguments: Any) -> torch.Tensor:
        if next(calls) == step:
            raise Killed
        return noise(*arguments)

    with monkeypatch.context() as patch:
        patch.setitem(train.__kwdefaults__, "save_seconds", 0.0)
        patch.setattr(vae_fitting, "noise", killed)
        with pytest.raises(Killed):
            fit(again, splits(), SMALL, run=tmp_path)
    again = SMALL.model()
    result = fit(again, splits(), SMALL, run=tmp_path)
    assert len(result.history) == 3
    for name, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name
    with pytest.raises(InputError, match="other settings"):
        fit(again, splits(), replace(SMALL, beta=2.0), run=tmp_path)


def test_noise_is_a_function_of_seed_epoch_and_items() -> None:
    items = torch.tensor([5, 1, 2])
    first = noise(0, 0, items, 4)
    assert torch.equal(first, noise(0, 0, items, 4))
    others = [noise(1, 0, items, 4), noise(0, 1, items, 4), noise(0, 0, items + 1, 4)]
    assert not any(torch.equal(first, other) for other in others)


def test_the_number_of_epochs_follows_from_the_number_of_pictures() -> None:
    assert Settings().recipe(54_000).epochs == 80
    assert Settings().recipe(1_800).epochs == 60
    assert Settings(epochs=7).recipe(54_000).epochs == 7


@pytest.mark.parametrize(("settings", "message"), [
    ({"beta": -1.0}, "beta to be a number from 0 "), ({"free_bits": float("nan")}, "free_bits to be a number from 0 "),
])  # fmt: skip
def test_settings_out_of_range_are_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Settings(**settings)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="batch to be a whole number from 1 "):
        Settings(batch=0).recipe(10)


def test_the_course_is_the_one_it_was() -> None:
    seen: list[dict[str, Any]] = []
    fit(SMALL.model(), splits(), SMALL, report=seen.append)
    fields = [field for field in seen[0] if field != "seconds"]
    same_numbers(__file__, "vae_course", {field: [line[field] for line in seen] for field in fields}, 1e-3)


def test_limits_of_epochs_and_what_tells_data_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [Settings().recipe(n).epochs for n in (9_999, 10_000)] == [12, 80]  # 900 steps of 79 an epoch
    asked: list[Any] = []
    monkeypatch.setattr(vae_fitting, "check_networks", lambda *numbers, codes, device: asked.append((*numbers, codes)))
    for n in (50, 500):
        Settings(latent=3, channels=5, levels=7).check_memory(n, torch.device("cpu"))
    assert asked == [(5, 3, 50, 7, 2), (5, 3, 128, 7, 2)]
    levels = torch.tensor([[[1, 2]], [[3, 4]], [[5, 6]]], dtype=torch.uint8)
    assert vae_fitting._fingerprint(levels) == [3, 3 + 2 * 7 + 3 * 11]
