"""A probe that knows its doubt: a Gaussian posterior over the last layer lowers the confidence far from the data."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor
from torch.nn import functional

from coldframe.cold import ColdPass
from coldframe.data.base import Split
from coldframe.methods import solvers, templates
from coldframe.methods.base import Method, Report
from coldframe.methods.headed import better_start
from coldframe.types import FEATURES

GRID = tuple(10.0 ** (-exponent / 2) for exponent in range(2, 13))
TOLERANCE = 1e-3
"""Share of the loss that the solutions of the path may miss; the kept one is solved to the solver's own tolerance."""
FALLS = 2
"""Falls of the evidence in a row that end the path: it rises to one top and falls behind it."""


class Laplace(Method):
    """logits_k = (w_k^T f + b_k) / sqrt(1 + pi / 8 * v_k(f)), v_k(f) the posterior variance of the unscaled logit.

    The prior of W is a Gaussian of precision d around W0: s * text_k where the model knows the class names, s its own scale, so
    that d without end is zero-shot; else 0. The posterior is a Gaussian at the minimum of sum_i CE + (d / 2) |W - W0|^2 with
    precision N A (x) G + d I: A = (1/N) sum f f^T, G = (1/N) sum_i diag(p_i) - p_i p_i^T. In the eigenbases of A (a_i, u_i) and
    G (g_j, v_j) v_k(f) = sum_ij (u_i^T f)^2 V_kj^2 / (N a_i g_j + d). d has the largest evidence on train, so that no image is
    held out: log p = -sum CE - (d / 2) |W - W0|^2 - (1/2) sum_ij log((N a_i g_j + d) / d). It is looked for from large to small
    values, until the evidence has fallen twice in a row. b is not penalised and has no doubt; with texts it is 0. Outside the
    span of the features every a_i is 0, so that the rest of f adds its square / d.

    Args:
        backbone: any backbone; texts count where it has them.
        prior: ``"text"`` takes the class names' texts for W0, ``"none"`` 0. ``"auto"`` takes the texts where the model knows
            their words, unless a probe is right more often on the validation images, by more than one standard error.
        template: texts of the class names.

    Source:
        MacKay (1992) for the evidence and the scaled logits; Ritter et al. (2018) for the factors; Daxberger et al., Laplace
        Redux (2021), for the last layer.
    """

    name: ClassVar[str] = "laplace"
    spoken: ClassVar[str] = "Laplace"

    prior: templates.Prior = "auto"
    template: str | Sequence[str] = templates.PHOTO

    def __post_init__(self) -> None:
        super().__post_init__()
        templates.check_prior(self.backbone, self.prior)
        self.template = templates.kept(self.template)
        self._found: tuple[str, float] | None = None
        """The prior and its precision that a fitted copy has chosen, while more images are learned from with them."""
        self.weight, self.bias = torch.zeros(0, 0), torch.zeros(0)
        self.directions, self.mixed, self.spread = torch.zeros(0, 0), torch.zeros(0, 0), torch.zeros(0, 0)

    @property
    def cut(self) -> str:
        return FEATURES

    def warm(self, x: Tensor) -> Tensor:
        unit = functional.normalize(x.float(), dim=-1)
        within = (unit @ self.directions).square()  # [B, R]
        if len(self.spread) > within.shape[-1]:
            within = torch.cat([within, (1 - within.sum(-1, keepdim=True)).clamp_min(0)], dim=-1)
        variance = within @ self.spread @ self.mixed.T  # [B, K]
        return (unit @ self.weight.T + self.bias) / (1 + math.pi / 8 * variance).sqrt()

    @property
    def trainable_parameters(self) -> int:
        return self.weight.numel() + self.bias.numel()

    def state(self) -> dict[str, Tensor]:
        return {
            "weight": self.weight, "bias": self.bias, "directions": self.directions, "mixed": self.mixed, "spread": self.spread,
        }  # fmt: skip

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        self.weight, self.bias = state["weight"], state["bias"]
        self.directions, self.mixed, self.spread = state["directions"], state["mixed"], state["spread"]

    def _fit(self, train: Split, val: Split | None, cold: ColdPass, run: Path | None, report: Report | None) -> None:
        features = cold.activations(self.backbone, train, FEATURES).gather(torch.arange(len(train))).float()
        x = functional.normalize(features, dim=-1).double()
        y = torch.from_numpy(train.labels).to(x.device)
        K, n = len(train.classes), len(x)
        a, directions = self._covered(x)
        kind, grid = (self._kind(train, val, cold), GRID) if self._found is None else (self._found[0], self._found[1:])
        prior = self._texts(train.classes, x) if kind == "text" else None
        basis = solvers.Basis.of(x) if prior is None else solvers.Basis(x.new_zeros(x.shape[1]), directions, a)
        solve = partial(
            solvers.logistic_path, x, y, K, basis=basis, checked=solvers.ROUGHLY, prior=prior, intercept=prior is None
        )
        best: tuple[float, float, solvers.Linear] | None = None
        path: list[dict[str, Any]] = []
        for l2, linear in zip(grid, solve(l2s=grid, tolerance=TOLERANCE, dtype=torch.float32), strict=False):
            evidence = self._evidence(x, y, linear, prior, l2 * n, a)
            path.append({"l2": l2, "evidence": evidence})
            if best is None or evidence > best[0]:
                best = evidence, l2, linear
            last = [step["evidence"] for step in path[-FALLS - 1 :]]
            if len(last) > FALLS and all(after < before for before, after in itertools.pairwise(last)):
                break
        assert best is not None
        _, l2, start = best
        chosen = next(solve(l2s=[l2], start=start))
        g, mixed = self._softness(x, chosen)
        self.weight, self.bias = chosen.weight.float().contiguous(), chosen.bias.float()
        self.directions, self.mixed = directions.float().contiguous(), mixed.square().float().contiguous()
        outside = a.new_zeros(int(len(a) < x.shape[1]))
        self.spread = (1 / (n * torch.cat([a, outside])[:, None] * g + l2 * n)).float()  # [R or R + 1, K]
        self.history = path
        self.choices = {"chosen by": "evidence", "chosen on": train.name, "prior": kind, "l2": l2, "path": path}

    def _refit(self, chosen: Self, both: Split, cold: ColdPass, run: Path | None, report: Report | None) -> None:
        self._found = chosen.choices["prior"], chosen.choices["l2"]
        super()._refit(chosen, both, cold, run, report)
        self._found = None

    def _kind(self, train: Split, val: Split | None, cold: ColdPass) -> str:
        if self.prior != "auto":
            return self.prior
        return "text" if better_start(self.backbone, train, val, cold, self.template) == "text" else "none"

    def _texts(self, classes: Sequence[str], like: Tensor) -> solvers.Linear:
        texts = self.backbone.logit_scale * templates.class_embeddings(self.backbone, classes, self.template)
        return solvers.Linear(texts.to(like), like.new_zeros(len(classes)))

    @staticmethod
    def _covered(x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the eigenvalues [R] of A, those of rounding left out, and their eigenvectors [D, R]."""
        n, width = x.shape
        a, found = torch.linalg.eigh((x @ x.T if n < width else x.T @ x) / n)
        kept = a > solvers.ROUNDING * a.max()
        a, found = a[kept], found[:, kept]
        return a, x.T @ (found / (a * n).sqrt()) if n < width else found

    @staticmethod
    def _softness(x: Tensor, linear: solvers.Linear) -> tuple[Tensor, Tensor]:
        """Return the eigenvalues [K] and eigenvectors [K, K] of G."""
        p = linear(x).softmax(-1)
        values, vectors = torch.linalg.eigh(torch.diag(p.mean(0)) - p.T @ p / len(p))
        return values.clamp_min(0), vectors

    def _evidence(
        self, x: Tensor, y: Tensor, linear: solvers.Linear, prior: solvers.Linear | None, precision: float, a: Tensor
    ) -> float:
        g, _ = self._softness(x, linear)
        away = linear.weight if prior is None else linear.weight - prior.weight
        fit = functional.cross_entropy(linear(x), y, reduction="sum") + precision / 2 * away.square().sum()
        return float(-fit - 0.5 * torch.log1p(len(x) * a[:, None] * g / precision).sum())
