"""TransCLIP: unlabelled images count. A Gaussian mixture over their features, neighbours that agree, texts that hold it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import KW_ONLY
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import torch
from torch import Tensor
from torch.nn import functional

from coldframe.cold import ColdPass
from coldframe.data.base import Split
from coldframe.methods import templates
from coldframe.methods.base import Method, Report
from coldframe.methods.contexts import text_of
from coldframe.types import FEATURES, digest_of

GAMMAS = (0.002, 0.01, 0.02, 0.2)
"""Weights of the labelled images that the published code searches."""
UNCHOSEN = 0.02
SHARE = 50.0
"""The published code weighs the mixture's log-likelihood by 1 / 50, and labelled images by 50 gamma, which is the same."""
INNER, CONFIDENT, LEAST = 5, 8, 1e-8
"""Steps of the assignments in a round; images that start a class without labels; the smallest variance."""
SAME = 1e-5
"""Largest difference of unit features of one image, from the store or run again."""


class TransClip(Method):
    """z_i, the class probabilities of unlabelled image i, maximise the likelihood of a mixture of classes, with like neighbours
    and the texts near. Its rounds, with unit features f, y_i = softmax(s * cos(f_i, t)) and p_ik the log
    density of N(mu_k, diag(v)) at f_i up to a constant:

    ``rounds`` times: five times z_i = softmax(l * log y_i + p_i / 50 + sum_j (w_ij + w_ji) z_j / (2 n)), then mu_k, the unit
    mean of the f_i weighted by z_ik / M and of the labelled images of k by 50 gamma / N, then v, the mean of (f - mu)^2 with
    the same weights; at last z again. w_ij = cos(f_i, f_j) where j is one of the n nearest unlabelled images of i, else 0;
    a labelled image has its label as z. mu starts at the sums of the labelled images, v at 1 / D. l is 1/2.

    ``unlabelled`` images are given before the fit; ``compare`` and ``fit`` give the test images, never their labels, and mark
    the line *transductive*. Without any, the labelled images stand in their place. An image that was not among them is scored
    by the formula of z alone, with its own neighbours.

    Args:
        backbone: a vision-language model.
        gamma: weight of the labelled images, or ``"auto"``: of 0.002, 0.01, 0.02, 0.2 the best top-1 on ``val``, among equals
            the lowest cross-entropy; 0.02 without ``val``.
        shots: ``False`` ignores the labels (TransCLIP-ZS): l is 1, mu starts at the mean of the 8 surest images of a class.
        neighbours: of each image, n.
        rounds: of the mixture.
        template: texts of the class names.

    Published: gains of 3.1 to 6.6 points on zero-shot CLIP over 11 data sets.

    Source:
        Zanella et al., Boosting Vision-Language Models with Transduction (NeurIPS 2024), arXiv 2406.01837. The
        published code lists neighbours with the labelled images first and assignments with them last; here both have one
        order.
    """

    name: ClassVar[str] = "transclip"
    spoken: ClassVar[str] = "TransCLIP"
    crosses: ClassVar[bool] = True
    transductive: ClassVar[bool] = True
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "zanella2024": {"gamma": "auto", "neighbours": 3, "rounds": 10},
    }

    gamma: float | Literal["auto"] = "auto"
    shots: bool = True
    _: KW_ONLY
    neighbours: int = 3
    rounds: int = 10
    template: str | Sequence[str] = templates.PHOTO

    def __post_init__(self) -> None:
        super().__post_init__()
        text_of(self.backbone)
        self.template = templates.kept(self.template)
        empty = torch.zeros(0, 0)
        self.texts, self.means, self.spread, self.features, self.logz = empty, empty, torch.zeros(0), empty, empty

    @property
    def cut(self) -> str:
        return FEATURES

    @property
    def trainable_parameters(self) -> int:
        return self.means.numel() + self.spread.numel()

    def again(self, **changes: Any) -> Self:
        other = super().again(**changes)
        other.unlabelled = self.unlabelled
        return other

    def key(self, train: Split, val: Split | None) -> str:
        seen = self.unlabelled
        more = [] if seen is None else [seen.images.digest(i) for i in range(len(seen))]
        return digest_of([super().key(train, val), more])

    def state(self) -> dict[str, Tensor]:
        return {
            "texts": self.texts, "means": self.means, "variances": self.spread, "features": self.features, "log z": self.logz,
        }  # fmt: skip

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        self.texts, self.means, self.spread = state["texts"], state["means"], state["variances"]
        self.features, self.logz = state["features"], state["log z"]

    def warm(self, x: Tensor) -> Tensor:
        unit = functional.normalize(x.float(), dim=-1)
        near, at = (unit @ self.features.T).topk(min(self.neighbours, len(self.features)))  # [B, n]
        known = ((self.features[at[:, 0]] - unit).abs().amax(-1) < SAME)[:, None]
        agreed = (near[..., None] * self.logz[at].exp()).sum(1) / (2 * self.neighbours)  # [B, K]
        texts = (self.backbone.logit_scale * unit @ self.texts.T).log_softmax(-1)
        fresh = self._weight * texts + density(unit, self.means, self.spread) / SHARE + agreed
        return torch.where(known, self.logz[at[:, 0]], fresh.log_softmax(-1))

    @property
    def _weight(self) -> float:
        return 0.5 if self.shots else 1.0

    def tried(self) -> dict[Hashable, tuple[float, float]]:
        return {line["gamma"]: (line["val_top1"], line["val_loss"]) for line in self.history}

    def adopt(self, fits: Sequence[Self], best: Any) -> None:
        self.choices["gamma"] = self.choices["gamma"] if best is None else float(best)

    def _refit(self, chosen: Self, both: Split, cold: ColdPass, run: Path | None, report: Report | None) -> None:
        self._solve(both, cold, float(chosen.choices["gamma"]))

    def _fit(self, train: Split, val: Split | None, cold: ColdPass, run: Path | None, report: Report | None) -> None:
        asked = UNCHOSEN if self.gamma == "auto" else float(self.gamma)
        self.history = []
        if self.gamma == "auto" and self.shots and val is not None:
            truth = torch.from_numpy(val.labels)
            for gamma in GAMMAS:
                self._solve(train, cold, gamma)
                logits = self.logits(val, cold=cold)
                top1, loss = float((logits.argmax(-1) == truth).double().mean()), float(functional.cross_entropy(logits, truth))
                self.history.append({"gamma": gamma, "val_top1": top1, "val_loss": loss})
            asked = max(self.history, key=lambda line: (line["val_top1"], -line["val_loss"]))["gamma"]
        self._solve(train, cold, asked)
        if self.history and val is not None:
            self.choices["chosen on"] = val.name

    @torch.no_grad()
    def _solve(self, train: Split, cold: ColdPass, gamma: float) -> None:
        """Find the mixture of the unlabelled images, all sums in float64."""
        seen = train if self.unlabelled is None else self.unlabelled
        texts = templates.class_embeddings(self.backbone, train.classes, self.template).double()  # [K, D]
        f = self._unit(seen, cold)  # [M, D]
        shots, y = self._unit(train, cold), torch.from_numpy(train.labels).to(f.device)
        own = functional.one_hot(y, len(texts)).double()  # [N, K]
        shots, own = (shots, own) if self.shots else (shots[:0], own[:0])
        held = self._weight * (self.backbone.logit_scale * f @ texts.T).log_softmax(-1)  # [M, K]
        z = (held / self._weight).exp()
        surest = torch.zeros_like(z)
        top = z.topk(min(CONFIDENT, len(z)), dim=0).indices
        surest.scatter_(0, top, z.gather(0, top))
        means = functional.normalize(own.T @ shots, dim=-1)
        empty = own.sum(0) == 0
        means = torch.where(empty[:, None], functional.normalize(surest.T @ f, dim=-1), means)  # [K, D]
        spread = torch.full_like(f[0], 1 / f.shape[1])
        near, at = nearest(f, f, self.neighbours, itself=True)
        shot_near, shot_at = nearest(shots, f, self.neighbours, itself=False)
        pulled = scattered(shot_near, shot_at, own, len(f))  # from labelled images, which do not change
        count, weight = len(f), SHARE * gamma / max(1, len(shots))
        logz = held
        for step in range(self.rounds + 1):
            likely = density(f, means, spread) / SHARE
            for _ in range(INNER):
                agreed = (near[..., None] * z[at]).sum(1) + scattered(near, at, z, count) + pulled
                logz = (held + likely + agreed / (2 * self.neighbours)).log_softmax(-1)
                z = logz.exp()
            if step == self.rounds:
                break
            mass = z.sum(0) / count + weight * own.sum(0)  # [K]
            found = (z.T @ f / count + weight * own.T @ shots) / mass.clamp_min(1e-30)[:, None]
            means = torch.where((mass > 1e-12)[:, None], functional.normalize(found, dim=-1), means)
            spread = (around(f, means, z) / count + weight * around(shots, means, own)) / mass.sum()
            spread = spread.clamp_min(LEAST)
        self.texts, self.means, self.spread = texts.float(), means.float(), spread.float()
        self.features, self.logz = f.float(), logz.float()
        self.choices = {
            "gamma": gamma, "unlabelled": count if self.unlabelled is not None else 0, "rounds": self.rounds,
            "settings tried": max(1, len(self.history)),
        }  # fmt: skip

    def _unit(self, split: Split, cold: ColdPass) -> Tensor:
        x = cold.activations(self.backbone, split, FEATURES).gather(torch.arange(len(split)))
        return functional.normalize(x.double(), dim=-1)


