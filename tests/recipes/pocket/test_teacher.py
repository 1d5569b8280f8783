"""The convolutional teacher on pictures whose class is their brightness."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch

from coldframe.recipes.pocket.captions import questions, views
from coldframe.recipes.pocket.corpus import Pictures
from coldframe.recipes.pocket.feed import Feed
from coldframe.recipes.pocket.teacher import Teacher, class_views, teacher_accuracy, train_teacher

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
