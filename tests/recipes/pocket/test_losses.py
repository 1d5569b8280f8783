"""The loss of a step against torch's own cross-entropy, and what mixing, exclusion and a teacher change."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from coldframe.recipes.pocket.captions import View, questions, views
from coldframe.recipes.pocket.feed import Batch
from coldframe.recipes.pocket.losses import loss_of, targets_of


def batch(first: list[int], second: list[int], share: list[float], channel: list[int] | None = None) -> Batch:
    n, none = len(first), torch.full((len(first),), -1)
    told = none if channel is None else torch.tensor(channel)
    return Batch(
        torch.zeros(n, 3, 4, 4), torch.tensor(first), torch.tensor(second), torch.tensor(share), told, none, torch.Generator()
    )


@pytest.fixture
def view() -> View:
    """Three answers about four classes; the last class is not asked."""
    return View("kind", slice(2, 5), torch.tensor([0, 1, 2, -1]), None, 0.5, None)


@pytest.fixture
def logits() -> torch.Tensor:
    return torch.randn(3, 6, generator=torch.Generator().manual_seed(0))


def test_whole_pictures_give_the_usual_cross_entropy(view: View, logits: torch.Tensor) -> None:
    b = batch([0, 2, 3], [1, 1, 1], [1.0, 1.0, 1.0])
    found = loss_of(logits, targets_of([view], b), [view], None, 0.1, 0.0)
    want = F.cross_entropy(logits[:, 2:5], torch.tensor([0, 2, -1]), ignore_index=-1, label_smoothing=0.1, reduction="sum")
    torch.testing.assert_close(found, (0.5 * want / 3)[None])


def test_a_pasted_picture_has_two_answers(view: View, logits: torch.Tensor) -> None:
    b = batch([0, 2, 3], [1, 1, 0], [0.7, 1.0, 0.4])
    found = loss_of(logits, targets_of([view], b), [view], None, 0.0, 0.0)
    each = -logits[:, 2:5].log_softmax(dim=1)
    want = 0.7 * each[0, 0] + 0.3 * each[0, 1] + each[1, 2] + 0.6 * each[2, 0]
    torch.testing.assert_close(found, (0.5 * want / 3)[None])


def test_answers_that_may_be_true_too_are_left_out(view: View, logits: torch.Tensor) -> None:
    excluded = torch.zeros(4, 3, dtype=torch.bool)
    excluded[0, 2] = True
    view = View(view.name, view.columns, view.target, excluded, 1.0, None)
    b = batch([0, 2, 1], [1, 0, 0], [1.0, 1.0, 1.0])
    found = loss_of(logits, targets_of([view], b), [view], None, 0.0, 0.0)
    want = -logits[0, 2:4].log_softmax(dim=0)[0] - logits[1, 2:5].log_softmax(dim=0)[2] - logits[2, 2:5].log_softmax(dim=0)[1]
    torch.testing.assert_close(found, want[None] / 3)


def test_a_teacher_that_is_trusted_wholly_replaces_the_answer(logits: torch.Tensor) -> None:
    view = View("class", slice(0, 3), torch.tensor([0, 1, 2]), None, 1.0, slice(1, 4))
    taught = torch.randn(3, 5, generator=torch.Generator().manual_seed(1))
    b = batch([0, 1, 2], [0, 0, 0], [1.0, 1.0, 1.0])
    found = loss_of(logits, targets_of([view], b), [view], taught, 0.0, 1.0)
    want = F.cross_entropy(logits[:, :3], taught[:, 1:4].softmax(dim=1))
    torch.testing.assert_close(found, want[None])


def test_channels_are_answered_by_the_pixels() -> None:
    asked = [v for v in views(questions(), torch.device("cpu")) if v.name == "channel"]
    true, _ = targets_of(asked, batch([0, 1], [1, 0], [0.5, 1.0], [2, -1]))[0]
    assert true.tolist() == [[0, 0, 1], [0, 0, 0]]


def test_smoothing_and_a_teacher_leave_out_what_may_be_true_too(logits: torch.Tensor) -> None:
    excluded = torch.zeros(3, 3, dtype=torch.bool)
    excluded[0, 2] = excluded[1, 2] = True
    view = View("class", slice(0, 3), torch.tensor([0, 1, 2]), excluded, 0.5, slice(1, 4))
    taught = torch.randn(3, 5, generator=torch.Generator().manual_seed(1))
    b = batch([0, 0, 2], [1, 2, 1], [0.75, 0.5, 1.0])
    (found,) = loss_of(logits, targets_of([view], b), [view], taught, 0.1, 0.25)
    # Of the first picture two answers count; of the second the third one is part of the truth; all count for the whole third.
    columns, truths = ([0, 1], [0, 1, 2], [0, 1, 2]), ([0.75, 0.25], [0.5, 0.0, 0.5], [0.0, 0.0, 1.0])
    total = torch.zeros(())
    for row, (mine, truth) in enumerate(zip(columns, truths, strict=True)):
        logs, says = logits[row, mine].log_softmax(0), taught[row, 1:4][mine].softmax(0)
        own = -0.9 * (torch.tensor(truth) * logs).sum() - 0.1 * logs.mean()
        total += 0.75 * own - 0.25 * (says * logs).sum()
    torch.testing.assert_close(found, 0.5 * total / 3)
