"""What a fit keeps of images that had no part in learning: a temperature, how sure its answers were, and how well classes fit.

The images are the validation images before they join train; where there are none, the training images, each left out in its
turn, for methods that can leave one out. Where validation images are few, the temperature is chosen on training images too,
each left out or left out in folds, for methods that learn quickly: on 37 images its standard error is as large as its effect.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from coldframe.errors import InputError
from coldframe.measures import conformal
from coldframe.measures.temperature import temperature, worthwhile


@dataclass(frozen=True)
class HeldOut:
    """Answers to N images that had no part in learning, by calibrated probabilities.

    Args:
        probability: the highest of each answer [N].
        right: whether it was right [N].
        conformity: by kind of :mod:`coldframe.measures.conformal`, the score of each image's true class [N].
    """

    probability: Tensor
    right: Tensor
    conformity: Mapping[Any, Tensor] = field(default_factory=dict)

    @classmethod
    def of(
        cls, logits: Tensor, labels: Tensor, spare: tuple[Tensor, Tensor] | None = None
    ) -> tuple[HeldOut, float]:
        """Return what is kept of logits [N, K] and labels [N], and the temperature: 1 where another is no surer to help.

        The temperature is chosen on ``spare`` logits [M, K] and labels [M] too. They come from other models than the one that
        is kept, so nothing else is kept of them.
        """
        every, truth = (logits, labels) if spare is None else (torch.cat([logits, spare[0]]), torch.cat([labels, spare[1]]))
        divisor = temperature(every, truth)
        if not worthwhile(every, truth, divisor):
            divisor = 1.0
        odds = (logits.double() / divisor).softmax(-1)
        sure, taken = odds.max(-1)
        scores = {kind: torch.from_numpy(conformal.true_scores(odds, labels, kind)) for kind in conformal.KINDS}
        return cls(sure.float(), taken == labels, scores), divisor

    def tensors(self) -> dict[str, Tensor]:
        """Return what a file holds, by name."""
        return {"probability": self.probability, "right": self.right, **self.conformity}

    def limit(self, kind: conformal.Kind, level: float) -> float:
        """Return the highest score of a class that is in the set of an image; see :mod:`coldframe.measures.conformal`.

        Raises:
            InputError: the run keeps no scores, or its images are too few for the level.
        """
        if kind not in self.conformity:
            raise InputError("expected a run that keeps conformity scores of validation images, found none; fit it again")
        found = conformal.quantile(self.conformity[kind], level)
        n = len(self.probability)
        if found == float("inf"):
            said = f"expected validation images enough for sets at {level:g}, found {n:,}"
            raise InputError(f"{said}; ask for a level up to {n / (n + 1):.3f} or fit with more of them")
        return found
