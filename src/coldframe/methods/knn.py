"""Nearest neighbours on frozen features: nothing is trained, the training features are the model."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import torch
from torch import Tensor
from torch.nn import functional

from coldframe.cold import ColdPass
from coldframe.data.base import Split
from coldframe.measures.loo import MOST_LEFT_OUT
from coldframe.methods.base import Method, Report
from coldframe.types import FEATURES

GRID = (1, 3, 5, 10, 20, 50)
LEFT_OUT = "train, one left out"
"""What k was chosen on without validation images, as a run says it."""
BLOCK = 2**27
"""Most similarities that are held at once, half a gigabyte: those of all training images may be more than memory."""


class NearestNeighbours(Method):
    """P(class) is the share of exp(cos(f, f_i) / temperature) among the k nearest training features f_i by cosine.

    Args:
        backbone: any backbone.
        k: number of neighbours, or ``"auto"`` to choose among 1, 3, 5, 10, 20, 50 by top-1, among equals by the lower
            cross-entropy.
        temperature: of the votes.
        refit: False leaves the validation images out of a refit.
        choose: ``val`` chooses k on the validation images, ``loo`` on train, each image without its own vote; ``auto`` takes
            ``val`` where there are validation images, else ``loo``.

    Source:
        Wu et al., Unsupervised Feature Learning via Non-parametric Instance Discrimination (2018), section 3.4.
    """

    name: ClassVar[str] = "knn"
    spoken: ClassVar[str] = "nearest neighbours"
    colour: ClassVar[int | None] = 3
    crosses: ClassVar[bool] = True
    gradientless: ClassVar[str] = "its votes have no gradient where all neighbours agree"

    k: int | Literal["auto"] = "auto"
    temperature: float = 0.07
    refit: bool = True
    choose: Literal["auto", "loo", "val"] = "auto"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.neighbours = 1
        self.features, self.labels = torch.zeros(0, 0), torch.zeros(0, dtype=torch.int64)

    @property
    def cut(self) -> str:
        return FEATURES

    def warm(self, x: Tensor) -> Tensor:
        similarity = functional.normalize(x.float(), dim=-1) @ self.features.T  # [B, N]
        return self._votes(similarity, self.labels, self.neighbours)

    def _votes(self, similarity: Tensor, labels: Tensor, k: int) -> Tensor:
        nearest, rows = similarity.topk(min(k, similarity.shape[1]))  # [B, k]
        weights = (nearest / self.temperature).softmax(-1)
        votes = similarity.new_zeros(similarity.shape[0], len(self.classes))
        votes.scatter_add_(1, labels[rows], weights)  # [B, K]
        return votes.clamp_min(1e-6).log()

    @property
    def trainable_parameters(self) -> int:
        return 0

    def state(self) -> dict[str, Tensor]:
        return {"features": self.features, "labels": self.labels, "neighbours": torch.tensor(self.neighbours)}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        self.features, self.labels = state["features"], state["labels"]
        self.neighbours = int(state["neighbours"])

    @property
    def needs_val(self) -> tuple[str, str] | None:
        return ("k", "use choose loo") if self.choose == "val" and self.k == "auto" else None

    def _fit(self, train: Split, val: Split | None, cold: ColdPass, run: Path | None, report: Report | None) -> None:
        alone = self.choose == "loo" or (self.choose == "auto" and val is None)
        features, labels = self._unit(train, cold)
        if self.k == "auto":
            seen, truth = (features, labels) if val is None or alone else self._unit(val, cold)
            others = len(features) - (1 if alone else 0)
            right, loss = [0] * len(GRID), [0.0] * len(GRID)
            for rows, similarity in _similarities(seen, features, alone=seen is features):
                for number, k in enumerate(GRID):
                    logits = self._votes(similarity, labels, min(k, max(others, 1)))
                    right[number] += int((logits.argmax(-1) == truth[rows]).sum())
                    loss[number] += float(functional.cross_entropy(logits, truth[rows], reduction="sum"))
            path = [
                {"k": k, "val_top1": good / len(truth), "val_loss": lost / len(truth)}
                for k, good, lost in zip(GRID, right, loss, strict=True)
            ]
            best = max(path, key=lambda step: (step["val_top1"], -step["val_loss"]))
            self.neighbours = int(best["k"])
            self.history = path
            where = val.name if val is not None and not alone else LEFT_OUT
            self.choices = {"chosen on": where, "k": self.neighbours, "path": path}
        else:
            self.neighbours = self.k
        self.features, self.labels = features, labels

    def tried(self) -> dict[Hashable, tuple[float, float]]:
        return {line["k"]: (line["val_top1"], line["val_loss"]) for line in self.history}

    def adopt(self, fits: Sequence[Self], best: Any) -> None:
        self.neighbours = self.neighbours if best is None else int(best)
        self.choices["k"] = self.neighbours

    def out_of_sample_logits(self, train: Split, cold: ColdPass) -> Tensor | None:
        if len(train) > MOST_LEFT_OUT or len(train) < 2:
            return None
        features, labels = self._unit(train, cold)
        k = min(self.neighbours, len(train) - 1)
        votes = [self._votes(similarity, labels, k) for _, similarity in _similarities(features, features, alone=True)]
        return torch.cat(votes).cpu()

    def spare_logits(self, train: Split, cold: ColdPass) -> tuple[Tensor, Tensor] | None:
        """Return votes on the training images, each without its own."""
        logits = None if self.choices.get("chosen on") == LEFT_OUT else self.out_of_sample_logits(train, cold)
        return None if logits is None else self._of_several(logits, train)

    def _refit(self, chosen: Self, both: Split, cold: ColdPass, run: Path | None, report: Report | None) -> None:
        self.neighbours = chosen.neighbours
        self.features, self.labels = self._unit(both, cold) if self.refit else (chosen.features, chosen.labels)

    def _unit(self, split: Split, cold: ColdPass) -> tuple[Tensor, Tensor]:
        x = cold.activations(self.backbone, split, FEATURES).gather(torch.arange(len(split))).float()  # [N, D]
        return functional.normalize(x, dim=-1), torch.from_numpy(split.labels).to(x.device)


def _similarities(seen: Tensor, features: Tensor, *, alone: bool) -> Iterator[tuple[slice, Tensor]]:
    """Yield blocks of rows, and their similarities [R, N] to the training features.

    Args:
        seen: unit features [M, D].
        features: those of the training images [N, D].
        alone: whether both are the same images, none of which votes for itself.
    """
    step = max(1, BLOCK // max(1, len(features)))
    for start in range(0, len(seen), step):
        rows = slice(start, min(start + step, len(seen)))
        similarity = seen[rows] @ features.T
        if alone:
            similarity.diagonal(start).fill_(-torch.inf)
        yield rows, similarity
