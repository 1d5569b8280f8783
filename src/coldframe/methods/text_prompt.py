"""Text prompts: learned context vectors beside the class names, in front of the frozen text tower (CoOp)."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import torch
from torch import Tensor
from torch.nn import functional

from coldframe.backbones.base import TextTower
from coldframe.cold import ColdPass
from coldframe.data.base import Split
from coldframe.machine.room import check_fits
from coldframe.methods import contexts, templates, views
from coldframe.methods.base import Report
from coldframe.methods.trained import Beside, Trained
from coldframe.training import Optimiser
from coldframe.types import FEATURES

SPREAD = 0.02
"""Standard deviation of context vectors that start from nothing."""
KEPT = 200
"""Numbers that a training step keeps for each number of a token that enters a text tower of twelve blocks, about."""


class TextPrompt(Trained):
    """logits = exp(logit_scale) * cos(image features, text features of [start, v_1 .. v_n, name, ending, end]), v learned.

    Images run once: their features are stored. At each step the text tower runs over K prompts, as far as the longest of
    them, and where the tower is causal the positions that all prompts share run once for all.

    Args:
        backbone: a vision-language model with a text tower of open_clip's own kind, or pocket.
        tokens: n, context vectors; with ``words`` their number decides.
        words: words whose embeddings the context starts from, such as ``"a photo of a"``; N(0, 0.02^2) when empty.
        class_specific: a context of its own for every class, instead of one for all (which then serves any class).
        position: ``end`` puts the name after the context, ``middle`` in its middle, ``front`` before it.
        ending: what follows the name at the end of the text.

    Source:
        Zhou et al., Learning to Prompt for Vision-Language Models (2022), sections 3.2 and 4.1. Preset ``coop`` is for 8
        and 16 shots, ``coop-4`` for 2 and 4, ``coop-1`` for one shot, ``coop-words`` for base-to-new generalisation (Zhou
        et al., Conditional Prompt Learning, 2022). What the presets leave: the original also crops at random, warms up for
        one epoch at 1e-5, trains 50 epochs on ImageNet whatever the shots, and keeps the last epoch.
    """

    name: ClassVar[str] = "text-prompt"
    subject: ClassVar[str] = "the text prompt"
    stacks: ClassVar[bool] = True
    colour: ClassVar[int | None] = 5
    _published: ClassVar[Mapping[str, Any]] = {
        "tokens": 16, "lr": 2e-3, "batch_size": 32, "optimiser": "sgd", "weight_decay": 5e-4, "schedule": "cosine",
        "warmup": 50, "augment": "flip",
    }  # fmt: skip
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "coop": {**_published, "epochs": 200},
        "coop-4": {**_published, "epochs": 100},
        "coop-1": {**_published, "epochs": 50},
        "coop-words": {**_published, "tokens": 4, "words": "a photo of a", "epochs": 50},
    }

    rates: ClassVar[tuple[float, ...]] = (2e-3, 2e-2, 2e-4)

    tokens: int = 8
    words: str = ""
    class_specific: bool = False
    position: contexts.Position = "end"
    ending: str = "."
    _: KW_ONLY
    epochs: int = 50
    lr: float | Literal["auto"] = 2e-3
    optimiser: Optimiser = "sgd"
    weight_decay: float = 5e-4
    warmup: int = 50

    def __post_init__(self) -> None:
        super().__post_init__()
        text = contexts.text_of(self.backbone)
        text.embed_tokens(text.tokenize([""]))  # a tower without word embeddings is refused before any image runs
        self.context = torch.zeros(0)
        self.embeddings = torch.zeros(0)

    @property
    def cut(self) -> str:
        return FEATURES

    def warm(self, x: Tensor) -> Tensor:
        return self._scores(x, self.embeddings)

    def state(self) -> dict[str, Tensor]:
        return {"context": self.context.detach()}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        self.context = state["context"]
        self._made = self._prompts(self.classes)
        self.settle()

    def labels_alone(self, classes: Sequence[str]) -> str:
        if not self.class_specific:
            return ""
        return (
            "expected one context for all classes, found one for each (class_specific), which serves no other class; "
            "fit text-prompt without class_specific"
        )

    def _for_names(self, classes: tuple[str, ...]) -> Self:
        other = copy.copy(self)
        other.classes = classes
        other._made = other._prompts(other.classes)
        other.settle()
        return other

    def text_features(self) -> Tensor:
        """Return unit text features [K, D] of the classes with the context as it is now; gradients reach the context."""
        return self._encode(self._prompts(self.classes))

    def check_data(self, train: Split, val: Split | None) -> None:
        super().check_data(train, val)
        text, names = contexts.text_of(self.backbone), [templates.fill("{}", name) for name in train.classes]
        count = len(contexts.word_embeddings(text, self.words)) if self.words else self.tokens
        contexts.check_room(text, names, self.ending, count)
        width, many = text.embed_tokens(text.tokenize([""])).shape[-1], len(names)
        check_fits(
            "a number of context vectors", count, lambda n: KEPT // 4 * many * (n + 1) * width * 4, device=self.backbone.device,
            of=f"with {many:,} classes",
        )  # fmt: skip

    def begin(self, train_split: Split, cold: ColdPass) -> dict[str, Tensor]:
        text = contexts.text_of(self.backbone)
        start = contexts.word_embeddings(text, self.words) if self.words else self._drawn(text)  # [n, D]
        self.context = start.expand(len(self.classes), -1, -1).clone() if self.class_specific else start.clone()
        self._made = self._prompts(self.classes)
        return {"context": self.context}

    def finish(self, learned: dict[str, Tensor]) -> None:
        self.context = learned["context"]
        self.settle()

    def stack_bytes(self, batch: int) -> int:
        made = self._made if self.classes and self.context.numel() else None
        rows = made.order.numel() if made is not None else 77 * max(1, len(self.classes))
        width = self.backbone.feature_dim if made is None else made.names.shape[-1]
        return KEPT * rows * width * 4

    def beside(self, runs: Sequence[Self], parameters: Mapping[str, Tensor]) -> Beside:
        text, prompts, context = contexts.text_of(self.backbone), self._made, parameters["context"]

        def logits(x: Tensor) -> Tensor:
            embedded = torch.cat([prompts.embed(each) for each in context])  # [S K, L, D]
            found = text.encode_embeddings(embedded, prompts.ends.repeat(len(context)), prompts.start)
            texts = functional.normalize(found.float(), dim=-1).view(len(context), -1, found.shape[-1])  # [S, K, D]
            return self.backbone.logit_scale * functional.normalize(x.float(), dim=-1) @ texts.mT

        return logits, None

    def told(self) -> dict[str, object]:
        return {"positions run": self._made.order.shape[1], "shared": self._made.shared}

    def _fit(self, train_split: Split, val: Split | None, cold: ColdPass, run: Path | None, report: Report | None) -> None:
        self.begin(train_split, cold)
        prompts = self._made
        sources = self.stored(train_split, cold)

        def logits(items: Tensor, epoch: int) -> Tensor:
            x = views.drawn(sources, items, epoch, self.seed)
            return self._scores(x, self._encode(prompts))

        self.learn(
            {"context": self.context}, train_split, val, cold=cold, run=run, report=report, logits=logits, stored=sources
        )
        self.choices |= self.told()

    @torch.no_grad()
    def settle(self) -> None:
        """Compute the class embeddings once."""
        self.embeddings = self._encode(self._made)

    def _drawn(self, text: TextTower) -> Tensor:
        width = text.embed_tokens(text.tokenize([""])).shape[-1]
        generator = torch.Generator().manual_seed(self.seed)
        return (torch.randn(self.tokens, width, generator=generator) * SPREAD).to(self.backbone.device)

    def _scores(self, x: Tensor, embeddings: Tensor) -> Tensor:
        return self.backbone.logit_scale * functional.normalize(x.float(), dim=-1) @ embeddings.T  # [B, K]

    def _prompts(self, classes: Sequence[str]) -> contexts.Prompts:
        text, names = contexts.text_of(self.backbone), [templates.fill("{}", name) for name in classes]
        return contexts.prompts_of(text, names, self.ending, self.context.shape[-2], self.position, self.class_specific)

    def _encode(self, prompts: contexts.Prompts) -> Tensor:
        text = contexts.text_of(self.backbone)
        features = text.encode_embeddings(prompts.embed(self.context), prompts.ends, prompts.shared)
        return functional.normalize(features.float(), dim=-1)  # [K, D]
