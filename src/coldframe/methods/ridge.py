"""Ridge regression of what the texts leave open: linear, or with a kernel (ProKeR)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import torch
from torch import Tensor
from torch.nn import functional

from coldframe.cold import ColdPass
from coldframe.data.base import Split
from coldframe.errors import InputError
from coldframe.measures import loo
from coldframe.methods.base import Report
from coldframe.methods.few_shot import FewShot, LinearFewShot
from coldframe.methods.ridge_sums import RidgeSums
from coldframe.methods.rows import Rows, evenly, most_rows, read_again, said
from coldframe.methods.shots import Shots, cosines
from coldframe.types import FEATURES, digest_of

PENALTIES = tuple(10.0 ** (exponent / 3) for exponent in (0, *(e for e in range(-9, 10) if e != 0)))
KERNEL_PENALTIES = (0.1, 1e-3, 1e-2, 1.0, 10.0)
BETAS = (3.0, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0)


def targets(shots: Shots) -> Tensor:
    """Return onehot(y) - cos(f, text) [N, K]: what is left for the images to explain."""
    return functional.one_hot(shots.y, shots.classes).to(shots.x) - shots.prior


class Ridge(LinearFewShot):
    """g = W f + b, the minimiser of sum_i |W f_i + b - (onehot(y_i) - cos(f_i, text))|^2 + penalty |W|^2.

    Features of more than a sixteenth of memory are read from the store in pieces, four times. The choice is then made on as
    many images as fit, at equal distances: each of them is left out of the fit to all others. ``choices`` says so.

    Args:
        backbone: any backbone; texts count where it has them.
        penalty: above 0, or ``"auto"``: 19 from 0.001 to 1,000.

    Source:
        Hoerl and Kennard (1970) for the estimate; Allen (1974) for its leave-one-out; the zero-shot prior as in ProKeR.
    """

    name: ClassVar[str] = "ridge"

    penalty: float | Literal["auto"] = "auto"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._judged: Tensor | None = None
        """The training images that the choice was made on, where they are not all."""

    def _fit(self, train: Split, val: Split | None, cold: ColdPass, run: Path | None, report: Report | None) -> None:
        self._judged = None
        x = self._read(train, cold)
        if x is None:
            super()._fit(train, val, cold, run, report)
            return
        own = val is None or self.choose == "loo"
        if self.choose == "cv" or (own and len(self.views) > 1):
            what = "choose cv" if self.choose == "cv" else f"augment {self.augment}"
            raise InputError(f"expected features that fit into memory for {what}, found {len(x):,} x {x.width:,}; leave it out")
        texts, split = self._texts(train.classes), train if val is None or own else val
        sums, settings = self._sums(x, train, texts), self._penalties()
        numbers = x.width + 2 * len(train.classes) * len(settings)
        rows = evenly(len(split), most_rows(numbers))
        held = self._shots(split.subset(rows.numpy()), cold, texts)
        held = held.rows(torch.arange(len(held.y), device=held.y.device) < len(rows))  # one view of each
        scores = sums.scores(held.x, held.y, texts, [setting["penalty"] for setting in settings], own=own)
        setting, alpha, factor = self._chosen(held, settings, scores, "loo" if own else "val", split.name)
        self.choices |= said(x) | {"chosen on images": len(rows)}
        self._judged = rows if own and len(rows) < len(split) else None
        self._merge(sums.linear(setting["penalty"]), texts, alpha, factor)

    def _read(self, split: Split, cold: ColdPass) -> Rows | None:
        """Return the unit features of all views of a split where they are too many for memory."""
        rows = read_again([cold.activations(self.backbone, split, FEATURES, view) for view in self.views])
        return None if rows is None else rows.then(lambda piece: functional.normalize(piece, dim=-1))

    def _sums(self, x: Rows, split: Split, texts: Tensor) -> RidgeSums:
        y = torch.from_numpy(split.labels).to(self.backbone.device).repeat(len(self.views))
        return RidgeSums.of(x, y, len(split.classes), texts)

    def calibrate(self, train: Split, held: Split | None, cold: ColdPass) -> None:
        some = None if held is not None else self._judged
        super().calibrate(train if some is None else train.subset(some.numpy()), held, cold)

    def spare_logits(self, train: Split, cold: ColdPass) -> tuple[Tensor, Tensor] | None:
        return None if self._read(train, cold) is not None else super().spare_logits(train, cold)

    def _refit(self, chosen: Self, both: Split, cold: ColdPass, run: Path | None, report: Report | None) -> None:
        x, found = self._read(both, cold), chosen.choices
        if x is None:
            super()._refit(chosen, both, cold, run, report)
            return
        texts = self._texts(both.classes)
        linear = self._sums(x, both, texts).linear(float(found["penalty"]))
        self._merge(linear, texts, float(found["alpha"]), 1 / float(found["temperature"]))

    def _penalties(self) -> list[dict[str, Any]]:
        return [{"penalty": value} for value in (PENALTIES if self.penalty == "auto" else (float(self.penalty),))]

    def _settings(self, shots: Shots) -> list[dict[str, Any]]:
        return self._penalties()

    def _left_out(self, shots: Shots, settings: Sequence[Mapping[str, Any]]) -> Tensor | None:
        return loo.ridge(shots.x, targets(shots), [setting["penalty"] for setting in settings], groups=shots.groups)

    def _scores(self, shots: Shots, settings: Sequence[Mapping[str, Any]], x: Tensor) -> Tensor:
        return self._stacked(x, [self._solve(shots, setting["penalty"]) for setting in settings])

    def _linear(self, shots: Shots, setting: Mapping[str, Any]) -> tuple[Tensor, Tensor]:
        return self._solve(shots, setting["penalty"])

    @staticmethod
    def _solve(shots: Shots, penalty: float) -> tuple[Tensor, Tensor]:
        basis = shots.basis
        rotated = basis.rotate(shots.x)
        t = targets(shots).to(rotated)
        inner = (t - t.mean(0)).T @ rotated / (basis.values * len(t) + penalty)  # [K, R]
        found = basis.back(inner, t.mean(0))
        return found.weight.to(shots.x), found.bias.to(shots.x)


class KernelRidge(FewShot):
    """g(f) = sum_i k(f, f_i) a_i with k(f, f') = exp(-beta (1 - cos(f, f'))) and (K + penalty I) a = onehot(y) - cos(f, text).

    Args:
        backbone: any backbone; texts count where it has them.
        penalty: above 0, or ``"auto"``.
        beta: sharpness of the kernel, or ``"auto"``.
        alpha: weight of g beside the texts, or ``"auto"``. The published code multiplies g by its penalty: alpha = penalty.

    Published: CLIP ViT-B/16, 16 shots: DTD 73.3, EuroSAT 87.5, Pets 92.9.

    Source:
        Bendou et al., ProKeR: A Kernel Perspective on Few-Shot Adaptation of Large Vision-Language Models (CVPR 2025).
    """

    name: ClassVar[str] = "kernel-ridge"

    penalty: float | Literal["auto"] = "auto"
    beta: float | Literal["auto"] = "auto"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.keys, self.dual, self.texts = torch.zeros(0, 0), torch.zeros(0, 0), torch.zeros(0)
        self.numbers = (0.0, 0.0, 0.0)

    def _settings(self, shots: Shots) -> list[dict[str, Any]]:
        penalties = KERNEL_PENALTIES if self.penalty == "auto" else (float(self.penalty),)
        betas = BETAS if self.beta == "auto" else (float(self.beta),)
        return [{"beta": beta, "penalty": penalty} for beta in betas for penalty in penalties]

    def _left_out(self, shots: Shots, settings: Sequence[Mapping[str, Any]]) -> Tensor | None:
        similar, t, kernels = shots.x @ shots.x.T, targets(shots), dict[str, Tensor]()
        found = []
        for setting in settings:
            key = digest_of(setting["beta"])
            if key not in kernels:
                kernels = {key: (setting["beta"] * (similar - 1)).exp()}
            found.append(loo.kernel_ridge(kernels[key], t, [setting["penalty"]], groups=shots.groups)[0])
        return torch.stack(found)

    def _scores(self, shots: Shots, settings: Sequence[Mapping[str, Any]], x: Tensor) -> Tensor:
        near = x @ shots.x.T - 1  # [B, N]
        return torch.stack([(setting["beta"] * near).exp() @ self._dual(shots, setting) for setting in settings])

    @staticmethod
    def _dual(shots: Shots, setting: Mapping[str, Any]) -> Tensor:
        kernel = (setting["beta"] * (shots.x @ shots.x.T - 1)).exp()
        eye = torch.eye(len(kernel), dtype=kernel.dtype, device=kernel.device)
        return torch.cholesky_solve(targets(shots), torch.linalg.cholesky(kernel + setting["penalty"] * eye))  # [N, K]

    def _keep(self, shots: Shots, setting: Mapping[str, Any], alpha: float, factor: float) -> None:
        # The dual is large where neighbours are alike, and its sums cancel: it stays in float64.
        self.keys, self.texts = shots.x.float(), shots.texts.float()
        self.dual = self._dual(shots, setting).double().contiguous()
        self.numbers = (float(setting["beta"]), alpha, factor)

    def warm(self, x: Tensor) -> Tensor:
        unit = functional.normalize(x.float(), dim=-1)
        beta, alpha, factor = self.numbers
        votes = (beta * (unit.double() @ self.keys.double().T - 1)).exp() @ self.dual  # [B, K]
        texts = self.backbone.logit_scale * cosines(unit, self.texts, self.dual.shape[1])
        logits: Tensor = (factor * (texts + alpha * votes)).float()
        return logits

    def state(self) -> dict[str, Tensor]:
        numbers = torch.tensor(self.numbers, dtype=torch.float64)
        return {"keys": self.keys, "dual": self.dual, "texts": self.texts, "beta, alpha and factor": numbers}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        self.keys, self.dual, self.texts = state["keys"], state["dual"], state["texts"]
        beta, alpha, factor = state["beta, alpha and factor"].tolist()
        self.numbers = (beta, alpha, factor)
