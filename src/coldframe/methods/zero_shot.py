"""Zero-shot classification: class names become texts, an image takes the class whose text is nearest."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Literal, Self, get_args

import torch
from torch import Tensor
from torch.nn import functional

from coldframe.backbones.base import Backbone
from coldframe.cold import ColdPass
from coldframe.data.base import Split
from coldframe.errors import InputError
from coldframe.methods import templates
from coldframe.methods.base import Method, Report
from coldframe.types import FEATURES

Probabilities = Literal["auto", "softmax", "sigmoid"]
"""How logits of texts become probabilities, see :meth:`ZeroShot.judged`."""


class ZeroShot(Method):
    """logits = exp(logit_scale) * cos(image features, class embedding); nothing is learned.

    Args:
        backbone: a vision-language model.
        template: one text with ``{}`` for the class, several, an ensemble's name (``photo``, ``name``, ``clip-7``), or a
            ``.json`` file with texts for each class.

    Source:
        Radford et al., Learning Transferable Visual Models From Natural Language Supervision (2021), section 3.1.
    """

    name: ClassVar[str] = "zero-shot"
    spoken: ClassVar[str] = "zero-shot"
    colour: ClassVar[int | None] = 11
    trains: ClassVar[bool] = False
    several: ClassVar[bool] = True

    template: str | Sequence[str] = templates.PHOTO

    @classmethod
    def unfit(cls, backbone: Backbone, classes: Sequence[str] = ()) -> str:
        if backbone.text is None:
            return "has no text tower"
        if words := templates.unknown_words(backbone, classes):
            return f"does not know the word {words[0]!r}" + (f" and {len(words) - 1} more" if len(words) > 1 else "")
        if not templates.known(backbone, classes):
            return "reads class names of this length only in part"
        return ""

    def __post_init__(self) -> None:
        super().__post_init__()
        templates.check_text(self.backbone)
        self.template = templates.kept(self.template)
        self.embeddings = torch.zeros(0)

    @property
    def cut(self) -> str:
        return FEATURES

    def for_classes(self, classes: Sequence[str]) -> Self:
        """Compute the class embeddings once; no image is needed. Returns self."""
        self.embeddings = templates.class_embeddings(self.backbone, classes, self.template)  # [K, D]
        self.classes = tuple(classes)
        self.choices = {"texts": templates.texts_of(self.template, classes[:1])[0]}
        return self

    def labels_alone(self, classes: Sequence[str]) -> str:
        return ""

    def _for_names(self, classes: tuple[str, ...]) -> Self:
        return copy.copy(self).for_classes(classes)

    def probabilities(self, logits: Tensor) -> Tensor:
        """Return a softmax over the texts for several labels too, or a sigmoid of each where the model was trained with one.

        Cosines of one image with all texts move together; their softmax says which stand out.
        """
        if not self.thresholds:
            return super().probabilities(logits)
        return (logits + self.backbone.logit_bias).sigmoid() if self.backbone.sigmoid else logits.softmax(-1)

    def _fit(self, train: Split, val: Split | None, cold: ColdPass, run: Path | None, report: Report | None) -> None:
        self.for_classes(train.classes)

    @torch.no_grad()
    def judged(self, split: Split, kind: Probabilities = "auto", *, cold: ColdPass | None = None) -> Tensor:
        """Return probabilities [N, K] of a split's images.

        Args:
            split: images.
            kind: ``softmax`` over the texts, which sum to 1: one of them is the answer. ``sigmoid``, sigmoid(logit + b) of
                each text by itself with the model's own bias b, as SigLIP was trained: none or several may hold. ``auto`` is
                the one that the model was trained with.
            cold: the store.

        Raises:
            InputError: the model was trained with a softmax, so it has no bias to judge a text by itself with.
        """
        if self.kind_of(kind) == "softmax":
            return self.predict_proba(split, cold=cold)
        return (self.logits(split, cold=cold) + self.backbone.logit_bias).sigmoid()

    def kind_of(self, kind: Probabilities) -> Literal["softmax", "sigmoid"]:
        """Return which of the two ``kind`` stands for."""
        if kind not in get_args(Probabilities):
            raise InputError(f"expected probabilities of {', '.join(get_args(Probabilities))}, found {kind!r}")
        if kind == "sigmoid" and not self.backbone.sigmoid:
            raise InputError(
                f"expected a model that judges each text by itself, such as SigLIP, found {self.backbone.name}, which was "
                "trained with a softmax over texts; choose softmax"
            )
        return "sigmoid" if kind != "softmax" and self.backbone.sigmoid else "softmax"

    def warm(self, x: Tensor) -> Tensor:
        return self.backbone.logit_scale * functional.normalize(x.float(), dim=-1) @ self.embeddings.T  # [B, K]

    @property
    def trainable_parameters(self) -> int:
        return 0

    @property
    def stored_bytes(self) -> int:
        return 0

    def state(self) -> dict[str, Tensor]:
        return {"embeddings": self.embeddings}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        self.embeddings = state["embeddings"]
