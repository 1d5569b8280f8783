"""Heads on frozen features that start at the class texts and learn by gradients: TaskRes, CLIP-Adapter, cross-modal, CLAP."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY
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
from coldframe.methods.trained import Beside, Trained
from coldframe.training import Optimiser
from coldframe.types import FEATURES


class TextHead(Trained):
    """logits = s * cos(f', t') with features f' and class vectors t' that start at the image's feature and the class texts.

    Args:
        backbone: a vision-language model; s = exp(logit_scale).
        template: texts of the class names.
    """

    stacks: ClassVar[bool] = True
    shared: ClassVar[tuple[str, ...]] = ("texts", "hold")
    """What runs beside each other have in common."""

    _: KW_ONLY
    template: str | Sequence[str] = templates.PHOTO
    epochs: int = 100
    batch_size: int = 256
    warmup: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        text_of(self.backbone)
        self.template = templates.kept(self.template)
        self.texts = torch.zeros(0)
        self.learned: dict[str, Tensor] = {}

    @property
    def cut(self) -> str:
        return FEATURES

    @property
    def trainable_parameters(self) -> int:
        return sum(value.numel() for value in self.learned.values())

    def state(self) -> dict[str, Tensor]:
        return {"texts": self.texts, **{name: value.detach() for name, value in self.learned.items()}}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        self.texts = state["texts"]
        self.learned = {name: value for name, value in state.items() if name != "texts"}

    def _start(self) -> dict[str, Tensor]:
        """Return what is trained, as it starts."""
        return {"weight": self.texts.clone()}

    def _penalty(self) -> Tensor | None:
        """Return what is added to the loss of a step; None where nothing is."""
        return None

    def _ready(self, train_split: Split, cold: ColdPass) -> None:
        """Compute what the penalty needs of the training images."""

    def begin(self, train_split: Split, cold: ColdPass) -> dict[str, Tensor]:
        self.texts = templates.class_embeddings(self.backbone, train_split.classes, self.template)
        self.learned = self._start()
        self._ready(train_split, cold)
        return self.learned

    def begin_beside(self, first: Self, train_split: Split, cold: ColdPass) -> dict[str, Tensor]:
        shared = {name: value for name, value in vars(first).items() if name in self.shared}
        vars(self).update(shared, learned={name: value.clone() for name, value in first.learned.items()})
        return self.learned

    def finish(self, learned: dict[str, Tensor]) -> None:
        self.learned = learned

    def beside(self, runs: Sequence[Self], parameters: Mapping[str, Tensor]) -> Beside:
        numbers = {
            name: torch.tensor([float(getattr(run, name)) for run in runs], device=self.texts.device) for name in self.stackable
        }

        def one(learned: dict[str, Tensor], own: dict[str, Tensor]) -> TextHead:
            run = copy.copy(self)
            run.learned = learned
            for name, value in own.items():
                setattr(run, name, value)
            return run

        def logits(x: Tensor) -> Tensor:
            found: Tensor = torch.vmap(lambda learned, own: one(learned, own).warm(x))(dict(parameters), numbers)
            return found

        def added(learned: dict[str, Tensor], own: dict[str, Tensor]) -> Tensor:
            value = one(learned, own)._penalty()
            assert value is not None
            return value

        def penalty() -> Tensor:
            return torch.vmap(added)(dict(parameters), numbers)

        return logits, penalty if self._penalty() is not None else None

    def _fit(self, train_split: Split, val: Split | None, cold: ColdPass, run: Path | None, report: Report | None) -> None:
        self.begin(train_split, cold)
        penalised = self._penalty() is not None
        self.learn(
            self.learned, train_split, val, cold=cold, run=run, report=report,
            penalty=(lambda: self._penalty()) if penalised else None,  # type: ignore[arg-type, return-value]
        )  # fmt: skip

    def _scores(self, features: Tensor, weight: Tensor) -> Tensor:
        unit = functional.normalize(features, dim=-1)
        return self.backbone.logit_scale * unit @ functional.normalize(weight, dim=-1).T  # [B, K]


class TaskResidual(TextHead):
    """t' = t + alpha * r with a trained residual r [K, D] from 0; the texts themselves stay.

    Args:
        backbone: a vision-language model.
        alpha: weight of the residual.

    Source:
        Yu et al., Task Residual for Tuning Vision-Language Models (CVPR 2023), arXiv 2211.10277. The
        published runs crop at random and take another rate for each data set.
    """

    name: ClassVar[str] = "taskres"
    spoken: ClassVar[str] = "TaskRes"
    stackable: ClassVar[tuple[str, ...]] = ("alpha",)

    alpha: float = 0.5
    _: KW_ONLY
    lr: float = 2e-3
    optimiser: Optimiser = "adam"

    def _start(self) -> dict[str, Tensor]:
        return {"residual": torch.zeros_like(self.texts)}

    def warm(self, x: Tensor) -> Tensor:
        return self._scores(x.float(), self.texts + self.alpha * self.learned["residual"])


class ClipAdapter(TextHead):
    """f' = ratio * relu(W2 relu(W1 f)) + (1 - ratio) * f with unit features f, W1 [D / reduction, D], W2 [D, D / reduction].

    Args:
        backbone: a vision-language model.
        ratio: share of what the layers say.
        reduction: how many times narrower the layer between is.

    Published: CLIP RN50, 16 shots, mean of 11 data sets: 74.5.

    Source:
        Gao et al., CLIP-Adapter: Better Vision-Language Models with Feature Adapters (2021), arXiv 2110.04544; layers and ratio
        0.2 as in the published code, which crops at random and searches the ratio for each data set.
    """

    name: ClassVar[str] = "clip-adapter"
    spoken: ClassVar[str] = "CLIP-Adapter"
    stackable: ClassVar[tuple[str, ...]] = ("ratio",)

    ratio: float = 0.2
    reduction: int = 4
    _: KW_ONLY

    def _start(self) -> dict[str, Tensor]:
        width = self.texts.shape[1]
        middle = max(1, width // self.reduction)
        generator = torch.Generator().manual_seed(self.seed)

        def uniform(rows: int, columns: int) -> Tensor:
            bound: float = columns**-0.5
            drawn = torch.rand(rows, columns, generator=generator) * 2 - 1
            return (drawn * bound).to(self.texts.device)

        return {"down": uniform(middle, width), "up": uniform(width, middle)}

    def warm(self, x: Tensor) -> Tensor:
        unit = functional.normalize(x.float(), dim=-1)
        found = (unit @ self.learned["down"].T).relu() @ self.learned["up"].T
        mixed = unit.lerp(found.relu(), self.ratio)
        # The length is taken off the K logits, not off the D features: many settings beside each other are bound by memory.
        length = mixed.norm(dim=-1, keepdim=True).clamp_min(1e-12)
        logits: Tensor = self.backbone.logit_scale * (mixed @ functional.normalize(self.texts, dim=-1).T) / length  # [B, K]
        return logits


class CrossModal(TextHead):
    """A linear classifier s * w_k^T f that starts at the texts; the texts are one more shot of each class in every step.

    Args:
        backbone: a vision-language model.
        text_weight: weight of the texts' cross-entropy beside the images'.

    Source:
        Lin et al., Multimodality Helps Unimodality: Cross-Modal Few-Shot Learning with Multimodal Models (CVPR 2023),
        arXiv 2301.06267. There half of a batch are texts drawn at random; here all texts count in every step.
    """

    name: ClassVar[str] = "cross-modal"
    spoken: ClassVar[str] = "cross-modal"
    stackable: ClassVar[tuple[str, ...]] = ("text_weight",)

    text_weight: float = 1.0
    _: KW_ONLY
    weight_decay: float = 0.01

    def warm(self, x: Tensor) -> Tensor:
        unit = functional.normalize(x.float(), dim=-1)
        logits: Tensor = self.backbone.logit_scale * unit @ self.learned["weight"].T
        return logits

    def _penalty(self) -> Tensor:
        logits = self.backbone.logit_scale * self.texts @ self.learned["weight"].T  # [K, K]
        loss: Tensor = self.text_weight * functional.cross_entropy(logits, torch.arange(len(logits), device=logits.device))
        return loss


class ClassAdaptive(TextHead):
    """A probe that starts at the texts, held to them by (1/K) sum_k a_k |w_k - t_k|^2; it needs no validation images.

    a_k is the mean zero-shot probability of class k over its own training images: a class that the texts know well is held
    tight. logits = s * cos(f, w_k). A class without images is held with the mean of the others.

    Args:
        backbone: a vision-language model.

    Source:
        Silva-Rodriguez et al., A Closer Look at the Few-Shot Adaptation of Large Vision-Language Models (CVPR 2024),
        arXiv 2312.12730. What preset ``silva2024`` leaves: 20 random views of each image in the place of two.
    """

    name: ClassVar[str] = "clap"
    spoken: ClassVar[str] = "CLAP"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "silva2024": {
            "epochs": 300, "batch_size": 256, "lr": 0.1, "optimiser": "sgd", "weight_decay": 0.0, "schedule": "cosine",
            "warmup": 0, "augment": "flip",
        },
    }

    _: KW_ONLY
    epochs: int = 300
    lr: float = 0.1
    optimiser: Optimiser = "sgd"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.hold = torch.zeros(0)

    def _ready(self, train_split: Split, cold: ColdPass) -> None:
        x = self.stored(train_split, cold)[0].gather(torch.arange(len(train_split))).float()
        sure = self._scores(x, self.texts).softmax(-1)  # [N, K]
        y = torch.from_numpy(train_split.labels).to(x.device)
        own = functional.one_hot(y, sure.shape[1]).to(sure)
        counts = own.sum(0)
        held = (sure * own).sum(0) / counts.clamp_min(1)
        self.hold = torch.where(counts > 0, held, held.sum() / (counts > 0).sum())

    def _penalty(self) -> Tensor:
        return (self.hold * (self.learned["weight"] - self.texts).square().sum(1)).mean()

    def warm(self, x: Tensor) -> Tensor:
        return self._scores(x.float(), self.learned["weight"])
