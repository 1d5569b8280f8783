"""Fine-tuning: a new head, alone or with the last stages, chosen layers, or the whole network."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, replace
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from coldframe.backbones.base import Backbone
from coldframe.cold import ColdPass
from coldframe.data.base import Split
from coldframe.errors import InputError
from coldframe.methods import interpolation, templates
from coldframe.methods.base import Report
from coldframe.methods.headed import better_start, probe_of
from coldframe.methods.sharing import shared_out
from coldframe.methods.stages import trained_stages
from coldframe.methods.trained import Trained
from coldframe.training import Group
from coldframe.training.ranks import here
from coldframe.training.sharded import Sharded, whole
from coldframe.types import FEATURES

STATISTICS = {
    "cifar100": ((0.5071, 0.4867, 0.4408), (0.2675, 0.2565, 0.2761)),
    "cifar10": ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
}


class FineTune(Trained):
    """Train a new linear head, and the chosen layers below it, by cross-entropy.

    What lies before the first trained layer runs once and is stored. Batch normalisation keeps the statistics of
    pretraining, so the network is the same function in training and in use.

    Args:
        backbone: any backbone.
        layers: ``head``, ``last-conv``, ``first-conv``, ``last-block``, ``last-half`` (of the stages), ``all``, or names
            of cuts separated by commas: the stages that start there. The head is always trained.
        lr: peak learning rate of the head.
        backbone_lr: factor on ``lr`` for the trained layers of the backbone.
        layer_decay: further factor on the learning rate for each trained stage further down.
        weight_decay: on matrices and filters; never on biases and normalisation.
        label_smoothing: share of the target spread over all classes.
        head: where the head starts: ``text`` at the class embeddings, ``probe`` at a linear probe of the frozen features,
            ``normal`` at N(0, 0.01^2) with bias 0; ``auto`` at the texts where the model knows every word and the probe does
            not gain more than one standard error over them on ``val``, else at the probe.
        template: texts of the class names.
        wise: alpha of WiSE-FT: the weights end at (1 - alpha) start + alpha fine-tuned, which takes any head but
            ``"normal"``; ``"auto"`` chooses alpha among 0, 0.1 .. 1 by ``val`` top-1; None leaves the fine-tuned weights.
        normalisation: ``weights`` as pretrained, or the channel statistics of ``cifar10`` or ``cifar100``.
        resize: ``weights`` as pretrained, or ``squash``: both sides to S, bilinear, nothing cropped.

    Source:
        Preset ``uva-a2``: UvA Deep Learning 1 (2023), assignment 2, question 1.2, for ResNet-18; ``coldframe fit`` also
        draws its validation split, 5,000 images by seed 42, where the data has as many. Preset ``wise-ft``: Wortsman et
        al., Robust Fine-tuning of Zero-shot Models (2022), section 4.
    """

    name: ClassVar[str] = "fine-tune"
    spoken: ClassVar[str] = "fine-tune"
    subject: ClassVar[str] = "fine-tuning"
    colour: ClassVar[int | None] = 1
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "uva-a2": {
            "layers": "head",
            "head": "normal",
            "epochs": 30,
            "lr": 1e-3,
            "batch_size": 128,
            "optimiser": "adam",
            "weight_decay": 0.0,
            "schedule": "constant",
            "warmup": 0,
            "normalisation": "cifar100",
            "resize": "squash",
            "seed": 42,
        },
        "wise-ft": {
            "layers": "all",
            "epochs": 10,
            "lr": 3e-5,
            "backbone_lr": 1.0,
            "batch_size": 512,
            "weight_decay": 0.1,
            "optimiser": "adamw",
            "schedule": "cosine",
            "warmup": 500,
            "clip": 1.0,
            "head": "text",
            "template": "clip-7",
            "wise": 0.5,
        },
    }
    protocols: ClassVar[Mapping[str, Mapping[str, Any]]] = {"uva-a2": {"val": 5000}}

    layers: str = "last-block"
    backbone_lr: float = 0.3
    layer_decay: float = 1.0
    label_smoothing: float = 0.0
    head: Literal["auto", "normal", "text", "probe"] = "auto"
    template: str = templates.PHOTO
    wise: interpolation.Mix = None
    normalisation: Literal["weights", "cifar10", "cifar100"] = "weights"
    resize: Literal["weights", "squash"] = "weights"
    _: KW_ONLY
    weight_decay: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        backbone, head, wise = self.backbone, self.head, self.wise
        if head == "text" and backbone.text is None:
            raise InputError(f"{backbone.name} has no text tower; use head auto, probe or normal")
        if wise is not None and head == "normal":
            starts = "head='text' (zero-shot) or head='probe'" if backbone.text is not None else "head='probe'"
            raise InputError(f"expected wise with a head that does not start at random, found head='normal'; use {starts}")
        self.backbone = self._prepared(backbone)
        self._stages = trained_stages(self.backbone, self.layers)
        self.network = self.backbone
        self.linear = nn.Linear(backbone.feature_dim, 1)
        self._sharded: Sharded | None = None
        self._started = ""
        """Where the head of the fit started whose choices are learned with once more."""

    def _prepared(self, backbone: Backbone) -> Backbone:
        """Return the backbone with the preprocessing that is asked for."""
        preprocess = backbone.preprocess
        if self.normalisation != "weights":
            mean, std = STATISTICS[self.normalisation]
            preprocess = replace(preprocess, mean=mean, std=std)
        if self.resize == "squash":
            preprocess = replace(preprocess, resize=preprocess.size, mode="squash", interpolation="bilinear")
        if preprocess == backbone.preprocess:
            return backbone
        changed = copy.copy(backbone)
        changed.preprocess = preprocess
        return changed

    @property
    def cut(self) -> str:
        return min(self._stages, key=self.backbone.index) if self._stages else FEATURES

    def warm(self, x: Tensor) -> Tensor:
        return self._logits(x) if self._sharded is None else self._sharded(self._logits, x.to(here().sharded)).to(x.device)

    def _logits(self, x: Tensor) -> Tensor:
        features = self.network.run(x.to(self.network.dtype), start=self.cut)  # [B, D]
        if self.head != "normal":
            features = functional.normalize(features, dim=-1)
        logits: Tensor = self.linear(features.float())
        return logits  # [B, K]

    def parameters(self) -> dict[str, nn.Parameter]:
        """Return what is trained, by name."""
        named = dict(self.linear.named_parameters(prefix="head"))
        if self._stages:
            chosen = {id(p) for group in trained_stages(self.network, self.layers).values() for p in group}
            named |= {f"backbone.{name}": p for name, p in self.network.module.named_parameters() if id(p) in chosen}
        return named

    def state(self) -> dict[str, Tensor]:
        return {name: value.detach() for name, value in self.parameters().items()}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        self._prepare(len(state["head.bias"]))
        with torch.no_grad():
            for name, value in self.parameters().items():
                value.copy_(state[name])
        self._freeze()

    def _prepare(self, classes: int) -> None:
        self.network = self.backbone
        if self._stages:
            self.network = self.backbone.clone().to(dtype=torch.float32)
        self.linear = nn.Linear(self.backbone.feature_dim, classes).to(self.backbone.device)
        generator = torch.Generator().manual_seed(self.seed)
        with torch.no_grad():
            self.linear.weight.copy_(torch.randn(self.linear.weight.shape, generator=generator) * 0.01)
            self.linear.bias.zero_()
        for value in self.parameters().values():
            value.requires_grad_(True)

    def _freeze(self) -> None:
        for value in self.parameters().values():
            value.requires_grad_(False)

    def _groups(self) -> list[Group]:
        groups = [Group([self.linear.weight]), Group([self.linear.bias], decay=False)]
        stages = trained_stages(self.network, self.layers) if self._stages else {}
        for depth, cut in enumerate(sorted(stages, key=self.network.index, reverse=True)):
            scale = self.backbone_lr * self.layer_decay**depth
            groups.append(Group([p for p in stages[cut] if p.ndim > 1], scale))
            groups.append(Group([p for p in stages[cut] if p.ndim <= 1], scale, decay=False))
        return [group for group in groups if group.parameters]

    @property
    def needs_val(self) -> tuple[str, str] | None:
        return ("wise='auto'", "give val, or a number") if self.wise == "auto" else None

    def _fit(self, train_split: Split, val: Split | None, cold: ColdPass, run: Path | None, report: Report | None) -> None:
        self._prepare(len(train_split.classes))
        kind = self._started or self.head
        if kind == "auto":
            kind = better_start(self.backbone, train_split, val, cold, self.template)
        if kind == "text":
            self._start_from_texts(train_split.classes)
        if kind == "probe":
            weight, bias = probe_of(self.backbone, train_split, val, cold)
            with torch.no_grad():
                self.linear.weight.copy_(weight)
                self.linear.bias.copy_(bias)
        if here().sharded:
            self._sharded = shared_out(self, here().sharded)
        start = {name: value.detach().clone() for name, value in self.parameters().items()} if self.wise is not None else {}
        self.learn(
            dict(self.parameters()), train_split, val, cold=cold, run=run, report=report, groups=self._groups(),
            label_smoothing=self.label_smoothing,
        )  # fmt: skip
        self.choices["head starts at"] = kind
        if self._sharded is not None:
            learned, self._sharded = {name: whole(value) for name, value in self.state().items()}, None
            self.load_state(learned)
        if self.wise is not None:
            alpha, path = interpolation.settle(self.parameters(), start, self.wise, self.validation(val, cold))
            self.choices |= {"wise": alpha, "path": path}

    def _refit(self, chosen: Self, both: Split, cold: ColdPass, run: Path | None, report: Report | None) -> None:
        asked, self.wise = self.wise, chosen.choices.get("wise", self.wise)
        self._started = str(chosen.choices["head starts at"])
        super()._refit(chosen, both, cold, run, report)
        self.wise, self._started = asked, ""

    def _start_from_texts(self, classes: Sequence[str]) -> None:
        embeddings = templates.class_embeddings(self.backbone, classes, self.template)
        with torch.no_grad():
            self.linear.weight.copy_(self.backbone.logit_scale * embeddings)

    def labels_alone(self, classes: Sequence[str]) -> str:
        if self.head == "text":
            return ""
        return (
            f"{self.name} with head={self.head!r} learns its classes from labels and can score no others; "
            "set head='text' on a model that has texts"
        )

    def _for_names(self, classes: tuple[str, ...]) -> Self:
        """Return a copy whose head is the texts of other classes, over the fine-tuned network."""
        other = copy.copy(self)
        other.classes = classes
        other.linear = nn.Linear(self.backbone.feature_dim, len(classes)).to(self.backbone.device).requires_grad_(False)
        other.linear.bias.zero_()
        other._start_from_texts(classes)
        return other
