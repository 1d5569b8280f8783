from __future__ import annotations

import pytest
import torch

from coldframe.errors import InputError
from coldframe.training.optimisers import Group, build


def one_step(name: str, weight_decay: float = 0.1, momentum: float = 0.5, steps: int = 2) -> tuple[float, float]:
    decays, plain = (torch.tensor([2.0], requires_grad=True) for _ in range(2))
    optimiser = build(name, [Group([decays]), Group([plain], scale=0.1, decay=False)], 0.01, momentum, weight_decay)  # type: ignore[arg-type]
    for _ in range(steps):
        optimiser.zero_grad()
        (3 * decays + 3 * plain).sum().backward()
        optimiser.step()
    return float(decays.detach()), float(plain.detach())


def test_sgd_is_its_formula_in_each_group() -> None:
    w, v = 2.0, 0.0
    for _ in range(2):
        v = 0.5 * v + (3 + 0.1 * w)
        w -= 0.01 * v
    decayed, plain = one_step("sgd")
    assert decayed == pytest.approx(w, rel=1e-6)
    assert plain == pytest.approx(2.0 - 0.001 * (3 + 4.5), rel=1e-6)


def test_adam_takes_steps_of_the_learning_rate_and_adamw_decays_beside_them() -> None:
    assert one_step("adam", steps=1) == pytest.approx((2 - 0.01, 2 - 0.001), abs=1e-6)
    assert one_step("adamw", steps=1) == pytest.approx((2 * (1 - 0.01 * 0.1) - 0.01, 2 - 0.001), abs=1e-6)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("adamx", {}, "unknown optimiser 'adamx'"),
        ("sgd", {"lr": 0.0}, "lr to be a number above 0"),
        ("muon", {"momentum": 2.0}, "momentum to be a number from 0 to 1, found 2.0"),
        ("adam", {"lr": float("inf")}, "lr to be a number above 0"),
        ("sgd", {"weight_decay": -1.0}, "weight_decay to be a number from 0"),
    ],
)
def test_bad_settings_are_refused(name: str, settings: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        build(name, [Group([torch.zeros(1, requires_grad=True)])], **({"lr": 0.1} | settings))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["nesterov", "adam", "adamw", "nadam", "radam", "muon"])
def test_steps_are_those_of_torch(name: str) -> None:
    """Each with what stands in its name: Nesterov's step, or a decay beside the gradient."""
    kind, more = {
        "nesterov": (torch.optim.SGD, {"momentum": 0.5, "nesterov": True}), "adam": (torch.optim.Adam, {}),
        "muon": (torch.optim.SGD, {"momentum": 0.5, "nesterov": True}), "adamw": (torch.optim.AdamW, {}),
        "nadam": (torch.optim.NAdam, {"decoupled_weight_decay": True}),
        "radam": (torch.optim.RAdam, {"decoupled_weight_decay": True}),
    }[name]  # fmt: skip
    value = torch.tensor([2.0], requires_grad=True)
    other = kind([value], lr=0.01, weight_decay=0.1, **more)
    for _ in range(7):
        other.zero_grad()
        (3 * value).sum().backward()
        other.step()
    assert one_step(name, steps=7)[0] == pytest.approx(float(value.detach()), rel=1e-6)
