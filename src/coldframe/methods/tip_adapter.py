"""Cache models: the training features vote beside the texts, as they are (Tip-Adapter) or trained (Tip-Adapter-F)."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import torch
from torch import Tensor
from torch.nn import functional

from coldframe.cold import ColdPass
from coldframe.data.base import Split
from coldframe.errors import InputError
from coldframe.measures.loo import MOST_LEFT_OUT
from coldframe.methods import templates
from coldframe.methods.base import Method, Report, holdout
from coldframe.methods.contexts import text_of
from coldframe.methods.trained import Trained
from coldframe.methods.views import Augment, views_of
from coldframe.types import FEATURES

BETAS, ALPHAS, LEAST = 200, 20, 0.1
"""Steps of the published search, and where both begin."""
START_ALPHA, START_BETA = 1.17, 1.0
"""What Tip-Adapter-F is trained with before the search."""


class TipAdapter(Method):
    """logits = exp(logit_scale) * cos(f, class embedding) + alpha * sum_i exp(-beta (1 - cos(f, f_i))) [y_i = class].

    f_i are the training features and y_i their labels: nothing is trained. alpha and beta have the best top-1 over
    the published grid, to which alpha = 0 is added, zero-shot alone: on ``val``, or on train, each without its own vote.

    Args:
        backbone: a vision-language model.
        template: texts of the class names: one with ``{}``, several, or an ensemble's name (``photo``, ``name``, ``clip-7``).
        alpha: weight of the cache, or ``"auto"``.
        beta: sharpness of the votes, or ``"auto"``.
        max_alpha: largest alpha of the search.
        max_beta: largest beta of the search.
        augment: ``flip`` makes each f_i the mean of the image and its mirror image.
        choose: ``val`` searches on the validation images, ``loo`` on train, each image without its own vote; ``auto`` takes
            ``val`` where there are validation images, else ``loo``.

    Source:
        Zhang et al., Tip-Adapter: Training-free Adaption of CLIP for Few-shot Classification (2022), section 3.1. The
        original averages ten random crops for each f_i. Preset ``zhang2022`` has its templates, start and search of
        ImageNet; other data sets have a template and a search range of their own there.
    """

    name: ClassVar[str] = "tip-adapter"
    spoken: ClassVar[str] = "Tip-Adapter"
    crosses: ClassVar[bool] = True
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"zhang2022": {"template": "clip-7", "augment": "flip"}}

    template: str | Sequence[str] = templates.PHOTO
    alpha: float | Literal["auto"] = "auto"
    beta: float | Literal["auto"] = "auto"
    max_alpha: float = 3.0
    max_beta: float = 7.0
    augment: Augment = "none"
    choose: Literal["auto", "loo", "val"] = "auto"

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, value in (("max_alpha", self.max_alpha), ("max_beta", self.max_beta)):
            if value <= LEAST:
                raise InputError(f"expected {name} above {LEAST}, found {value!r}")
        text_of(self.backbone)
        self.template = templates.kept(self.template)
        self.chosen = (START_ALPHA, START_BETA)
        self.keys, self.labels, self.embeddings = torch.zeros(0), torch.zeros(0, dtype=torch.int64), torch.zeros(0)

    @property
    def cut(self) -> str:
        return FEATURES

    @property
    def views(self) -> tuple[str, ...]:
        return views_of(self.augment)

    @property
    def trainable_parameters(self) -> int:
        return 0

    def warm(self, x: Tensor) -> Tensor:
        unit = functional.normalize(x.float(), dim=-1)
        alpha, beta = self.chosen
        return self._texts(unit) + alpha * self._votes(unit @ self.keys.T, beta)  # [B, K]

    def _texts(self, unit: Tensor) -> Tensor:
        return self.backbone.logit_scale * unit @ self.embeddings.T  # [B, K]

    def _votes(self, affinity: Tensor, beta: float) -> Tensor:
        """Return the votes of the cache by class, [B, N] -> [B, K]."""
        votes = affinity.new_zeros(affinity.shape[0], len(self.embeddings))
        return votes.index_add(1, self.labels, (beta * (affinity - 1)).exp())

    def state(self) -> dict[str, Tensor]:
        chosen = torch.tensor(self.chosen, dtype=torch.float64)
        return {"keys": self.keys.detach(), "labels": self.labels, "embeddings": self.embeddings, "alpha and beta": chosen}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        self.keys, self.labels, self.embeddings = state["keys"], state["labels"], state["embeddings"]
        alpha, beta = state["alpha and beta"].tolist()
        self.chosen = (alpha, beta)

    @property
    def needs_val(self) -> tuple[str, str] | None:
        return ("alpha and beta", "use choose loo") if self.choose == "val" and "auto" in (self.alpha, self.beta) else None

    def _fit(self, train: Split, val: Split | None, cold: ColdPass, run: Path | None, report: Report | None) -> None:
        self.embeddings = templates.class_embeddings(self.backbone, train.classes, self.template)
        self._cache(train, cold)
        self._search(val if self.choose != "loo" else None, cold, train)

    @torch.no_grad()
    def out_of_sample_logits(self, train: Split, cold: ColdPass) -> Tensor | None:
        """Return logits of the cached images [N, K], each without its own vote; None where no other image is cached."""
        if len(train) != len(self.keys) or not 2 <= len(train) <= MOST_LEFT_OUT:
            return None
        unit, affinity = self._left_out(train, cold)
        return (self._texts(unit) + self.chosen[0] * self._votes(affinity, self.chosen[1])).cpu()

    def _left_out(self, cached: Split, cold: ColdPass) -> tuple[Tensor, Tensor]:
        """Return unit features [N, D] of what is cached and cosines to the keys [N, N], no image near its own."""
        x = cold.activations(self.backbone, cached, FEATURES).gather(torch.arange(len(cached))).float()
        unit = functional.normalize(x, dim=-1)
        return unit, (unit @ self.keys.T).fill_diagonal_(-torch.inf)  # exp(-inf) = 0: no vote of its own

    def adopt(self, fits: Sequence[Self], best: Any) -> None:
        super().adopt(fits, best)
        alpha, beta = (statistics.median(fit.chosen[place] for fit in fits) for place in range(2))
        self.chosen = (alpha, beta)
        self.choices |= {"alpha": alpha, "beta": beta}

    def _refit(self, chosen: Self, both: Split, cold: ColdPass, run: Path | None, report: Report | None) -> None:
        self.embeddings, self.chosen = chosen.embeddings, chosen.chosen
        self._cache(both, cold)

    def _cache(self, split: Split, cold: ColdPass) -> None:
        """Make the keys: unit features, the mean over views made unit again."""
        rows = torch.arange(len(split))
        parts = [cold.activations(self.backbone, split, FEATURES, view).gather(rows).float() for view in self.views]
        self.keys = functional.normalize(torch.stack(parts).mean(0), dim=-1)  # [N, D]
        self.labels = torch.from_numpy(split.labels).to(self.keys.device)

    @torch.no_grad()
    def _search(self, val: Split | None, cold: ColdPass, cached: Split) -> None:
        """Choose alpha and beta by top-1, the lower cross-entropy where several are equal: on ``val``, else on what is cached,
        where an image has no vote of its own."""
        alphas = [0.0, *_grid(self.max_alpha, ALPHAS)] if self.alpha == "auto" else [self.alpha]
        betas = _grid(self.max_beta, BETAS) if self.beta == "auto" else [self.beta]
        if len(alphas) * len(betas) == 1:
            self.chosen = (float(alphas[0]), float(betas[0]))
            return
        split = cached if val is None else val
        if val is None:
            unit, affinity = self._left_out(cached, cold)
        else:
            x = cold.activations(self.backbone, val, FEATURES).gather(torch.arange(len(val))).float()
            unit = functional.normalize(x, dim=-1)
            affinity = unit @ self.keys.T
        texts, truth = self._texts(unit), torch.from_numpy(split.labels).to(unit.device)
        best = (-1.0, 0.0)
        for beta in betas:
            votes = self._votes(affinity, beta)
            for alpha in alphas:
                logits = texts + alpha * votes
                top1 = float((logits.argmax(-1) == truth).float().mean())
                if top1 >= best[0]:
                    found = (top1, -float(functional.cross_entropy(logits, truth)))
                    if found > best:
                        best, self.chosen = found, (float(alpha), float(beta))
        where = val.name if val is not None else "train, one left out"
        self.choices |= {"chosen on": where, "alpha": self.chosen[0], "beta": self.chosen[1], "val_top1": best[0]}
        self.choices["settings tried"] = len(alphas) * len(betas)


class TipAdapterF(Trained, TipAdapter):
    """Tip-Adapter whose keys f_i are trained by cross-entropy from the training features; then alpha and beta are searched.
    Without ``val`` a fifth of ``train`` is held out for both choices, and joins again after them; where that is no image, the
    last epoch is kept and alpha and beta are searched on ``train``, each image without its own vote.

    Args:
        backbone: a vision-language model.
        alpha: weight of the cache, or ``"auto"``: 1.17 while training, searched after it.
        beta: sharpness of the votes, or ``"auto"``: 1 while training, searched after it.
        choose: on the validation images; a fifth of ``train`` is held out where there are none.
        augment: ``flip`` starts f_i from the mean of two views and draws one of them for each image in every epoch.

    Source:
        Zhang et al. (2022), section 3.2. What preset ``zhang2022`` leaves: the published code crops at random, has AdamW's
        epsilon at 1e-4 and keeps the epoch that is best on the test set; this one never reads it.
    """

    name: ClassVar[str] = "tip-adapter-f"
    spoken: ClassVar[str] = "Tip-Adapter-F"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "zhang2022": {
            "template": "clip-7",
            "augment": "flip",
            "epochs": 20,
            "lr": 1e-3,
            "batch_size": 256,
            "optimiser": "adamw",
            "weight_decay": 0.01,
            "schedule": "cosine",
            "warmup": 0,
        },
    }

    choose: Literal["auto", "val"] = "auto"
    _: KW_ONLY
    epochs: int = 20
    batch_size: int = 256
    weight_decay: float = 0.01
    warmup: int = 0

    @property
    def trainable_parameters(self) -> int:
        return self.keys.numel()

    def _fit(self, train_split: Split, val: Split | None, cold: ColdPass, run: Path | None, report: Report | None) -> None:
        part, held = (train_split, val) if val is not None else holdout(train_split)
        if held is None or len(held) == 0:  # too few images to hold any out: the last epoch, each image without its own vote
            self._learn(train_split, None, cold, run, report)
            self._search(None, cold, train_split)
        elif val is None:
            self._learn(part, held, cold, None if run is None else run / "held-out", report)
            self._search(held, cold, part)
            kept = self.choices
            self._again(train_split, self.chosen, int(kept["epoch"]), cold, run, report)
            self.choices = kept
        else:
            self._learn(train_split, val, cold, run, report)
            self._search(val, cold, train_split)

    def _refit(self, chosen: Self, both: Split, cold: ColdPass, run: Path | None, report: Report | None) -> None:
        self._again(both, chosen.chosen, int(chosen.choices["epoch"]), cold, run, report)

    def _again(
        self, split: Split, chosen: tuple[float, float], epochs: int, cold: ColdPass, run: Path | None, report: Report | None
    ) -> None:
        self._stop = epochs
        self._learn(split, None, cold, run, report)
        self._stop, self.chosen = None, chosen

    def out_of_sample_logits(self, train: Split, cold: ColdPass) -> Tensor | None:
        """Return None: every key was trained on every image."""
        return None

    def _learn(self, split: Split, val: Split | None, cold: ColdPass, run: Path | None, report: Report | None) -> None:
        """Train the keys with alpha and beta as they are before the search."""
        self.embeddings = templates.class_embeddings(self.backbone, split.classes, self.template)
        self._cache(split, cold)
        self.chosen = (
            START_ALPHA if self.alpha == "auto" else self.alpha,
            START_BETA if self.beta == "auto" else self.beta,
        )
        self.learn({"keys": self.keys}, split, val, cold=cold, run=run, report=report)


def _grid(largest: float, steps: int) -> list[float]:
    return [LEAST + step * (largest - LEAST) / steps for step in range(steps)]
