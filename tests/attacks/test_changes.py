"""The table of what is left after everyday changes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from coldframe.attacks import PGD, survival
from coldframe.attacks.changes import CHANGES, jpeg, rounded


def test_every_change_is_judged_on_both_images(net: nn.Module, pictures: Tensor, labels: Tensor) -> None:
    targets = (labels + 1) % 5
    found = PGD(16 / 255)(net, pictures, labels, targets)
    table = {row.change: row for row in survival(net, pictures, found.images, labels, targets)}
    assert list(table) == list(CHANGES)
    assert torch.equal(table["unchanged"].survived, found.fooled) and torch.equal(table["uint8"].survived, found.fooled)
    assert torch.allclose(table["unchanged"].target_probability, found.probability, atol=1e-5)
    assert torch.equal(table["unchanged"].clean_predicted, labels)
    mirrored = table["mirrored"]
    odds = net(found.images.flip(-1)).softmax(-1)
    assert torch.equal(mirrored.predicted, odds.argmax(-1)) and torch.equal(mirrored.survived, odds.argmax(-1) == targets)
    assert torch.equal(mirrored.clean_predicted, net(pictures.flip(-1)).argmax(-1))


def test_without_targets_the_true_class_must_stay_away(net: nn.Module, pictures: Tensor, labels: Tensor) -> None:
    first = survival(net, pictures, pictures, labels)[0]
    assert not first.survived.any() and torch.equal(first.target_probability, first.clean_probability)


def test_round_trips() -> None:
    levels = torch.randint(0, 256, (2, 3, 16, 16), generator=torch.Generator().manual_seed(0)).float() / 255
    assert torch.equal(rounded(levels), levels)
    assert not torch.equal(rounded(levels + 0.3 / 255), levels + 0.3 / 255)
    smooth = torch.nn.functional.interpolate(levels[:, :, :2, :2], (16, 16), mode="bilinear")
    assert 0 < float((jpeg(smooth) - smooth).abs().mean()) < 0.05
