"""Robust accuracy: what stands, what falls, and on whom no work is spent."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from fakes import PREPROCESS, Pictures, split
from torch import Tensor

from coldframe.attacks import AttackWarning
from coldframe.data.base import Split
from coldframe.errors import InputError
from coldframe.measures.adversarial import AttackCurve, attack_curve, checked_radii, eps_text

GREYS = (100, 110, 119, 124, 126, 129, 131, 136, 145, 155)


def dark_or_light() -> Split:
    """Return plain pictures around grey 127.5, dark ones of class 0 and light ones of class 1, the darkest mislabelled."""
    arrays = [np.full((16, 16, 3), grey, dtype=np.uint8) for grey in GREYS]
    labels = np.array([int(grey > 127) for grey in GREYS], dtype=np.int64)
    labels[0] = 1
    return Split("test", Pictures(arrays), labels, ("dark", "light"))


def model(images: Tensor) -> Tensor:
    """Tell light from dark by the mean: an image falls exactly where eps reaches its distance from 127.5 / 255."""
    mean = images.mean((1, 2, 3)) - 127.5 / 255
    return 50 * torch.stack([-mean, mean], -1)


def test_an_image_falls_where_eps_reaches_the_boundary() -> None:
    made = attack_curve(model, dark_or_light(), PREPROCESS, [9 / 255, 0, 1 / 255, 4 / 255], steps=5, batch_size=3)
    whole = attack_curve(model, dark_or_light(), PREPROCESS, [9 / 255, 0, 1 / 255, 4 / 255], steps=5)
    assert made == whole
    assert made.eps == (0, 1 / 255, 4 / 255, 9 / 255) and made.n == 10
    # distances of the nine that are right: 17.5, 8.5, 3.5, 1.5, 1.5, 3.5, 8.5, 17.5, 27.5
    assert made.top1 == (0.9, 0.9, 0.5, 0.3) and made.clean == 0.9 and (made.steps, made.restarts) == (5, 1)
    assert made.named == 4 / 255 and made.robust_top1 == 0.5 and made.fooled == pytest.approx(4 / 9)


def test_radii_below_a_step_of_a_file_count() -> None:
    pictures = Pictures([np.full((16, 16, 3), 127, dtype=np.uint8)])
    one = Split("test", pictures, np.zeros(1, dtype=np.int64), ("dark", "light"))
    assert attack_curve(model, one, PREPROCESS, [0.3 / 255, 0.7 / 255], steps=4).top1 == (1.0, 0.0)


def test_work_is_spent_only_on_what_stands() -> None:
    seen: list[int] = []

    def counted(images: Tensor) -> Tensor:
        if images.requires_grad:
            seen.append(len(images))
        return model(images)

    told: list[tuple[int, int]] = []
    settings = {"steps": 5, "batch_size": 10, "progress": lambda *at: told.append(at)}
    attack_curve(counted, dark_or_light(), PREPROCESS, [4 / 255, 9 / 255], **settings)
    assert seen[0] == 9 and max(seen[seen.index(5) :]) == 5 and told == [(1, 1)]


def test_every_step_moves_a_pixel_by_two_and_a_half_radii_over_the_steps() -> None:
    seen: list[Tensor] = []

    def watched(images: Tensor) -> Tensor:
        if images.requires_grad:
            seen.append(images.detach().clone())
        return model(images)

    one = Split("test", Pictures([np.full((16, 16, 3), 90, dtype=np.uint8)]), np.zeros(1, dtype=np.int64), ("dark", "light"))
    attack_curve(watched, one, PREPROCESS, [10 / 255], steps=5)
    moved = [float((after - before).abs().max()) * 255 for before, after in itertools.pairwise(seen)]
    assert moved[0] == pytest.approx(2.5 * 10 / 5, rel=1e-4) and len(seen) <= 5


def test_restarts_begin_elsewhere_and_a_hidden_gradient_is_said() -> None:
    def flat_at_the_image(images: Tensor) -> Tensor:
        levels = images * 255
        away = (levels - levels.detach().round()).square().mean((1, 2, 3)) - 0.1
        return torch.stack([-away, away], -1)

    pictures = split(6, classes=2)
    mine = Split("test", pictures.images, np.zeros(6, dtype=np.int64), pictures.classes)
    with pytest.warns(AttackWarning, match="gradient is zero in every pixel of 6 of 6"):
        once, often = (
            attack_curve(flat_at_the_image, mine, PREPROCESS, [0.4 / 255], steps=4, restarts=count).top1 for count in (1, 2)
        )
    assert once == (1.0,) and often == (0.0,)


def test_what_is_refused() -> None:
    for eps, words in ((-0.1, "from 0 to 1"), (4.0, "write 4/255"), (0.0, "above 0"), (float("nan"), "found nan")):
        with pytest.raises(InputError, match=words):
            checked_radii([eps])
    nobody = Split("test", Pictures([]), np.zeros(0, dtype=np.int64), ("dark", "light"))
    with pytest.raises(InputError, match="at least one image"):
        attack_curve(model, nobody, PREPROCESS, [0.1])
    with pytest.raises(InputError, match="steps of 1 or more"):
        attack_curve(model, dark_or_light(), PREPROCESS, [0.1], steps=0)
    with pytest.raises(InputError, match="carry gradients"):
        attack_curve(torch.no_grad()(model), dark_or_light(), PREPROCESS, [0.1])


def test_what_stands_for_a_curve() -> None:
    assert AttackCurve((0.0, 0.01, 0.02), (0.9, 0.5, 0.1), 0.9, 10).named == 0.02
    alone = AttackCurve((0.1,), (0.0,), 0.0, 10)
    assert alone.fooled is None and alone.restarts == 1
    assert [eps_text(value) for value in (0, 0.5 / 255, 8 / 255, 0.03)] == ["0", "0.5/255", "8/255", "0.03"]


def test_images_beyond_the_first_chunk_count_and_progress_is_told() -> None:
    grey = Pictures([np.full((16, 16, 3), 120 if row < 66 else 100, dtype=np.uint8) for row in range(70)])
    many = Split("test", grey, np.zeros(70, dtype=np.int64), ("dark", "light"))
    told: list[tuple[int, int]] = []
    made = attack_curve(model, many, PREPROCESS, [8 / 255], steps=3, progress=lambda *at: told.append(at))
    assert made.top1 == (pytest.approx(4 / 70),) and made.clean == 1.0 and made.n == 70 and told == [(1, 2), (2, 2)]


def test_large_images_are_judged_a_few_at_a_time() -> None:
    seen: list[int] = []

    def counted(images: Tensor) -> Tensor:
        seen.append(len(images))
        return model(images)

    attack_curve(counted, dark_or_light(), replace(PREPROCESS, size=224, resize=224), [1 / 255], steps=1)
    assert seen[:2] == [8, 2]


def test_radii_at_the_borders() -> None:
    assert checked_radii([1.0, 0.0, 1.0]) == (0.0, 1.0)
    with pytest.raises(InputError, match="from 0 to 1"):
        checked_radii([1.001])
    assert [eps_text((4 + more) / 255) for more in (4e-4, 6e-4)] == ["4/255", "0.0156886"]
    assert AttackCurve((4 / 255 * 1.0009, 0.5), (0.3, 0.1), 0.9, 10).robust_top1 == 0.3
    assert AttackCurve((4 / 255 * 1.002, 0.5), (0.3, 0.1), 0.9, 10).robust_top1 == 0.1
