"""Ensembles: weights that minimise, members as they are alone, and a saved run that is the same."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from fakes import coloured, tiny_clip
from scipy.optimize import minimize
from torch.nn import functional

from coldframe.cold import ColdPass, Store
from coldframe.errors import InputError
from coldframe.methods import load, method_class
from coldframe.methods.ensemble import best_weights, minimiser


def test_weights_minimise_the_cross_entropy_on_the_simplex() -> None:
    draw = torch.Generator().manual_seed(0)
    labels = torch.randint(4, (200,), generator=draw)
    truth = functional.one_hot(labels, 4).double()
    logs = torch.stack([
        functional.log_softmax(size * truth + 2 * torch.randn(200, 4, generator=draw).double(), -1) for size in (2.0, 1.5, 0.1)
    ])  # fmt: skip

    def loss(w: torch.Tensor) -> float:
        return float(functional.cross_entropy(torch.einsum("m,mnk->nk", w, logs), labels))

    found = minimiser(logs, labels)
    bounds, constraint = [(0, 1)] * 3, {"type": "eq", "fun": lambda w: w.sum() - 1}
    other = minimize(lambda w: loss(torch.tensor(w)), [1 / 3] * 3, bounds=bounds, constraints=constraint, method="SLSQP")
    assert float(found.sum()) == pytest.approx(1) and float(found.min()) >= 0
    assert loss(found) == pytest.approx(other.fun, abs=1e-4)
    top1 = [(torch.einsum("m,mnk->nk", w, logs).argmax(-1) == labels).double().mean() for w in (found, *torch.eye(3).double())]
    assert float(top1[0]) > max(map(float, top1[1:]))  # errors differ, so that the average gains
    taken = torch.einsum("m,mnk->nk", best_weights(logs, labels), logs).argmax(-1) == labels
    assert float(taken.double().mean()) >= float(top1[0])
    # One that is always right has most of the weight.
    alone = best_weights(torch.stack([logs[0], functional.log_softmax(50 * truth, -1)]), labels)
    assert float(alone[1]) > 0.8


def test_members_are_fitted_as_they_are_alone_and_saved_with_it(tmp_path: Path) -> None:
    cold, train = ColdPass(Store(tmp_path / "s")), coloured(24, 0, "train")
    val, test = coloured(12, 1, "val"), coloured(12, 2, "test")
    plain = tiny_clip()
    method = method_class("ensemble")(plain, members="linear-probe, deep-prompt,ncm", epochs=2).fit(train, val, cold=cold)
    weights = list(method.choices["weights"].values())
    expected = torch.zeros(12, 3)
    for name, weight in zip(("linear-probe", "deep-prompt", "ncm"), weights, strict=True):
        kind = method_class(name)
        alone = kind(plain, **({"epochs": 2} if name == "deep-prompt" else {})).fit(train, val, cold=cold)
        expected += weight * functional.log_softmax(alone.logits(test, cold=cold) / alone.divisor, -1)
    torch.testing.assert_close(method.logits(test, cold=cold), expected, rtol=1e-4, atol=1e-4)
    again = load(method.save(tmp_path / "run"), plain)
    torch.testing.assert_close(again.logits(test, cold=cold), expected, rtol=1e-4, atol=1e-4)
    pixels = torch.stack([torch.zeros(3, 16, 16), torch.ones(3, 16, 16)])
    torch.testing.assert_close(again(pixels), method(pixels))
    both = method.refitted(train, val, cold=cold)
    assert torch.equal(both.state()["weights"], method.state()["weights"])


def test_without_validation_images_leave_one_out_weighs_or_weights_are_equal(tmp_path: Path) -> None:
    cold, train = ColdPass(Store(tmp_path)), coloured(18, 0, "train")
    closed = method_class("ensemble")(tiny_clip(), members="gda,ridge").fit(train, cold=cold)
    assert closed.choices["chosen on"] == "left-out training images"
    mixed = method_class("ensemble")(tiny_clip(), members="gda,deep-prompt", epochs=1).fit(train, cold=cold)
    assert set(mixed.choices["weights"].values()) == {0.5}


@pytest.mark.parametrize("members", ["lora", "lora,lora", "lora,ensemble", ""])
def test_fewer_than_two_members_are_refused(members: str) -> None:
    with pytest.raises(InputError, match="two methods or more, each once"):
        method_class("ensemble")(tiny_clip(), members=members)
