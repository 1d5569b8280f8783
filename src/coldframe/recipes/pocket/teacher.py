"""A convolutional network that learns the 110 classes first and then teaches pocket what it sees in each picture.

It looks at neighbouring pixels from the start, which a transformer has to learn, so that it is the better of the two after
a short training. Pocket learns from its answers about the same augmented picture (Touvron et al. 2021, arXiv 2012.12877;
Beyer et al. 2022, arXiv 2106.05237).
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from coldframe.files import append_line
from coldframe.recipes.pocket.captions import View
from coldframe.recipes.pocket.corpus import CLASSES, NAMES, Pictures
from coldframe.recipes.pocket.feed import Feed
from coldframe.recipes.pocket.losses import loss_of, targets_of
from coldframe.recipes.pocket.muon import Muon

LR, ADAM_LR, WEIGHT_DECAY = 0.05, 2e-3, 0.04
WARM_UP = 0.03
SMOOTHING = 0.05


class _Group(nn.Module):
    """Three convolutions; the picture is halved after the first, and the last two have a shortcut."""

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(nn.Conv2d(i, outside, 3, padding=1, bias=False) for i in (inside, outside, outside))
        self.norms = nn.ModuleList(nn.BatchNorm2d(outside) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        x = F.gelu(self.norms[0](F.max_pool2d(self.convolutions[0](x), 2)))
        y = F.gelu(self.norms[1](self.convolutions[1](x)))
        return F.gelu(x + self.norms[2](self.convolutions[2](y)))


class Teacher(nn.Module):
    """Ten convolutions: images [B, 3, S, S] to logits of the 110 classes [B, 110].

    Args:
        widths: channels of the stem and of the three groups.
    """

    def __init__(self, widths: Sequence[int] = (64, 128, 384, 512)) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, widths[0], 3, padding=1, bias=False), nn.BatchNorm2d(widths[0]), nn.GELU())
        self.groups = nn.Sequential(*(_Group(i, o) for i, o in pairwise(widths)))
        self.head = nn.Linear(widths[-1], len(NAMES))

    def forward(self, x: Tensor) -> Tensor:
        x = x.contiguous(memory_format=torch.channels_last)
        found: Tensor = self.head(self.groups(self.stem(x)).mean(dim=(2, 3)))
        return found


def class_views(views: Sequence[View]) -> list[View]:
    """Return the three views of the plain class names, whose columns are the labels."""
    return [view for view in views if view.labels is not None and view.name.startswith("class")]


def train_teacher(teacher: Teacher, feed: Feed, val: Pictures, views: Sequence[View], minutes: float, log: Path) -> Teacher:
    """Train for some minutes; return the teacher, frozen.

    Args:
        teacher: with starting weights, on the device of ``feed``.
        feed: the batches.
        val: held-out pictures, for the log.
        views: the views of the class; columns are labels.
        minutes: length by the clock.
        log: a line is added to it every 200 steps and one at the end.
    """
    teacher = teacher.to(memory_format=torch.channels_last)
    kernels = [p for p in teacher.parameters() if p.ndim == 4]
    others = [p for p in teacher.parameters() if p.ndim != 4]
    optimisers = [Muon(kernels, LR, weight_decay=WEIGHT_DECAY), torch.optim.Adam(others, ADAM_LR)]
    step, start, on_gpu = 0, time.perf_counter(), feed.device.type == "cuda"
    while (f := (time.perf_counter() - start) / (60 * minutes)) < 1:
        for optimiser, lr in zip(optimisers, (LR, ADAM_LR), strict=True):
            optimiser.param_groups[0]["lr"] = lr * min(1.0, (f + 1e-3) / WARM_UP) * (1 - f)
            optimiser.zero_grad(set_to_none=True)
        batch = feed.batch(step)
        with torch.autocast(feed.device.type, torch.bfloat16, enabled=on_gpu):
            logits = teacher(batch.images)
        loss = loss_of(logits.float(), targets_of(views, batch), views, None, SMOOTHING, 0.0).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        for optimiser in optimisers:
            optimiser.step()
        step += 1
        if step % 200 == 0:
            told = {"teacher_step": step, "f": round(f, 4), "loss": round(loss.item(), 4)}
            append_line(log, json.dumps(told))
        elif on_gpu and step % 10 == 0:
            torch.cuda.synchronize()  # the clock decides the rate: steps must not queue up far ahead of it
    teacher.eval().requires_grad_(False)
    told = {"teacher_step": step, "seen": step * feed.size_of_batch} | teacher_accuracy(teacher, feed, val)
    append_line(log, json.dumps(told))
    return teacher


@torch.no_grad()
def teacher_accuracy(teacher: Teacher, feed: Feed, pictures: Pictures) -> dict[str, float]:
    """Return the top-1 within CIFAR-10 and within CIFAR-100."""
    answers = []
    for start in range(0, len(pictures), 500):
        x = (torch.from_numpy(pictures.pixels[start : start + 500]).to(feed.device).float() / 255 - feed.mean) / feed.std
        with torch.autocast(feed.device.type, torch.bfloat16, enabled=feed.device.type == "cuda"):
            answers.append(teacher(x).float())
    logits, labels = torch.cat(answers), torch.from_numpy(pictures.labels).to(feed.device)
    ten, n = labels < len(CLASSES), len(CLASSES)
    result = {}
    for name, mine, columns in (("teacher_10", ten, slice(0, n)), ("teacher_100", ~ten, slice(n, None))):
        right = logits[mine][:, columns].argmax(dim=1) == labels[mine] - (columns.start or 0)
        result[name] = round(float(right.float().mean()), 4) if len(right) else float("nan")
    return result