def density(x: Tensor, means: Tensor, spread: Tensor) -> Tensor:
    """Return -(1/2) sum_d (x_d - mu_kd)^2 / v_d [B, K]."""
    scaled = means / spread
    return x @ scaled.T - ((x.square() / spread).sum(1, keepdim=True) + (means * scaled).sum(1)) / 2


def around(x: Tensor, means: Tensor, weights: Tensor) -> Tensor:
    """Return sum_ik w_ik (x_id - mu_kd)^2 [D]."""
    crossed = (weights.T @ x * means).sum(0)
    found: Tensor = (weights.sum(1) @ x.square() - 2 * crossed + weights.sum(0) @ means.square()).clamp_min(0)
    return found


def nearest(rows: Tensor, others: Tensor, count: int, *, itself: bool) -> tuple[Tensor, Tensor]:
    """Return cosines and numbers of the nearest ``others`` of each row [B, n], fewer where there are fewer.

    Args:
        rows: unit features [B, D].
        others: unit features [M, D].
        count: n.
        itself: whether row i is other i, which is then left out.
    """
    count = min(count, len(others) - int(itself))
    parts = []
    for at in range(0, len(rows), 1024):
        close = rows[at : at + 1024] @ others.T
        if itself:
            mine = torch.arange(len(close), device=close.device)
            close[mine, mine + at] = -torch.inf
        parts.append(close.topk(count))
    if not parts:
        return rows.new_zeros(0, count), torch.zeros(0, count, dtype=torch.int64, device=rows.device)
    return torch.cat([part.values for part in parts]), torch.cat([part.indices for part in parts])


def scattered(near: Tensor, at: Tensor, z: Tensor, count: int) -> Tensor:
    """Return sum_i w_ij z_i for each of ``count`` others j [M, K]."""
    found = z.new_zeros(count, z.shape[1])
    return found.index_add(0, at.flatten(), (near[..., None] * z[:, None]).flatten(0, 1))
