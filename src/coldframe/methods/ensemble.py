"""Ensembles: the answers of several methods, averaged with weights chosen on validation images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor
from torch.nn import functional

from coldframe.backbones.base import Backbone
from coldframe.cold import ColdPass
from coldframe.data.base import Split
from coldframe.errors import InputError
from coldframe.methods.base import Method, Report
from coldframe.registry import METHODS, resolve
from coldframe.training import better

STEPS = 200
"""Most steps of the search for weights; the problem is convex."""


class Ensemble(Method):
    """logits = sum_m w_m log softmax(z_m / T_m), with z_m the logits of method m and T_m its temperature; w_m >= 0, sum 1.

    Every member is fitted as it is alone, with its defaults. The weights minimise the cross-entropy on ``val``, which is convex
    in them; equal weights and each member alone are candidates too, and the best on ``val`` by the rule of all methods is taken
    (highest top-1, then lowest cross-entropy). Without ``val`` they are found on the logits of the training images that had no
    part in each, where every member has such (exact leave-one-out); elsewhere they are equal.

    Args:
        members: names of methods, separated by commas.
        epochs: of the members that have epochs; None leaves them their own.
        seed: of the members.

    Source:
        The logarithmic opinion pool: Heskes, Selecting Weighting Factors in Logarithmic Opinion Pools (1998). That errors of
        methods tuned alike differ, so that averages gain: Mai et al., Lessons and Insights from a Unifying Study of
        Parameter-Efficient Fine-Tuning in Visual Recognition (2025), arXiv 2409.16434.
    """

    name: ClassVar[str] = "ensemble"
    subject: ClassVar[str] = "the ensemble"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}

    members: str = "linear-probe,lora,ssf"
    _: KW_ONLY
    epochs: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        names = [name.strip() for name in self.members.split(",") if name.strip()]
        if len(set(names)) < 2 or len(set(names)) < len(names) or self.name in names:
            raise InputError(f"expected two methods or more, each once, for an ensemble, found members={self.members!r}")
        settings = {"seed": self.seed} | ({} if self.epochs is None else {"epochs": self.epochs})
        self.parts: list[Method] = []
        for name in names:
            kind: type[Method] = resolve(METHODS, name, "method")
            if why := kind.unfit(self.backbone):
                raise InputError(f"expected members that {self.backbone.name} allows, found {name}: the model {why}")
            part = kind(self.backbone, **{word: value for word, value in settings.items() if word in kind.settings()})
            if part.backbone.preprocess != self.backbone.preprocess:
                raise InputError(f"expected members that read images as {self.backbone.name} does, found {name}")
            self.parts.append(part)
        self.weights = torch.zeros(0)

    @property
    def cut(self) -> str:
        ways = [set(self.backbone.before(part.cut)) for part in self.parts]
        return max(set.intersection(*ways), key=lambda cut: len(self.backbone.before(cut)))

    @property
    def cuts(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(cut for part in self.parts for cut in part.cuts))

    @property
    def views(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(view for part in self.parts for view in part.views))

    @property
    def trainable_parameters(self) -> int:
        return len(self.parts) + sum(part.trainable_parameters for part in self.parts)

    @property
    def settings_tried(self) -> int:
        return sum(part.settings_tried for part in self.parts)

    def warm(self, x: Tensor) -> Tensor:
        start = self.cut
        return self._pooled([part.warm(self.backbone.run(x, start, part.cut)) for part in self.parts])

    @torch.no_grad()
    def logits(self, split: Split, *, cold: ColdPass | None = None, batch_size: int = 64) -> Tensor:
        self._check_fitted()
        every = [part.logits(split, cold=cold, batch_size=batch_size) for part in self.parts]
        return self._pooled(every).cpu()

    def state(self) -> dict[str, Tensor]:
        found = {"weights": self.weights}
        for part in self.parts:
            found |= {f"{part.name}/{name}": tensor for name, tensor in part.state().items()}
            found[f"{part.name}/temperature"] = torch.tensor(part.divisor, dtype=torch.float64)
        return found

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        self.weights = state["weights"]
        settled = self.choices.get("settled by members", {})
        for part in self.parts:
            own = {name.partition("/")[2]: value for name, value in state.items() if name.partition("/")[0] == part.name}
            part.take(settled.get(part.name, {}))
            part.classes = self.classes
            kept = self.choices.get("chosen by members", {}).get(part.name, {})
            part.choices = {**kept, "calibration": {"temperature": float(own.pop("temperature"))}}
            part.load_state(own)

    def _pooled(self, every: Sequence[Tensor]) -> Tensor:
        logs = [functional.log_softmax(z.float() / part.divisor, -1) for z, part in zip(every, self.parts, strict=True)]
        return torch.einsum("m,mbk->bk", self.weights.to(logs[0]), torch.stack(logs))

    def _fit(self, train: Split, val: Split | None, cold: ColdPass, run: Path | None, report: Report | None) -> None:
        for part in self.parts:
            part.fit(train, val, cold=cold, run=None if run is None else run / part.name, report=report)
        held = [
            part.out_of_sample_logits(train, cold) if val is None else part.logits(val, cold=cold) for part in self.parts
        ]
        labels = torch.from_numpy((train if val is None else val).labels)
        names = [part.name for part in self.parts]
        self.weights, on = torch.full((len(names),), 1 / len(names)), "nothing: equal weights"
        if all(each is not None for each in held):
            found = [each for each in held if each is not None]
            scaled = [each.double() / part.divisor for each, part in zip(found, self.parts, strict=True)]
            self.weights = best_weights(functional.log_softmax(torch.stack(scaled), -1), labels).float()
            on = val.name if val is not None else "left-out training images"
        self.choices = {"chosen on": on, "weights": dict(zip(names, self.weights.tolist(), strict=True)), "cut": self.cut}
        self.choices["settled by members"] = {
            part.name: part.choices["settled"] for part in self.parts if "settled" in part.choices
        }
        self.choices["chosen by members"] = {part.name: dict(part.choices) for part in self.parts}  # what a refit goes by

    def _refit(self, chosen: Self, both: Split, cold: ColdPass, run: Path | None, report: Report | None) -> None:
        for number, part in enumerate(chosen.parts):
            other = part.again()
            other.classes = both.classes
            other._refit(part, both, cold, None if run is None else run / part.name, report)
            other.choices["calibration"] = {"temperature": part.divisor}
            self.parts[number] = other
        self.weights = chosen.weights

    @classmethod
    def unfit(cls, backbone: Backbone, classes: Sequence[str] = ()) -> str:
        return "is no network of blocks" if not backbone.layers else ""


def best_weights(logs: Tensor, labels: Tensor) -> Tensor:
    """Return weights [M] of log-probabilities [M, N, K], not negative and of sum 1.

    Candidates are what :func:`minimiser` finds, equal weights, and each member alone; the first that no other beats in top-1,
    then in cross-entropy, is taken.
    """
    M = len(logs)
    best: tuple[tuple[float, float], Tensor] | None = None
    for candidate in (minimiser(logs, labels), torch.full((M,), 1 / M).to(logs), *torch.eye(M).to(logs)):
        top1 = float((torch.einsum("m,mnk->nk", candidate, logs).argmax(-1) == labels).double().mean())
        score = top1, _loss(logs, labels, candidate)
        if best is None or better(*score, *best[0]):
            best = score, candidate
    assert best is not None
    return best[1]


def minimiser(logs: Tensor, labels: Tensor) -> Tensor:
    """Return the weights that minimise the cross-entropy of sum_m w_m log p_m, by exponentiated gradient."""
    weights, rate = torch.full((len(logs),), 1 / len(logs)).to(logs), 1.0
    picked, loss = functional.one_hot(labels, logs.shape[2]).to(logs), _loss(logs, labels, weights)
    for _ in range(STEPS):
        error = (torch.einsum("m,mnk->nk", weights, logs).softmax(-1) - picked) / len(labels)
        slope = torch.einsum("nk,mnk->m", error, logs)
        moved = weights * torch.exp(-rate * (slope - slope.min()))
        moved = moved / moved.sum()
        after = _loss(logs, labels, moved)
        if after <= loss:
            weights, loss, rate = moved, after, rate * 1.2
        elif rate > 1e-6:
            rate /= 2
        else:
            break
    return weights


def _loss(logs: Tensor, labels: Tensor, weights: Tensor) -> float:
    return float(functional.cross_entropy(torch.einsum("m,mnk->nk", weights, logs), labels))
