"""The convolutional teacher on pictures whose class is their brightness."""

from __future__ import annotations

import json
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from coldframe.recipes.pocket import teacher as teacher_room
from coldframe.recipes.pocket.captions import questions, views
from coldframe.recipes.pocket.corpus import Pictures
from coldframe.recipes.pocket.feed import Feed
from coldframe.recipes.pocket.muon import Muon
from coldframe.recipes.pocket.teacher import Teacher, _Group, class_views, teacher_accuracy, train_teacher

CPU = torch.device("cpu")


def test_it_answers_with_the_110_classes_and_is_frozen_after_training(tmp_path: Path) -> None:
    labels = np.repeat([0, 60], 16)
    pixels = np.where((labels == 0)[:, None, None, None], 40, 210) + np.random.default_rng(0).integers(0, 20, (32, 3, 16, 16))
    pictures = Pictures(pixels.astype(np.uint8), labels)
    feed = Feed(pictures, 16, 0, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25), CPU)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        teacher = Teacher((4, 8, 8, 8))
    asked = class_views(views(questions(), CPU))
    assert [view.name for view in asked] == ["class 10", "class 100", "class 110"]
    trained = train_teacher(teacher, feed, pictures, asked, 0.03, tmp_path / "log.jsonl")
    assert not trained.training and not any(p.requires_grad for p in trained.parameters())
    assert trained(torch.zeros(2, 3, 16, 16)).shape == (2, 110)
    last = json.loads((tmp_path / "log.jsonl").read_text().splitlines()[-1])
    assert last["seen"] == 16 * last["teacher_step"]
    assert teacher_accuracy(trained, feed, pictures).keys() == {"teacher_10", "teacher_100"}


def test_a_group_is_a_convolution_a_pool_and_a_residual_pair() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        group, x = _Group(3, 5).eval(), torch.randn(2, 3, 8, 8)
    first, second, third = (c.weight for c in group.convolutions)
    half = torch.nn.functional.gelu(
        torch.nn.functional.max_pool2d(torch.nn.functional.conv2d(x, first, padding=1), 2) / (1 + 1e-5) ** 0.5
    )
    inner = torch.nn.functional.gelu(torch.nn.functional.conv2d(half, second, padding=1) / (1 + 1e-5) ** 0.5)
    expected = torch.nn.functional.gelu(half + torch.nn.functional.conv2d(inner, third, padding=1) / (1 + 1e-5) ** 0.5)
    torch.testing.assert_close(group(x), expected)
    assert [c.weight.shape[0] for c in (Teacher().stem[0], *(g.convolutions[2] for g in Teacher().groups))] == [
        64,
        128,
        384,
        512,
    ]


def test_the_course_follows_the_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = count(0.0, 0.25)
    monkeypatch.setattr(teacher_room, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    labels = np.repeat([0, 60], 16)
    pixels = (np.where((labels == 0)[:, None, None, None], 40, 210) + np.zeros((32, 3, 16, 16))).astype(np.uint8)
    feed = Feed(Pictures(pixels, labels), 16, 0, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25), CPU)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        teacher = Teacher((4, 8, 8, 8))
    rates: list[float] = []
    kept = Muon.step
    monkeypatch.setattr(teacher_room.Muon, "step", lambda self: rates.append(self.param_groups[0]["lr"]) or kept(self))
    asked = class_views(views(questions(), CPU))
    train_teacher(teacher, feed, Pictures(pixels, labels), asked, 0.05, tmp_path / "log.jsonl")
    shares = [0.25 * step / 3 for step in range(1, 12)]  # of three seconds a quarter passes at every look
    assert rates == pytest.approx([0.05 * min(1.0, (f + 1e-3) / 0.03) * (1 - f) for f in shares])
    last = json.loads((tmp_path / "log.jsonl").read_text())
    assert (last["teacher_step"], last["seen"]) == (11, 176)


def test_each_data_set_is_scored_among_its_own_classes() -> None:
    labels = np.array([0, 1, 2, 10, 109, 50])
    feed = Feed(Pictures(np.zeros((6, 3, 4, 4), np.uint8), labels), 2, 0, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25), CPU)
    answers = torch.zeros(6, 110)
    answers[0, 0] = answers[1, 1] = answers[2, 7] = answers[3, 10] = answers[4, 20] = answers[5, 51] = 1
    answers[0, 100] = answers[3, 3] = 2  # classes of the other data set do not count
    seen: list[torch.Tensor] = []
    found = teacher_accuracy(lambda x: seen.append(x) or answers, feed, Pictures(np.full((6, 3, 4, 4), 255, np.uint8), labels))  # type: ignore[arg-type]
    assert found == {"teacher_10": 0.6667, "teacher_100": 0.3333} and seen[0].unique().tolist() == [2.0]
