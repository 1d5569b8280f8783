"""What an attack refuses, in one sentence each."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from coldframe.attacks import PGD
from coldframe.attacks.checks import checked_goal, checked_images, radius
from coldframe.errors import InputError


@pytest.mark.parametrize(("eps", "words"), [
    (0.0, "found 0"), (-0.1, "found -0.1"), (8.0, "8/255"), (float("nan"), "found nan"), (0.5 / 255, "at least 1/255"),
])  # fmt: skip
def test_eps(eps: float, words: str) -> None:
    with pytest.raises(InputError, match=words):
        PGD(eps)


def test_float_error_is_accepted_and_more_is_not() -> None:
    images = torch.ones(1, 3, 8, 8)
    assert float(checked_images(images + 5e-7).max()) == 1
    with pytest.raises(InputError, match="leave normalisation to the model"):
        checked_images(images + 1e-5)
    with pytest.raises(InputError, match=r"in \[0, 1\], found values"):
        checked_images(images * torch.nan)


def test_images_between_the_steps_of_a_file() -> None:
    images = torch.full((1, 3, 8, 8), 0.5)
    with pytest.raises(InputError, match="multiples of 1/255"):
        checked_images(images)
    assert torch.equal(checked_images(images, uint8=False), images)


@pytest.mark.parametrize("images", [
    torch.zeros(3, 8, 8), torch.zeros(0, 3, 8, 8), torch.zeros(1, 1, 8, 8), torch.zeros(1, 3, 8, 8, dtype=torch.uint8),
])  # fmt: skip
def test_shapes_and_types(images: Tensor) -> None:
    with pytest.raises(InputError, match="expected float images"):
        checked_images(images)


def test_three_by_three_pixels(net: nn.Module) -> None:
    with pytest.raises(InputError, match="at least 8 x 8 pixels, found 3 x 3"):
        PGD(0.1)(net, torch.zeros(1, 3, 3, 3), torch.zeros(1, dtype=torch.int64))


def test_classes(net: nn.Module, pictures: Tensor, labels: Tensor) -> None:
    attack = PGD(0.1)
    with pytest.raises(InputError, match="expected a target from 0 to 4, found 5"):
        attack(net, pictures, labels, torch.full_like(labels, 5))
    with pytest.raises(InputError, match="expected a true class from 0 to 4, found -1"):
        attack(net, pictures, labels - labels - 1)
    with pytest.raises(InputError, match="other than the true class"):
        attack(net, pictures, labels, labels)
    with pytest.raises(InputError, match="16 int64 labels"):
        attack(net, pictures, labels[:3])


def test_a_goal_without_targets_is_any_other_class() -> None:
    goal = checked_goal(torch.tensor([0, 1]), None, 2, 3, torch.device("cpu"))
    logits = torch.tensor([[3.0, 2.9, 0.0], [3.0, 2.9, 0.0]])
    assert goal.reached(logits, 0.0).tolist() == [False, True]
    assert goal.reached(logits, 0.9).tolist() == [False, False]


@pytest.mark.parametrize(("text", "value"), [("8/255", 8 / 255), ("0.03", 0.03), (" 16 / 255", 16 / 255)])
def test_radius(text: str, value: float) -> None:
    assert radius(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["8/0", "eight", "", "8/"])
def test_radius_that_is_no_number(text: str) -> None:
    with pytest.raises(InputError, match="such as 8/255"):
        radius(text)


def test_values_at_the_limits_of_images_and_eps() -> None:
    middle = torch.full((1, 3, 8, 8), 128 / 255)
    assert torch.equal(checked_images(middle + 8e-6), checked_images(middle))
    with pytest.raises(InputError, match="multiples of 1/255"):
        checked_images(middle + 1.3e-5)
    assert float(checked_images(torch.zeros(1, 3, 8, 8) - 5e-7).min()) == 0
    with pytest.raises(InputError, match="leave normalisation to the model"):
        checked_images(torch.zeros(1, 3, 8, 8) - 1e-5)
    for shape in ((1, 3, 7, 8), (1, 3, 8, 7)):
        with pytest.raises(InputError, match="at least 8 x 8 pixels, found"):
            checked_images(torch.zeros(shape))
    with pytest.raises(InputError, match=r"found float32 \(3, 3, 8\)"):
        checked_images(torch.zeros(3, 3, 8))
    for eps in (1.0, 0.99995 / 255):
        assert PGD(eps).eps == eps
    for eps in (1.001, 0.9998 / 255):
        with pytest.raises(InputError, match="expected eps"):
            PGD(eps)
    assert PGD(0.1 / 255, uint8=False).eps < 1 / 255


def test_a_goal_is_reached_with_exactly_the_confidence_asked_for() -> None:
    logits = torch.zeros(1, 2)  # both classes at a half, the first of them is predicted
    away = checked_goal(torch.tensor([1]), None, 1, 2, torch.device("cpu"))
    there = checked_goal(torch.tensor([1]), torch.tensor([0]), 1, 2, torch.device("cpu"))
    for confidence, reached in ((0.499, True), (0.5, True), (0.501, False)):
        assert away.reached(logits, confidence).tolist() == there.reached(logits, confidence).tolist() == [reached]


def test_the_first_class_that_is_none_is_named() -> None:
    for labels, targets, words in (([4, 7, 9], None, "true class from 0 to 4, found 7"), ([0, 1, 2], [1, -2, 5], "found -2"),
                                   ([0, 1, 2], [4, 1, 2], "found 1 for both")):  # fmt: skip
        with pytest.raises(InputError, match=words):
            checked_goal(torch.tensor(labels), None if targets is None else torch.tensor(targets), 3, 5, torch.device("cpu"))
    with pytest.raises(InputError, match="3 int64 labels"):
        checked_goal(torch.zeros(3), None, 3, 5, torch.device("cpu"))
