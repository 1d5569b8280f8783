"""The table of what is left after everyday changes."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
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


def test_a_crop_keeps_four_fifths_of_the_area_and_a_turn_is_of_thirty_degrees() -> None:
    ramp = torch.linspace(0, 1, 64).expand(1, 3, 64, 64)
    line = CHANGES["80% crop"](ramp)[0, 0, 32]
    assert len(line) == 64 and float(line[-1] - line[0]) == pytest.approx(0.8**0.5, abs=0.02)
    spot = torch.zeros(1, 3, 65, 65)
    spot[..., 30:35, 50:55] = 1  # 20 pixels to the right of the middle
    turned = CHANGES["30 degrees"](spot)[0, 0]
    rows, columns = torch.meshgrid(torch.arange(65.0) - 32, torch.arange(65.0) - 32, indexing="ij")
    y, x = (float((turned * at).sum() / turned.sum()) for at in (rows, columns))
    assert abs(math.degrees(math.atan2(y, x))) == pytest.approx(30, abs=1) and math.hypot(x, y) == pytest.approx(20, abs=0.5)


def test_round_trips() -> None:
    levels = torch.randint(0, 256, (2, 3, 16, 16), generator=torch.Generator().manual_seed(0)).float() / 255
    assert torch.equal(rounded(levels), levels)
    assert not torch.equal(rounded(levels + 0.3 / 255), levels + 0.3 / 255)
    smooth = torch.nn.functional.interpolate(levels[:, :, :2, :2], (16, 16), mode="bilinear")
    assert 0 < float((jpeg(smooth) - smooth).abs().mean()) < 0.05


def test_jpeg_is_that_of_a_file(tmp_path: Path) -> None:
    levels = torch.randint(0, 256, (2, 3, 9, 16), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    for number, quality in ((0, 75), (1, 30)):
        Image.fromarray(levels[number].permute(1, 2, 0).numpy()).save(tmp_path / "a.jpg", quality=quality)
        expected = torch.from_numpy(np.array(Image.open(tmp_path / "a.jpg"))).permute(2, 0, 1)
        found = jpeg(levels.float() / 255, quality)[number]
        assert torch.equal((found * 255).round().to(torch.uint8), expected)
        assert torch.equal(CHANGES["JPEG"](levels.float() / 255)[number], found) == (quality == 75)
