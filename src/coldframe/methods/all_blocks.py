"""A head over all blocks: few columns of what every block gives, chosen by a group penalty, beside the head of the features."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor
from torch.nn import functional

from coldframe.backbones.chain import ChainBackbone
from coldframe.cold import ColdPass
from coldframe.data.base import Split
from coldframe.errors import InputError
from coldframe.methods import group_lasso
from coldframe.methods.base import Report, holdout
from coldframe.methods.headed import Headed, head
from coldframe.training import better
from coldframe.types import POOLED

PATH = (1.0, 0.5, 0.25, 0.12, 0.06)
"""Penalties that are tried, as shares of the smallest at which nothing is added."""


class AllBlocks(Headed):
    """logits = head(features) + W p^ + b, with p^ the pooled outputs of every block, each column scaled by its training images.

    p [B, P]: of every block what enters it, and of the last its output, as first token and mean of all (of maps the mean), and
    the features behind. The head of the features stays where it starts, at the texts or a probe. W [K, P] and b minimise

        mean CE(head(features) + W p^ + b, y) + lambda sum_j |W_:j|

    so that whole columns are zero. lambda is a share of the smallest one at which W = 0; it is chosen on ``val`` (without it
    on a fifth of the training images, all of which are then learned from), and W = 0 is a candidate. No epochs: the problem is
    convex, and solved.

    Args:
        penalty: lambda as a share, or None to choose it.

    Published: as good as fine-tuning on average over VTAB-1k, better where images differ from pretraining; not measured here.

    Source:
        Evci et al., Head2Toe: Utilizing Intermediate Representations for Better Transfer Learning (2022), arXiv 2201.03529.
        Theirs ranks columns by this penalty and then learns a new head on the best of them.
    """

    name: ClassVar[str] = "all-blocks"
    spoken: ClassVar[str] = "head over all blocks"
    subject: ClassVar[str] = "the head over all blocks"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}

    penalty: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.backbone, ChainBackbone) or not self.backbone.layers:
            raise InputError(f"expected a network of blocks for {self.name}, found {self.backbone.name}; choose linear-probe")
        if self.penalty is not None and self.penalty > 1:
            raise InputError(f"expected a penalty of 0 to 1, a share of the largest of any use, found {self.penalty}")
        self.columns = group_lasso.Columns.none()

    @property
    def cut(self) -> str:
        return POOLED

    def warm(self, x: Tensor) -> Tensor:
        features = x[:, -self.backbone.feature_dim :]
        return head(features, self.weight, self.bias, self.unit) + self.columns(x.float())

    def state(self) -> dict[str, Tensor]:
        own = self.columns
        used = own.used.nonzero().flatten()
        return {
            "used": used, "mean": own.mean[used], "spread": own.spread[used], "columns": own.weight[:, used], "bias": own.bias,
            "head.weight": self.weight, "head.bias": self.bias,
        }  # fmt: skip

    @property
    def trainable_parameters(self) -> int:
        return int(self.columns.used.sum()) * len(self.classes) + len(self.classes)

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        self.weight, self.bias = state["head.weight"], state["head.bias"]
        self.unit = self.head != "normal"
        side = self.backbone.preprocess.size
        blank = torch.zeros(1, 3, side, side, device=self.backbone.device, dtype=self.backbone.dtype)
        with torch.no_grad():
            P = self.backbone.run(blank, stop=POOLED).shape[1]
        used, weight = state["used"], self.weight.new_zeros(len(self.weight), P)
        mean, spread = self.weight.new_zeros(P), self.weight.new_ones(P)
        weight[:, used], mean[used], spread[used] = state["columns"], state["mean"], state["spread"]
        self.columns = group_lasso.Columns(mean, spread, weight, state["bias"])

    def tried(self) -> dict[Hashable, tuple[float, float]]:
        return {line["penalty"]: (line["val_top1"], line["val_loss"]) for line in self.history}

    def adopt(self, fits: Sequence[Self], best: Any) -> None:
        if best is not None:
            self.choices["penalty"] = best

    def _fit(self, train: Split, val: Split | None, cold: ColdPass, run: Path | None, report: Report | None) -> None:
        if val is None and self.penalty is None:
            part, held = holdout(train, seed=self.seed)
            if len(held):
                chosen = self.again()
                chosen.classes = self.classes
                chosen._learn(part, held, cold, PATH)
                self._refit(chosen, train, cold, run, report)
                self.choices, self.history = chosen.choices, chosen.history
                return
        self._learn(train, val, cold, PATH if self.penalty is None else (self.penalty,))

    def _refit(self, chosen: Self, both: Split, cold: ColdPass, run: Path | None, report: Report | None) -> None:
        last = float(chosen.choices["penalty"])
        self._started = str(chosen.choices["head starts at"])
        self._learn(both, None, cold, [share for share in PATH if share > last] + [last])
        self._started = ""

    @torch.no_grad()
    def _learn(self, train: Split, val: Split | None, cold: ColdPass, shares: Sequence[float]) -> None:
        """Follow the path to the penalty that is best on ``val``; to its end without."""

        def read(split: Split) -> tuple[Tensor, Tensor, Tensor]:
            x = cold.activations(self.backbone, split, POOLED).gather(torch.arange(len(split))).float()
            features = x[:, -self.backbone.feature_dim :]
            return x, head(features, self.weight, self.bias, self.unit), torch.from_numpy(split.labels).to(x.device)

        with torch.enable_grad():
            started = self._start_head(train, val, cold)
        seen, held = read(train), None if val is None else read(val)
        self.history, best = [], None
        for share, found in zip(shares, group_lasso.path(*seen, shares), strict=True):
            score = (0.0, 0.0)
            if held is not None:
                logits = held[1] + found(held[0])
                score = float((logits.argmax(-1) == held[2]).double().mean()), float(functional.cross_entropy(logits, held[2]))
                self.history.append({"penalty": share, "val_top1": score[0], "val_loss": score[1]})
            if best is None or held is None or better(*score, *best[0]):
                best = score, share, found
        assert best is not None
        self.columns = best[2]
        used = f"{int(self.columns.used.sum()):,} of {seen[0].shape[1]:,}"
        self.choices = {"penalty": best[1], "columns": used, "head starts at": started, "cut": POOLED}
        if val is not None:
            self.choices["chosen on"] = val.name
