"""A learned head that starts where nothing is lost: at the class texts, or at a linear probe of the frozen features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY
from pathlib import Path
from typing import Literal, Self

import torch
from torch import Tensor
from torch.nn import functional

from coldframe.backbones.base import Backbone
from coldframe.cold import ColdPass
from coldframe.data.base import Split
from coldframe.errors import InputError
from coldframe.methods import solvers, templates
from coldframe.methods.base import Method, Report
from coldframe.methods.margin import gained
from coldframe.types import FEATURES

PROBE_L2 = (1e-2, 1e-3, 1e-4, 1e-5)
"""Penalties of the probe that a head starts from."""


def head(features: Tensor, weight: Tensor, bias: Tensor, unit: bool) -> Tensor:
    """Return logits [B, K] of features [B, D]."""
    features = functional.normalize(features.float(), dim=-1) if unit else features.float()
    return functional.linear(features, weight, bias)


class Headed(Method):
    """What is learned with a head that reads the features, and starts at what the frozen network can do already.

    Args:
        head: where the head starts: ``text`` at the class embeddings, ``probe`` at a linear probe of the frozen features,
            ``normal`` at N(0, 0.01^2); ``auto`` at the texts where the model knows every word and the probe does not gain
            more than one standard error over them on ``val``, else at the probe.
        template: texts of the class names.
        seed: of what is drawn.
    """

    _: KW_ONLY
    head: Literal["auto", "text", "probe", "normal"] = "auto"
    template: str | Sequence[str] = templates.PHOTO
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.template = templates.kept(self.template)
        if self.head == "text" and self.backbone.text is None:
            raise InputError(f"{self.backbone.name} has no text tower; use head probe, normal or auto")
        self.weight, self.bias, self.unit = torch.zeros(0), torch.zeros(0), True
        self._started = ""
        """Where the head of the fit started whose choices are learned with once more."""

    def _start_head(self, train_split: Split, val: Split | None, cold: ColdPass) -> str:
        """Set where the head starts; return it in words."""
        classes, device = train_split.classes, self.backbone.device
        kind = self._started or self.head
        if kind == "auto":
            kind = better_start(self.backbone, train_split, val, cold, self.template)
        self.unit = kind != "normal"
        if kind == "text":
            embeddings = templates.class_embeddings(self.backbone, classes, self.template)
            self.weight, self.bias = self.backbone.logit_scale * embeddings.float(), torch.zeros(len(classes), device=device)
        elif kind == "probe":
            self.weight, self.bias = probe_of(self.backbone, train_split, val, cold)
        else:
            generator = torch.Generator().manual_seed(self.seed)
            drawn = torch.randn(len(classes), self.backbone.feature_dim, generator=generator) * 0.01
            self.weight, self.bias = drawn.to(device), torch.zeros(len(classes), device=device)
        return kind

    def _refit(self, chosen: Self, both: Split, cold: ColdPass, run: Path | None, report: Report | None) -> None:
        self._started = str(chosen.choices.get("head starts at", ""))
        try:
            super()._refit(chosen, both, cold, run, report)
        finally:
            self._started = ""


def better_start(
    backbone: Backbone, train: Split, val: Split | None, cold: ColdPass, template: str | Sequence[str]
) -> Literal["text", "probe"]:
    """Return where a head starts by itself: ``text`` or ``probe``, see :class:`Headed`."""
    if not templates.known(backbone, train.classes):
        return "probe"
    if val is None:
        return "text"
    features = _features(backbone, val, cold)
    truth = torch.from_numpy(val.labels).to(features.device)
    texts = templates.class_embeddings(backbone, train.classes, template).float()
    weight, bias = probe_of(backbone, train, val, cold)
    by_texts, by_probe = (features @ texts.T).argmax(-1) == truth, head(features, weight, bias, True).argmax(-1) == truth
    return "probe" if gained(by_probe, by_texts) > 1 else "text"


def probe_of(backbone: Backbone, train: Split, val: Split | None, cold: ColdPass) -> tuple[Tensor, Tensor]:
    """Return weight [K, D] and bias [K] of a probe of unit features; its penalty is the best on ``val``, or 1e-3 without."""
    x, y = _features(backbone, train, cold), torch.from_numpy(train.labels).to(backbone.device)
    grid = PROBE_L2 if val is not None else (1e-3,)
    best = None
    for linear in solvers.logistic_path(x, y, len(train.classes), grid, solvers.Basis.of(x), tolerance=1e-2):
        found, rank = linear.to(x), (0.0, 0.0)
        if val is not None:
            logits, truth = found(_features(backbone, val, cold)), torch.from_numpy(val.labels).to(x.device)
            right = float((logits.argmax(-1) == truth).float().mean())
            rank = (right, -float(functional.cross_entropy(logits, truth)))
        if best is None or rank > best[0]:
            best = rank, found
    assert best is not None
    return best[1].weight.float().clone(), best[1].bias.float().clone()


def _features(backbone: Backbone, split: Split, cold: ColdPass) -> Tensor:
    """Return the features of a split, of length one [N, D]."""
    stored = cold.activations(backbone, split, FEATURES)
    return functional.normalize(stored.gather(torch.arange(len(split))).float(), dim=-1)
