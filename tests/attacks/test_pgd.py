"""The bounds hold for every input, the gradient is the right one, and the field's own attacks do as well."""

from __future__ import annotations

import pytest
import torch
from drawn import same_numbers
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from coldframe.attacks import L2PGD, PGD, Ascent, Attack
from coldframe.attacks.transforms import everyday


def small(seed: int, classes: int = 3) -> tuple[nn.Module, Tensor, Tensor, Tensor]:
    """Return a network, three pictures with black and white in them, their classes and targets."""
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(classes, 3 * 64, generator=generator)

    class Net(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return torch.tanh(images.flatten(1) - 0.5) @ weight.T

    images = torch.randint(-60, 316, (3, 3, 8, 8), generator=generator).clamp(0, 255).float() / 255
    labels = Net()(images).argmax(-1)
    return Net(), images, labels, (labels + 1) % classes


@given(
    kind=st.sampled_from([PGD, Ascent, L2PGD]), seed=st.integers(0, 10_000), eps=st.floats(1 / 255, 0.6),
    step=st.none() | st.floats(1e-4, 0.5), steps=st.integers(1, 6), random=st.booleans(), targeted=st.booleans(),
    momentum=st.sampled_from([0.0, 0.9]), restarts=st.integers(1, 2),
)  # fmt: skip
def test_results_are_exact_and_within_eps(
    kind: type[Attack], seed: int, eps: float, step: float | None, steps: int, random: bool, targeted: bool, momentum: float,
    restarts: int,
) -> None:  # fmt: skip
    net, images, labels, targets = small(seed)
    attack = kind(eps, step=step, steps=steps, random_start=random, momentum=momentum, restarts=restarts, seed=seed)
    found = attack(net, images, labels, targets if targeted else None)
    whole = found.uint8
    assert torch.equal(whole.float() / 255, found.images)
    change = (whole.double() - (images * 255).round().double()) / 255
    size = change.abs().amax((1, 2, 3)) if kind is not L2PGD else change.square().sum((1, 2, 3)).sqrt()
    assert float(size.max()) <= eps + 1e-6
    first = net(whole.float() / 255).argmax(-1)
    assert torch.equal(found.fooled, first == targets if targeted else first != labels)


@given(kind=st.sampled_from([PGD, Ascent, L2PGD]), seed=st.integers(0, 10_000), eps=st.floats(1e-4, 0.6))
def test_without_rounding_the_bounds_hold_as_well(kind: type[Attack], seed: int, eps: float) -> None:
    net, images, labels, targets = small(seed)
    images = (images * 0.99).clamp(0, 1)
    found = kind(eps, steps=4, random_start=True, uint8=False)(net, images, labels, targets).images
    change = (found - images).double()
    size = change.abs().max() if kind is not L2PGD else change.square().sum((1, 2, 3)).sqrt().max()
    assert float(size) <= eps + 1e-6
    assert float(found.min()) >= 0 and float(found.max()) <= 1


@pytest.mark.parametrize("kind", [PGD, Ascent])
def test_the_gradient_is_that_of_finite_differences(kind: type[Attack], net: nn.Module, pictures: Tensor) -> None:
    net = net.double()
    image, target = pictures[:1].double(), torch.tensor([2])
    attack = kind(0.1)

    def height(x: Tensor) -> Tensor:
        return attack._height(net(x).log_softmax(-1)[:, 2])

    x = image.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(height(x).sum(), x)
    places = torch.randperm(x.numel(), generator=torch.Generator().manual_seed(0))[:40]
    for place in places.tolist():
        nudge = torch.zeros(x.numel(), dtype=torch.float64)
        nudge[place] = 1e-5
        nudge = nudge.view_as(image)
        with torch.no_grad():
            slope = float(height(image + nudge) - height(image - nudge)) / 2e-5
        assert slope == pytest.approx(float(gradient.flatten()[place]), rel=1e-4, abs=1e-9)
    # and the first step of the attack goes that way, where rounding leaves it the room
    label = net(image).argmax(-1)
    assert int(label) != int(target)
    net.float()
    found = kind(0.1, steps=1, step=3 / 255, confidence=1.0)(net, pictures[:1], label, target)
    change = found.images - pictures[:1]
    moved = change != 0
    assert int(moved.sum()) > 100
    assert torch.equal(change.sign()[moved], gradient.sign().float()[moved])


def test_the_plain_rule_crawls_and_the_normalised_one_does_not(net: nn.Module, pictures: Tensor, labels: Tensor) -> None:
    with torch.no_grad():
        net[-1].weight.mul_(4)
        labels = net(pictures).argmax(-1)
        targets = net(pictures).argmin(-1)
    settings = {"steps": 20, "step": 1 / 255}
    crawling = Ascent(20 / 255, normalise=False, **settings)(net, pictures, labels, targets)  # type: ignore[arg-type]
    walking = Ascent(20 / 255, **settings)(net, pictures, labels, targets)  # type: ignore[arg-type]
    assert crawling.fooled.sum() == 0 and walking.fooled.sum() >= 12


def test_a_small_euclidean_ball_is_enough(net: nn.Module, pictures: Tensor, labels: Tensor) -> None:
    found = L2PGD(0.4, steps=30)(net, pictures, labels)
    assert found.fooled.sum() >= 4
    larger = L2PGD(1.5, steps=30)(net, pictures, labels)
    assert larger.fooled.sum() > found.fooled.sum()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("targeted", [False, True])
def test_success_equals_that_of_torchattacks_and_foolbox(
    net: nn.Module, pictures: Tensor, labels: Tensor, targeted: bool
) -> None:
    import foolbox
    import torchattacks

    eps, step, steps, targets = 6 / 255, 1 / 255, 10, (labels + 1) % 5
    ours = PGD(eps, step=step, steps=steps)(net, pictures, labels, targets if targeted else None)
    rival = torchattacks.PGD(net, eps=eps, alpha=step, steps=steps, random_start=False)
    if targeted:
        rival.set_mode_targeted_by_label(quiet=True)
    theirs = rival(pictures, targets if targeted else labels)
    with torch.no_grad():
        first = net(theirs).argmax(-1)
    assert ours.fooled.any() and not ours.fooled.all()
    assert torch.equal(ours.fooled, first == targets if targeted else first != labels)

    aim = foolbox.criteria.TargetedMisclassification(targets) if targeted else foolbox.criteria.Misclassification(labels)
    third = foolbox.attacks.LinfPGD(abs_stepsize=step, steps=steps, random_start=False)
    _, _, success = third(foolbox.PyTorchModel(net, bounds=(0, 1)), pictures, aim, epsilons=eps)
    assert torch.equal(ours.fooled, success)


def test_every_attack_takes_the_course_it_took(net: nn.Module, pictures: Tensor, labels: Tensor) -> None:
    targets, found = (labels + 1) % 5, {}
    for name, attack, wanted in (
        ("plain", PGD(6 / 255, steps=5), None),
        ("again", PGD(5 / 255, steps=4, momentum=0.9, random_start=True, restarts=3, seed=1), targets),
        ("sure", PGD(10 / 255, steps=4, confidence=0.6), targets),
        ("seen", PGD(8 / 255, steps=3, transforms=everyday(), samples=2, seed=2), targets),
        ("floats", PGD(0.02, steps=3, step=0.011, uint8=False), None),
        ("slow", PGD(2 / 255, steps=7), None),
        ("ascent", Ascent(6 / 255, steps=4), targets),
        ("crawl", Ascent(6 / 255, steps=4, step=0.5, normalise=False, momentum=0.5), targets),
        ("ball", L2PGD(0.5, steps=4), None),
        ("balls", L2PGD(0.4, steps=3, random_start=True, restarts=2, seed=3), targets),
    ):
        done = attack(net, pictures, labels, wanted)
        change = (done.images - pictures) * 255
        found |= {f"{name} probability": done.probability, f"{name} change": change.abs().mean((1, 2, 3))}
        found |= {
            f"{name} length": change.square().sum((1, 2, 3)).sqrt(),
            f"{name} steps": done.steps,
            f"{name} fooled": done.fooled,
        }
    same_numbers(__file__, "courses", found, 2e-3)


def test_the_usual_step_and_every_whole_radius() -> None:
    assert (PGD(8 / 255).step, PGD(0.2, steps=10).step, L2PGD(1.0, steps=10).step) == (1 / 255, 0.05, 0.25)
    for k in range(1, 256):
        change = torch.tensor([-300.0, -k, k - 1.0, 300.0])
        assert PGD(k / 255)._whole(change).tolist() == [-k, -k, k - 1, k]


def test_a_whole_change_in_a_ball_gives_up_what_was_gained_most_by_rounding() -> None:
    change = torch.tensor([2.6, -1.5001, 0.7, 3.4, -0.2, 1.9]).view(1, 1, 2, 3)
    found = {}
    for eps in (2, 3, 4, 4.7, 5.1, 6):
        attack = L2PGD(eps / 255)
        found[f"{eps}"] = whole = attack._whole(attack._project(change / 255) * 255)
        assert float(whole.norm()) <= eps + 1e-3
    assert found["6"].flatten().tolist() == [3, -2, 1, 3, 0, 2]  # 27 of 36: nothing to give up
    same_numbers(__file__, "whole", found, 1e-6)
