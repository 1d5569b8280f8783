"""From features to logits for what is adapted before the features: class texts, a trained layer, or a mapping of outputs.

A vision-language model scores class names. A classifier of other classes is read through an output mapping: target class k
takes the mean of the logits of its source classes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional

from coldframe.backbones.base import Backbone
from coldframe.errors import InputError
from coldframe.methods import templates

Mapping = Literal["auto", "text", "linear", "identity", "frequency", "iterative", "full"]


class Head:
    """Logits [B, K] from features [B, D].

    ``text``: exp(logit_scale) * cos(features, class embedding). ``linear``: W f + b, trained. ``identity``: the first K
    outputs of the model's own classifier. ``frequency``: each class takes the ``sources`` outputs that answer its training
    images most often, no output twice. ``iterative``: the same, found again before every epoch with the prompt as it is.
    ``full``: a trained linear layer on the classifier's outputs. ``auto``: ``text`` where the model has texts and knows every
    word of the class names, ``iterative`` where it has a classifier of enough classes, else ``linear``.

    Args:
        kind: which of these.
        backbone: whose features they are.
        template: for ``text``.
        sources: outputs a class takes, for ``frequency`` and ``iterative``.

    Source:
        identity: Bahng et al. (2022), arXiv 2203.17274; iterative: Chen et al. (2023), arXiv 2211.11635 (ILM-VP);
        several sources and full: Tsao et al. (2024), arXiv 2310.08381 (AutoVP).
    """

    def __init__(self, kind: Mapping, backbone: Backbone, template: str | Sequence[str], sources: int = 1) -> None:
        if kind not in get_args(Mapping):
            raise InputError(f"expected a mapping of {', '.join(get_args(Mapping))}, found {kind!r}")
        if sources < 1:
            raise InputError(f"expected 1 or more source classes for a class, found sources={sources}")
        if kind == "text" and backbone.text is None:
            raise InputError(f"{backbone.name} has no text tower; choose the mapping linear, iterative or full")
        if kind in ("identity", "frequency", "iterative", "full") and not backbone.classes:
            raise InputError(f"{backbone.name} has no classifier of its own to map; choose the mapping linear or text")
        template = templates.kept(template)
        self.asked, self.backbone, self.template, self.sources = kind, backbone, template, sources
        self.classes = 0
        self.now: Mapping = kind
        self.tensors: dict[str, Tensor] = {}
        self.embeddings = torch.zeros(0)

    def kind(self, classes: Sequence[str]) -> Mapping:
        """Return what ``auto`` stands for with these classes."""
        if self.asked != "auto":
            return self.asked
        if templates.known(self.backbone, classes):
            return "text"
        return "iterative" if len(self.backbone.classes) >= len(classes) * self.sources else "linear"

    def labels_alone(self, method: str, setting: str, classes: Sequence[str]) -> str:
        """Return why a head of these classes scores no others, for :meth:`Method.labels_alone`; empty for texts."""
        kind = self.kind(classes)
        if kind == "text":
            return ""
        asked = f"{setting}={self.asked!r}" + (f" (here {kind})" if self.asked == "auto" else "")
        return (
            f"{method} with {asked} learns its classes from labels and can score no others; "
            f"set {setting}='text' on a model that has texts"
        )

    @property
    def mapped(self) -> bool:
        """Whether outputs are assigned by frequency."""
        return "sources" in self.tensors

    @property
    def renewed(self) -> bool:
        """Whether the assignment is found again before every epoch."""
        return self.now == "iterative"

    def check_classes(self, classes: Sequence[str]) -> None:
        """Refuse more classes than the model's own classifier has outputs for."""
        K, outputs = len(classes), len(self.backbone.classes)
        taken = {"identity": 1, "frequency": self.sources, "iterative": self.sources}.get(self.kind(classes), 0)
        if K * taken > outputs:
            each = f"{taken} source{'s' * (taken > 1)} each"
            raise InputError(
                f"expected a classifier of {K * taken} outputs or more for {K} classes with {each}, found {outputs} in "
                f"{self.backbone.name}; choose the mapping full or linear"
            )

    def prepare(self, classes: Sequence[str], seed: int) -> None:
        """Make ready for K classes; trained layers start from N(0, 0.01^2) with bias 0."""
        self.check_classes(classes)
        K, outputs = len(classes), len(self.backbone.classes)
        self.now = kind = self.kind(classes)
        device = self.backbone.device
        self.classes, self.tensors, self.embeddings = K, {}, torch.zeros(0)
        if kind == "text":
            self.embeddings = templates.class_embeddings(self.backbone, classes, self.template)  # [K, D]
        elif kind in ("linear", "full"):
            width = outputs if kind == "full" else self.backbone.feature_dim
            drawn = torch.randn(K, width, generator=torch.Generator().manual_seed(seed)) * 0.01
            self.tensors = {"head.weight": drawn.to(device), "head.bias": torch.zeros(K, device=device)}
        elif kind != "identity":
            first = torch.arange(K * self.sources, device=device).view(self.sources, K).T.contiguous()
            self.tensors = {"sources": first}  # [K, sources]

    def __call__(self, features: Tensor) -> Tensor:
        """Return logits [B, K] in fp32."""
        if self.now == "text":
            return self.backbone.logit_scale * functional.normalize(features.float(), dim=-1) @ self.embeddings.T
        if self.now == "linear":
            return functional.linear(features.float(), self.tensors["head.weight"], self.tensors["head.bias"])
        outputs = self.outputs(features)
        if self.now == "full":
            return functional.linear(outputs, self.tensors["head.weight"], self.tensors["head.bias"])
        if self.mapped:
            return outputs[:, self.tensors["sources"]].mean(-1)
        return outputs[:, : self.classes]

    def outputs(self, features: Tensor) -> Tensor:
        """Return the logits of the model's own classifier in fp32 [B, outputs]."""
        found = self.backbone.head(features)
        assert found is not None
        return found.float()

    @torch.no_grad()
    def assign(self, answers: Callable[[], Tensor], labels: Tensor) -> None:
        """Find the sources of each class from the model's own answers to the training images.

        Args:
            answers: gives the number of the largest output for each training image [N].
            labels: [N].
        """
        kept = self.tensors["sources"]
        counts = torch.zeros(len(kept), len(self.backbone.classes), dtype=torch.int64)
        found, truth = answers().cpu(), labels.cpu()
        counts.index_put_((truth, found), torch.ones_like(found), accumulate=True)
        kept.copy_(by_frequency(counts, self.sources))


def by_frequency(counts: Tensor, sources: int) -> Tensor:
    """Assign source classes to target classes, greedily from the largest count, no source twice.

    Args:
        counts: how often each source answers images of each target [K, outputs].
        sources: how many a target gets; K * sources <= outputs.

    Returns:
        [K, sources], int64. Ties go to the smaller numbers.
    """
    left = counts.clone().to(torch.int64)
    K, outputs = left.shape
    found: list[list[int]] = [[] for _ in range(K)]
    for size in range(1, sources + 1):
        # Rounds keep the counts fair: nobody gets a second source before all have a first.
        open_rows = left.clone()
        for _ in range(K):
            target, source = divmod(int(open_rows.argmax()), outputs)
            found[target].append(source)
            open_rows[target], open_rows[:, source], left[:, source] = -1, -1, -1
        assert all(len(mine) == size for mine in found)
    return torch.tensor(found, dtype=torch.int64)
