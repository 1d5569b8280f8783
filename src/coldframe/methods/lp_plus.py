"""LP++: a probe blended with the texts, its step sizes computed from the data, trained by full-batch gradient descent."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor
from torch.nn import functional

from coldframe.cold import ColdPass
from coldframe.data.base import Split
from coldframe.methods import templates
from coldframe.methods.base import Report
from coldframe.methods.contexts import text_of
from coldframe.methods.linear_head import LinearHead
from coldframe.methods.margin import gained, gained_over_folds
from coldframe.types import FEATURES

MOMENTUM, EVERY, START = 0.9, 10, 250.0


class ProbePlus(LinearHead):
    """logits_k = f^T w_k + b_k + a_k f^T t_k with unit features f and class texts t_k; w, b and a are trained.

    w starts at the sums of each class's features, b at 0, every a_k at 250 times the mean cosine of images and texts. w and b
    take steps of 4 N / lambda_max(F^T F) with momentum 0.9; a takes steps of N / (4 max_k sum_i (f_i^T t_k)^2) every tenth
    time. The step with the best top-1 on ``val`` is kept, among equals the lowest cross-entropy; without ``val`` the last.
    Step 0 is zero-shot, and is left only for a gain on ``val`` of more than ``margin`` standard errors (of McNemar's test).

    Args:
        backbone: a vision-language model.
        steps: of gradient descent, each over all images.
        margin: standard errors by which the best step must beat zero-shot on ``val``; with 0, as published, zero-shot is no
            candidate.
        template: texts of the class names.

    Published: CLIP ViT-B/16, 16 shots: DTD 71.3, EuroSAT 85.3, Pets 93.1; 4 shots: Pets 91.9 (linear probe 69.6).

    Source:
        Huang et al., LP++: A Surprisingly Strong Linear Probe for Few-Shot CLIP (CVPR 2024), arXiv 2404.02285.
    """

    name: ClassVar[str] = "lp++"
    spoken: ClassVar[str] = "LP++"
    crosses: ClassVar[bool] = True
    starts: ClassVar[tuple[Hashable, ...]] = (0,)
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"huang2024": {"steps": 300, "margin": 0.0}}

    steps: int = 300
    template: str | Sequence[str] = templates.PHOTO
    margin: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        text_of(self.backbone)
        self.template = templates.kept(self.template)

    @property
    def cut(self) -> str:
        return FEATURES

    def _unit(self, split: Split, cold: ColdPass) -> tuple[Tensor, Tensor]:
        x = cold.activations(self.backbone, split, FEATURES).gather(torch.arange(len(split))).float()
        return functional.normalize(x, dim=-1), torch.from_numpy(split.labels).to(x.device)

    def tried(self) -> dict[Hashable, tuple[float, float]]:
        return {line["step"]: (line["val_top1"], line["val_loss"]) for line in self.history}

    def outdoes(self, values: Sequence[float], before: Sequence[float]) -> bool:
        return not self.margin or gained_over_folds(values, before) > self.margin

    def adopt(self, fits: Sequence[Self], best: Any) -> None:
        self.choices["step"] = self.choices["step"] if best is None else int(best)

    def _refit(self, chosen: Self, both: Split, cold: ColdPass, run: Path | None, report: Report | None) -> None:
        asked, self.steps = self.steps, int(chosen.choices["step"])
        self._fit(both, None, cold, run, report)
        self.steps = asked

    def _noted(self, step: int, logits: Tensor, truth: Tensor) -> Tensor:
        """Note what a step reaches on validation images; return which are right [N]."""
        right = logits.argmax(-1) == truth
        loss = float(functional.cross_entropy(logits, truth))
        self.history.append({"step": step, "val_top1": float(right.double().mean()), "val_loss": loss})
        return right

    def _fit(self, train: Split, val: Split | None, cold: ColdPass, run: Path | None, report: Report | None) -> None:
        x, y = self._unit(train, cold)
        texts = templates.class_embeddings(self.backbone, train.classes, self.template)  # [K, D]
        seen = self._unit(val, cold) if val is not None else None
        K, n = len(train.classes), len(x)
        own = functional.one_hot(y, K).to(x)  # [N, K]
        near = x @ texts.T  # [N, K]
        present = own.sum(0) > 0
        weight, bias = own.T @ x, x.new_zeros(K)
        centres = (own.T @ near)[present] / own.sum(0)[present][:, None]
        blend = (START * centres.mean()).expand(K).clone()
        step = 4 * n / torch.linalg.eigvalsh(x.T @ x)[-1]
        blend_step = n / (4 * near.square().sum(0).max())
        moved_weight, moved_bias = torch.zeros_like(weight), torch.zeros_like(bias)
        best: tuple[tuple[float, float], int, Tensor, Tensor] | None = None
        right: Tensor | None = None
        self.history = []
        start = self.backbone.logit_scale * texts
        before = self._noted(0, seen[0] @ start.T, seen[1]) if seen is not None and self.margin else None
        for number in range(1, self.steps + 1):
            error = ((x @ weight.T + bias + blend * near).softmax(-1) - own) / n  # [N, K], slope of the mean cross-entropy
            moved_weight = MOMENTUM * moved_weight + error.T @ x
            moved_bias = MOMENTUM * moved_bias + error.sum(0)
            blend_slope = (error * near).sum(0)
            weight, bias = weight - step * moved_weight, bias - step * moved_bias
            if number % EVERY == 0:
                blend = blend - blend_step * blend_slope
            if seen is not None:
                found = self._noted(number, seen[0] @ (weight + blend[:, None] * texts).T + bias, seen[1])
                score = self.history[-1]["val_top1"], -self.history[-1]["val_loss"]
                if best is None or score > best[0]:
                    best, right = (score, number, weight + blend[:, None] * texts, bias), found
        zero_shot = self.steps == 0
        if before is not None and right is not None:
            zero_shot = gained(right, before) <= self.margin
        if zero_shot:
            self.weight, self.bias, kept = start.clone(), x.new_zeros(K), 0
        elif best is None:
            self.weight, self.bias, kept = weight + blend[:, None] * texts, bias, self.steps
        else:
            _, kept, self.weight, self.bias = best
        self.choices = {"step": kept}
        if val is not None and seen is not None:
            self.choices["chosen on"] = val.name
