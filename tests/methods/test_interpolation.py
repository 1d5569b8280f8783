"""WiSE-FT: one end is zero-shot, the other is fine-tuning, alpha is chosen on validation images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from fakes import TinyBackbone, split, tiny_clip

from coldframe.cold import ColdPass, Store
from coldframe.errors import InputError
from coldframe.methods import interpolation
from coldframe.methods.fine_tune import FineTune
from coldframe.methods.zero_shot import ZeroShot

TRAIN, VAL, TEST = split(24), split(18, seed=1, name="val"), split(9, seed=2, name="test")
SETTINGS: dict[str, Any] = {"margin": 0.0, "layers": "last-half", "head": "text", "epochs": 3, "lr": 5e-3, "batch_size": 8}


def test_the_ends_are_zero_shot_and_fine_tuning(tmp_path: Path) -> None:
    cold = ColdPass(Store(tmp_path))
    zero = ZeroShot(tiny_clip()).fit(TRAIN)
    fine = FineTune(tiny_clip(), **SETTINGS).fit(TRAIN, VAL, cold=cold)
    start = FineTune(tiny_clip(), wise=0.0, **SETTINGS).fit(TRAIN, VAL, cold=cold)
    end = FineTune(tiny_clip(), wise=1.0, **SETTINGS).fit(TRAIN, VAL, cold=cold)
    torch.testing.assert_close(end.logits(TEST, cold=cold), fine.logits(TEST, cold=cold), rtol=0, atol=0)
    torch.testing.assert_close(start.logits(TEST, cold=cold), zero.logits(TEST, cold=cold), rtol=1e-5, atol=1e-4)
    original = dict(tiny_clip().module.named_parameters())
    for name, value in start.state().items():
        if name.startswith("backbone."):
            assert torch.equal(value, original[name.removeprefix("backbone.")])
    assert float((fine.logits(TEST, cold=cold) - zero.logits(TEST, cold=cold)).abs().max()) > 0.1


def test_between_the_ends_lie_the_weights(tmp_path: Path) -> None:
    cold = ColdPass(Store(tmp_path))
    states = [FineTune(tiny_clip(), wise=w, **SETTINGS).fit(TRAIN, VAL, cold=cold).state() for w in (0.0, 0.3, 1.0)]
    for name, value in states[1].items():
        torch.testing.assert_close(value, 0.7 * states[0][name] + 0.3 * states[2][name])


def test_alpha_is_chosen_on_val(tmp_path: Path) -> None:
    cold = ColdPass(Store(tmp_path))
    method = FineTune(tiny_clip(), wise="auto", **SETTINGS).fit(TRAIN, VAL, cold=cold)
    path = method.choices["path"]
    assert [point["alpha"] for point in path] == [step / 10 for step in range(11)]
    chosen = next(point for point in path if point["alpha"] == method.choices["wise"])
    assert chosen["val_top1"] == max(point["val_top1"] for point in path) == pytest.approx(method.score(VAL, cold=cold))
    assert method.choices["chosen on"] == "val"


def test_the_better_loss_decides_between_equals() -> None:
    weight = torch.tensor([1.0])
    alpha, path = interpolation.settle({"w": weight}, {"w": torch.zeros(1)}, "auto", lambda: (0.5, abs(float(weight) - 0.7)))
    assert alpha == 0.7 and float(weight) == pytest.approx(0.7) and len(path) == 11


def test_other_classes_take_their_texts_over_the_tuned_network(tmp_path: Path) -> None:
    cold, pixels = ColdPass(Store(tmp_path)), torch.rand(3, 3, 16, 16)
    method = FineTune(tiny_clip(), wise=0.0, **SETTINGS).fit(TRAIN, VAL, cold=cold)
    other = method.with_classes(["cat", "tea"])
    zero = ZeroShot(tiny_clip()).for_classes(["cat", "tea"])
    torch.testing.assert_close(other(pixels), zero(pixels), rtol=1e-5, atol=1e-4)
    assert method.classes == TRAIN.classes and len(method.linear.bias) == 3
    with pytest.raises(InputError, match="can score no others"):
        FineTune(tiny_clip(), layers="head", head="probe", epochs=1).fit(TRAIN, cold=cold).with_classes(["cat"])


@pytest.mark.parametrize(("settings", "words"), [
    ({"wise": 0.5, "head": "normal"}, "head='text'"),
    ({"wise": -0.1, "head": "text"}, "from 0"),
    ({"wise": "best", "head": "text"}, "from 0 to 1 or auto"),
])  # fmt: skip
def test_refusals_are_one_sentence(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        FineTune(tiny_clip(), **settings)
    assert "\n" not in str(caught.value)


def test_it_needs_texts_and_images_to_choose_on() -> None:
    with pytest.raises(InputError, match="text tower"):
        FineTune(TinyBackbone(), head="text", wise=0.5)
    with pytest.raises(InputError, match="validation images"):
        FineTune(tiny_clip(), wise="auto", **SETTINGS).fit(TRAIN)
