"""One change for all images."""

from __future__ import annotations

import pytest
import torch
from drawn import same_numbers
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from coldframe.attacks import Universal
from coldframe.errors import InputError


def test_one_change_fools_more_than_noise_of_its_size(net: nn.Module, pictures: Tensor, labels: Tensor) -> None:
    found = Universal(24 / 255)(net, pictures, labels)
    sign = torch.randn(found.noise.shape, generator=torch.Generator().manual_seed(0)).sign()
    noisy = ((pictures + sign * 24 / 255).clamp(0, 1) * 255).round() / 255
    with torch.no_grad():
        by_chance = int((net(noisy).argmax(-1) != labels).sum())
        again = net(found.apply(pictures)).argmax(-1) != labels
    assert torch.equal(again, found.fooled)
    assert int(found.fooled.sum()) >= by_chance + 4


def test_with_a_target_all_go_one_way(net: nn.Module, pictures: Tensor, labels: Tensor) -> None:
    rows = labels != 2
    targets = torch.full_like(labels[rows], 2)
    found = Universal(48 / 255)(net, pictures[rows], labels[rows], targets)
    with torch.no_grad():
        assert torch.equal(net(found.apply(pictures[rows])).argmax(-1) == 2, found.fooled)
    assert float(found.fooled.float().mean()) > 0.5


@settings(max_examples=15)
@given(eps=st.floats(1 / 255, 0.3), step=st.floats(0.001, 1))
def test_the_change_is_whole_and_within_eps(eps: float, step: float) -> None:
    weight = torch.randn(3, 192, generator=torch.Generator().manual_seed(0))
    images = torch.randint(0, 256, (5, 3, 8, 8), generator=torch.Generator().manual_seed(1)).float() / 255
    labels = (images.flatten(1) @ weight.T).argmax(-1)
    found = Universal(eps, step=step, epochs=2, batch_size=2)(lambda x: x.flatten(1) @ weight.T, images, labels)
    levels = found.noise * 255
    assert float((levels - levels.round()).abs().max()) < 1e-3 and float(found.noise.abs().max()) <= eps + 1e-6
    whole = (found.apply(images) * 255).round().to(torch.uint8)
    assert torch.equal(whole.float() / 255, found.apply(images))


def test_refusals() -> None:
    for wrong in ({"eps": 0.0}, {"eps": 0.1, "epochs": 0}, {"eps": 0.1, "batch_size": 0}, {"eps": 0.1, "step": 0.0}):
        with pytest.raises(InputError, match="expected"):
            Universal(**wrong)  # type: ignore[arg-type]


def test_what_nobody_names() -> None:
    found = Universal(8 / 255)
    assert (found.epochs, found.step, found.batch_size) == (20, 1 / 255, 8)


def test_every_change_is_the_one_it_was(net: nn.Module, pictures: Tensor, labels: Tensor) -> None:
    found: dict[str, Tensor] = {}
    far, near = Universal(24 / 255, epochs=4), Universal(9 / 255, epochs=3, step=0.02, batch_size=5)
    for name, attack, targets, most in (("away", far, None, 8), ("there", near, (labels + 1) % 5, 9)):
        done = attack(net, pictures, labels, targets)
        found |= {f"{name} fooled": done.fooled, f"{name} noise": done.noise.abs() * 255}
        assert float(done.noise.abs().max()) * 255 == pytest.approx(most, abs=1e-4)
    same_numbers(__file__, "universal", found, 5e-3)


def test_settings_at_the_ends_of_their_ranges() -> None:
    assert Universal(0.1, epochs=1, batch_size=1, step=1.0).step == 1
    for step in (1.001, -0.1):
        with pytest.raises(InputError, match="a step in"):
            Universal(0.1, step=step)
