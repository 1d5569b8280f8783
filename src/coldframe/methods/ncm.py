"""The nearest class mean of centred unit features, beside the texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from coldframe.measures import loo
from coldframe.methods.few_shot import FewShot
from coldframe.methods.shots import Shots, cosines

MOST = 2e10
"""N^2 D up to which leave-one-out is computed; folds serve beyond."""


class NearestMean(FewShot):
    """g_c(f) = cos(f - c, m_c): c the mean of all unit features, m_c the mean of (f_i - c) / |f_i - c| over class c.

    Args:
        backbone: any backbone; texts count where it has them.

    Source:
        Wang et al., SimpleShot: Revisiting Nearest-Neighbor Classification for Few-Shot Learning (2019), arXiv 1911.04623.
    """

    name: ClassVar[str] = "ncm"
    spoken: ClassVar[str] = "nearest class mean"
    subject: ClassVar[str] = "the nearest class mean"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.centre, self.means, self.texts = torch.zeros(0), torch.zeros(0, 0), torch.zeros(0)
        self.numbers = (0.0, 0.0)

    def _settings(self, shots: Shots) -> list[dict[str, Any]]:
        return [{}]

    def _left_out(self, shots: Shots, settings: Sequence[Mapping[str, Any]]) -> Tensor | None:
        if len(shots.x) ** 2 * shots.x.shape[1] > MOST:
            return None
        return loo.nearest_means(shots.x, shots.y, shots.classes, groups=shots.groups)[None]

    def _scores(self, shots: Shots, settings: Sequence[Mapping[str, Any]], x: Tensor) -> Tensor:
        centre, means = loo.centred_means(shots.x, shots.y, shots.classes)
        return (functional.normalize(x - centre, dim=-1) @ functional.normalize(means, dim=-1).T)[None]

    def _keep(self, shots: Shots, setting: Mapping[str, Any], alpha: float, factor: float) -> None:
        centre, means = loo.centred_means(shots.x, shots.y, shots.classes)
        self.centre, self.means, self.texts = centre.float(), means.float(), shots.texts.float()
        self.numbers = (alpha, factor)

    def warm(self, x: Tensor) -> Tensor:
        unit = functional.normalize(x.float(), dim=-1)
        alpha, factor = self.numbers
        near = functional.normalize(unit - self.centre, dim=-1) @ functional.normalize(self.means, dim=-1).T  # [B, K]
        logits: Tensor = factor * (self.backbone.logit_scale * cosines(unit, self.texts, len(self.means)) + alpha * near)
        return logits

    def state(self) -> dict[str, Tensor]:
        numbers = torch.tensor(self.numbers, dtype=torch.float64)
        return {"centre": self.centre, "means": self.means, "texts": self.texts, "alpha and factor": numbers}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        self.centre, self.means, self.texts = state["centre"], state["means"], state["texts"]
        alpha, factor = state["alpha and factor"].tolist()
        self.numbers = (alpha, factor)
