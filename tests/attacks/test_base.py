"""The loop: who is worked on, what the model sees, what is never computed."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from coldframe.attacks import PGD
from coldframe.attacks.transforms import Brightness, Chain, Flip, Sometimes
from coldframe.errors import InputError


def test_the_model_sees_only_what_a_file_can_hold_and_only_images_not_fooled(
    net: nn.Module, pictures: Tensor, labels: Tensor
) -> None:
    seen: list[int] = []

    def model(images: Tensor) -> Tensor:
        levels = images.detach() * 255
        assert float((levels - levels.round()).abs().max()) < 1e-4
        seen.append(len(images))
        return net(images)

    found = PGD(6 / 255, steps=12, step=0.7 / 255, random_start=True)(model, pictures, labels)
    assert found.fooled.any() and not found.fooled.all()
    passes = seen[2:]
    assert passes[0] == 16 and passes == sorted(passes, reverse=True) and passes[-1] < 16
    # one pass that looks is paid for every image besides its steps
    assert sum(passes) == int(found.steps.sum()) + 16
    with torch.no_grad():
        again = net(found.uint8.float() / 255)
    assert torch.equal(again.argmax(-1), found.predicted)
    assert torch.equal(again.argmax(-1) != labels, found.fooled)
    assert torch.allclose(again.softmax(-1).gather(1, labels[:, None])[:, 0], found.probability, atol=1e-5)


def test_gradients_of_the_weights_are_never_computed(net: nn.Module, pictures: Tensor, labels: Tensor) -> None:
    met: list[Tensor] = []
    for parameter in net.parameters():
        assert parameter.requires_grad
        parameter.register_hook(met.append)
    PGD(4 / 255, steps=3)(net, pictures, labels)
    assert met == [] and all(parameter.grad is None for parameter in net.parameters())
    net(pictures).sum().backward()
    assert met


def test_confidence_is_asked_of_the_target(net: nn.Module, pictures: Tensor, labels: Tensor) -> None:
    targets = (labels + 1) % 5
    found = PGD(20 / 255, confidence=0.9)(net, pictures, labels, targets)
    assert found.fooled.any()
    assert (found.probability[found.fooled] >= 0.9).all() and (found.predicted[found.fooled] == targets[found.fooled]).all()


def test_restarts_only_gain_and_work_on_the_rest(net: nn.Module, pictures: Tensor, labels: Tensor) -> None:
    targets = (labels + 2) % 5
    once = PGD(5 / 255, steps=8)(net, pictures, labels, targets)
    often = PGD(5 / 255, steps=8, restarts=4)(net, pictures, labels, targets)
    assert once.fooled.any() and not once.fooled.all()
    assert (often.fooled >= once.fooled).all() and (often.probability >= once.probability).all()
    assert torch.equal(often.images[once.fooled], once.images[once.fooled])
    assert (often.steps[~once.fooled] > once.steps[~once.fooled]).all()


def test_the_same_seed_gives_the_same_images_and_no_global_state_is_touched(
    net: nn.Module, pictures: Tensor, labels: Tensor
) -> None:
    before = torch.get_rng_state()
    first, second, other = (
        PGD(5 / 255, steps=3, random_start=True, seed=seed)(net, pictures, labels).images for seed in (7, 7, 8)
    )
    assert torch.equal(first, second) and not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), before)


def test_momentum_changes_the_way(net: nn.Module, pictures: Tensor, labels: Tensor) -> None:
    plain = PGD(8 / 255, steps=6, confidence=1.0)(net, pictures, labels)
    heavy = PGD(8 / 255, steps=6, confidence=1.0, momentum=0.9)(net, pictures, labels)
    assert not torch.equal(plain.images, heavy.images)


def test_expectation_over_transformation_takes_the_mean_gradient(net: nn.Module, pictures: Tensor, labels: Tensor) -> None:
    both = [lambda x, g: x, lambda x, g: x.flip(-1)]
    calls = iter(both * 2)

    def turns(images: Tensor, generator: torch.Generator) -> Tensor:
        return next(calls)(images, generator)

    targets = (labels + 1) % 5
    attack = PGD(4 / 255, steps=1, step=1 / 255, transforms=turns, samples=2)
    found = attack(net, pictures, labels, targets)
    x = pictures.clone().requires_grad_()
    mean = sum(-nn.functional.cross_entropy(net(view), targets, reduction="sum") for view in (x, x.flip(-1))) / 2
    (gradient,) = torch.autograd.grad(mean, x)
    expected = ((pictures + gradient.sign() / 255).clamp(0, 1) * 255).round() / 255
    assert torch.equal(found.images, expected)


def test_what_is_made_over_transforms_survives_them_better(net: nn.Module, pictures: Tensor, labels: Tensor) -> None:
    targets = (labels + 1) % 5
    world = Chain(Sometimes(Flip()), Brightness(0.05))
    plain = PGD(12 / 255, steps=20)(net, pictures, labels, targets)
    robust = PGD(12 / 255, steps=20, transforms=world)(net, pictures, labels, targets)

    def mirrored(images: Tensor) -> int:
        with torch.no_grad():
            return int((net(images.flip(-1)).argmax(-1) == targets).sum())

    assert mirrored(robust.images) >= mirrored(plain.images) + 4
    assert (robust.steps == 20).all()


@pytest.mark.parametrize("settings", [
    {"steps": 0}, {"restarts": 0}, {"samples": 0}, {"step": 0.0}, {"momentum": 1.0}, {"confidence": 1.5},
])  # fmt: skip
def test_settings_out_of_range(settings: dict[str, float]) -> None:
    with pytest.raises(InputError, match=r"expected .* found"):
        PGD(0.1, **settings)  # type: ignore[arg-type]


def test_settings_at_the_ends_of_their_ranges(net: nn.Module, pictures: Tensor, labels: Tensor) -> None:
    for settings in (
        {"momentum": 0.0, "confidence": 0.0},
        {"momentum": 0.99, "confidence": 1.0},
        {"step": 1e-9},
        {"samples": 1},
    ):
        PGD(0.1, steps=1, restarts=1, **settings)  # type: ignore[arg-type]
    for settings in ({"momentum": -0.01}, {"confidence": -0.01}, {"step": float("inf")}, {"step": -1.0}):
        with pytest.raises(InputError, match=r"expected .* found"):
            PGD(0.1, **settings)  # type: ignore[arg-type]
    found = PGD(1 / 255, steps=2, restarts=3)(net, pictures, labels, (labels + 2) % 5)
    assert found.steps[~found.fooled].tolist() == [6] * int((~found.fooled).sum()) and not found.fooled.all()
