"""What the closed forms on frozen features have in common: texts beside labels, and settings chosen out of sample.

A head scores a feature f as logits = factor * (s * cos(f, text) + alpha * g(f)), with g from the labelled images and
s = exp(logit_scale). Its settings are chosen on scores that no image had a part in: exact leave-one-out (``loo``), folds
(``cv``) or validation images (``val``).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY
from pathlib import Path
from typing import Any, Literal, Self

import torch
from torch import Tensor
from torch.nn import functional

from coldframe.cold import ColdPass
from coldframe.data.base import Split
from coldframe.methods import solvers, templates
from coldframe.methods.base import Method, Report
from coldframe.methods.folds import FOLDS, numbered
from coldframe.methods.learning import MOST_SPARE
from coldframe.methods.linear_head import LinearHead
from coldframe.methods.shots import Shots
from coldframe.methods.views import Augment, views_of
from coldframe.types import FEATURES

Choose = Literal["auto", "loo", "cv", "val"]
ALPHAS = (0.0, *(10.0 ** (exponent / 4) for exponent in range(-16, 13)))
"""Weights of g that are tried; 0 is zero-shot alone."""
DOUBLE = 2e8
"""Rows * classes * width up to which everything is computed in float64."""
TIED = 32
"""Settings of equal accuracy whose cross-entropy is compared."""


class FewShot(Method):
    """A closed form on frozen features. Subclasses say what g is, and which settings of it are tried.

    Args:
        backbone: any backbone; texts count where it has them.
        alpha: weight of g beside the texts, or ``"auto"``.
        prior: ``"text"`` uses the class names' texts, ``"none"`` does not, ``"auto"`` does where the model knows their words.
        template: texts of the class names.
        choose: how settings are chosen. ``"loo"``: leave-one-out over train, exact, so that no image is held out; ``"cv"``: 5
            folds of train; ``"val"``: the validation images; ``"auto"``: ``val`` where there are any, else ``loo``.
        augment: ``flip`` counts the mirror image as a second row of the same image.
    """

    _: KW_ONLY
    alpha: float | Literal["auto"] = "auto"
    prior: templates.Prior = "auto"
    template: str | Sequence[str] = templates.PHOTO
    choose: Choose = "auto"
    augment: Augment = "none"

    def __post_init__(self) -> None:
        super().__post_init__()
        templates.check_prior(self.backbone, self.prior)
        self.template = templates.kept(self.template)
        self.out_of_sample = torch.zeros(0)
        """Logits of the chosen settings for the images of the choice [N, K], none of which had a part in its own."""

    @property
    def cut(self) -> str:
        return FEATURES

    @property
    def views(self) -> tuple[str, ...]:
        return views_of(self.augment)

    @property
    def trainable_parameters(self) -> int:
        return 0

    @abstractmethod
    def _settings(self, shots: Shots) -> list[dict[str, Any]]:
        """Return the settings of g that are tried."""

    @abstractmethod
    def _left_out(self, shots: Shots, settings: Sequence[Mapping[str, Any]]) -> Tensor | None:
        """Return g of each row without its image [settings, N, K]; None where folds are cheaper."""

    @abstractmethod
    def _scores(self, shots: Shots, settings: Sequence[Mapping[str, Any]], x: Tensor) -> Tensor:
        """Return g, made from ``shots``, of other features [settings, B, K]."""

    @abstractmethod
    def _keep(self, shots: Shots, setting: Mapping[str, Any], alpha: float, factor: float) -> None:
        """Learn from all shots with one setting."""

    def _texts(self, classes: Sequence[str]) -> Tensor:
        if self.prior == "none" or (self.prior == "auto" and not templates.known(self.backbone, classes)):
            return torch.zeros(0)
        return templates.class_embeddings(self.backbone, classes, self.template)  # [K, D]

    def _shots(self, split: Split, cold: ColdPass, texts: Tensor) -> Shots:
        rows = torch.arange(len(split))
        parts = [cold.activations(self.backbone, split, FEATURES, view).gather(rows).float() for view in self.views]
        x = functional.normalize(torch.cat(parts), dim=-1)
        dtype = torch.float64 if x.numel() * len(split.classes) <= DOUBLE else torch.float32
        y = torch.from_numpy(split.labels).to(x.device).repeat(len(parts))
        image = rows.to(x.device).repeat(len(parts))
        return Shots(x.to(dtype), y, image, len(split.classes), texts.to(dtype))

    @property
    def needs_val(self) -> tuple[str, str] | None:
        return ("the settings", "use choose loo or cv") if self.choose == "val" else None

    def _fit(self, train: Split, val: Split | None, cold: ColdPass, run: Path | None, report: Report | None) -> None:
        texts = self._texts(train.classes)
        shots = self._shots(train, cold, texts)
        how: str = self.choose
        if how == "auto":
            how = "val" if val is not None else "loo"
        settings = self._settings(shots)
        where = "train"
        if how == "val":
            assert val is not None, "check_data refuses this"
            seen = self._shots(val, cold, texts)
            judged, where = seen.rows(torch.arange(len(seen.y), device=seen.y.device) < len(val)), val.name
            scores = self._scores(shots, settings, judged.x.to(shots.x))
        else:
            judged = shots
            scores, how = self._outside(shots, settings, how)
        setting, alpha, factor = self._chosen(judged, settings, scores, how, where)
        self._keep(shots, setting, alpha, factor)

    def _chosen(
        self, judged: Shots, settings: list[dict[str, Any]], scores: Tensor, how: str, where: str
    ) -> tuple[dict[str, Any], float, float]:
        """Choose among scores of judged images, say so in ``choices``, and return setting, alpha and factor."""
        setting, alpha, factor, top1 = self._choose(judged, settings, scores, own=how != "val")
        self.choices = {
            "chosen by": {"loo": "leave-one-out", "cv": f"{FOLDS} folds", "val": "validation images"}[how],
            "chosen on": where, **setting, "alpha": alpha, "temperature": 1 / factor, "out_of_sample_top1": top1,
            "settings tried": len(settings) * len(self._alphas(judged)), "texts": bool(judged.texts.ndim == 2),
        }  # fmt: skip
        return setting, alpha, factor

    def out_of_sample_logits(self, train: Split, cold: ColdPass) -> Tensor | None:
        rows = self.out_of_sample[: len(train)].cpu()  # the first view of each image
        return rows if len(rows) == len(train) and self.choices["out_of_sample_top1"] is not None else None

    def spare_logits(self, train: Split, cold: ColdPass) -> tuple[Tensor, Tensor] | None:
        """Return logits of the training images, left out in folds, with the setting that validation images chose."""
        if self.choices["chosen on"] == train.name or len(train) > MOST_SPARE:
            return None
        shots, found = self._shots(train, cold, self._texts(train.classes)), self.choices
        (g,), _ = self._outside(shots, [self._taken(shots)], "cv")  # one at a time, a class would be rarer than the others
        logits = (self.backbone.logit_scale * shots.prior + float(found["alpha"]) * g) / float(found["temperature"])
        return self._of_several(logits.float()[: len(train)].cpu(), train)

    def _refit(self, chosen: Self, both: Split, cold: ColdPass, run: Path | None, report: Report | None) -> None:
        shots, found = self._shots(both, cold, self._texts(both.classes)), chosen.choices
        self._keep(shots, chosen._taken(shots), float(found["alpha"]), 1 / float(found["temperature"]))

    def _taken(self, shots: Shots) -> dict[str, Any]:
        return {name: self.choices[name] for name in self._settings(shots)[0]}

    def _outside(self, shots: Shots, settings: list[dict[str, Any]], how: str) -> tuple[Tensor, str]:
        """Return scores of each row that its image had no part in [settings, N, K], and how they were made."""
        if how == "loo":
            found = self._left_out(shots, settings)
            if found is not None:
                return found, "loo"
        fold_of = numbered(shots.y[shots.first].cpu(), FOLDS)
        order = fold_of.to(shots.y.device)[torch.unique(shots.image, return_inverse=True)[1]]
        scores = shots.x.new_zeros(len(settings), len(shots.y), shots.classes)
        for fold in range(FOLDS):
            out = order == fold
            if bool(out.any()) and not bool(out.all()):
                scores[:, out] = self._scores(shots.rows(~out), settings, shots.x[out])
        return scores, "cv"

    def _alphas(self, shots: Shots) -> tuple[float, ...]:
        if self.alpha != "auto":
            return (float(self.alpha),)
        return ALPHAS if shots.texts.ndim == 2 else (1.0,)

    def _choose(
        self, shots: Shots, settings: list[dict[str, Any]], scores: Tensor, *, own: bool
    ) -> tuple[dict[str, Any], float, float, float | None]:
        """Return setting, alpha, factor and top-1: the best top-1, then the lowest cross-entropy, then the first.

        Where g comes from the same images (``own``), those whose class has no other image are left out of the choice, since
        without them their class has no g. Where none is left, g and the texts get equal spread, and there is no top-1.
        """
        texts = self.backbone.logit_scale * shots.prior  # [N, K]
        sizes = torch.zeros(shots.classes, dtype=torch.int64, device=shots.y.device)
        sizes.index_add_(0, shots.y[shots.first], torch.ones_like(shots.first))
        useful = (sizes[shots.y] > 1) if own else torch.ones_like(shots.y, dtype=torch.bool)
        if not bool(useful.any()):
            spread = float(scores[0].std())
            alpha = float(texts.std()) / spread if shots.texts.ndim == 2 and spread > 0 else 1.0
            alpha = alpha if self.alpha == "auto" else float(self.alpha)
            self.out_of_sample = texts.float() + alpha * scores[0].float()
            return settings[0], alpha, 1.0, None
        every, texts, scores, y = (texts, scores), texts[useful].float(), scores[:, useful].float(), shots.y[useful]
        alphas = self._alphas(shots)
        right = torch.stack([
            torch.stack([(texts + alpha * part).argmax(-1).eq(y).sum() for alpha in alphas]) for part in scores
        ])  # [settings, alphas]
        best = int(right.max())
        tied = (right == best).nonzero().tolist()
        if len(tied) > TIED:
            tied = tied[:: -(-len(tied) // TIED)]
        ranked = []
        for place, (at, weight) in enumerate(tied):
            logits = texts + alphas[weight] * scores[at]
            factor = solvers.temperature(logits, y) if float(logits.std()) > 0 else 1.0
            ranked.append((float(functional.cross_entropy(factor * logits, y)), place, at, weight, factor))
        _, _, at, weight, factor = min(ranked)
        self.out_of_sample = (factor * (every[0] + alphas[weight] * every[1][at])).float()
        return settings[at], alphas[weight], factor, best / len(y)


class LinearFewShot(LinearHead, FewShot):
    """A few-shot head whose g is linear in the unit feature, so that texts and g together are one matrix and one bias."""

    @abstractmethod
    def _linear(self, shots: Shots, setting: Mapping[str, Any]) -> tuple[Tensor, Tensor]:
        """Return weight [K, D] and bias [K] of g."""

    def warm(self, x: Tensor) -> Tensor:
        unit = functional.normalize(x.float(), dim=-1)
        # Weights of hundreds cancel where features are alike: in single precision what is left would be rounding.
        return (unit.double() @ self.weight.double().T + self.bias.double()).float()  # [B, K]

    @staticmethod
    def _stacked(x: Tensor, pairs: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
        """Return x weight^T + bias for each pair [pairs, B, K]."""
        return torch.stack([x @ weight.T + bias for weight, bias in pairs])

    def _keep(self, shots: Shots, setting: Mapping[str, Any], alpha: float, factor: float) -> None:
        self._merge(solvers.Linear(*self._linear(shots, setting)), shots.texts, alpha, factor)

    def _merge(self, g: solvers.Linear, texts: Tensor, alpha: float, factor: float) -> None:
        """Keep g and the texts as one matrix and one bias."""
        weight, bias = g.weight, g.bias
        if texts.ndim == 2:
            weight = self.backbone.logit_scale * texts.to(weight) + alpha * weight
        else:
            weight = alpha * weight
        self.weight, self.bias = (factor * weight).float(), (factor * alpha * bias).float()
