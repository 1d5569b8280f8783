"""Pixel prompts: one learned picture, or frame, added to every image before a frozen network."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import torch
from torch import Tensor
from torch.nn import functional

from coldframe.backbones.base import Backbone
from coldframe.backbones.transformer import transformer_or_none
from coldframe.cold import ColdPass
from coldframe.data.base import Split
from coldframe.errors import InputError
from coldframe.methods import heads, templates, views
from coldframe.methods.base import Report
from coldframe.methods.trained import Trained
from coldframe.training import Optimiser
from coldframe.types import EMBED, PIXELS, block

Kind = Literal["pad", "patch", "random-patch"]
Corner = Literal["top-left", "centre"]
FRAME = 30 / 224
"""Width of the frame as a share of the image's side: 30 pixels at 224 (Bahng et al. 2022)."""
_LARGE = 4
"""Activations with this many times the numbers of the pixels are not worth storing in their place."""


class PixelPrompt(Trained):
    """logits = head(f(x + v)) for normalised images x and one learned v; nothing is clamped.

    ``pad`` learns a frame of ``size`` pixels: 2 * 3 * size * S + 2 * 3 * size * (S - 2 size) numbers. ``patch`` learns
    size x size pixels in the top-left corner, ``random-patch`` the same at a place drawn by f(seed, epoch, index).

    The first convolution is linear, so that it runs once over each image and once a step over the prompt:
    conv(x + v) = conv(x) + conv(v). Of the last block of a vision transformer only the token that is read is computed.

    Args:
        backbone: any backbone.
        kind: ``pad``, ``patch`` or ``random-patch``.
        size: p, in pixels; None is 30 at 224 pixels and in proportion at others.
        mapping: how features become logits of the classes, see :class:`coldframe.methods.heads.Head`.
        sources: outputs of the model's own classifier that a class takes (``frequency``, ``iterative``).
        template: texts of ``text``.
        scale: side of the picture inside the frame as a share of S; below 1 it is shrunk (bilinear), with zeros around it.
        init: ``normal`` draws v from N(0, 1), ``zeros`` starts from the network as it is.
        place: whether ``random-patch`` draws a place for each ``image`` or for each ``batch``.
        fixed_place: where ``random-patch`` puts its patch in evaluation, ``centre`` or ``top-left``.
        lr: peak learning rate; the published 40 belongs to 224 pixels and N(0, 1).

    Source:
        Bahng et al., Exploring Visual Prompts for Adapting Large-Scale Models (2022), arXiv 2203.17274: preset
        ``bahng2022``, whose original keeps the epoch that is best on the test set, which no method here reads. Preset
        ``uva-a2``: UvA Deep Learning 1 (2023), assignment 2, part 2; its split of train is 80 to 20, drawn here by class.
        Shrinking: Tsao et al., AutoVP (2024), arXiv 2310.08381.
    """

    name: ClassVar[str] = "pixel-prompt"
    subject: ClassVar[str] = "the pixel prompt"
    colour: ClassVar[int | None] = 4
    _published: ClassVar[Mapping[str, Any]] = {
        "kind": "pad", "size": 30, "init": "normal", "lr": 40.0, "optimiser": "sgd", "weight_decay": 0.0,
        "schedule": "cosine", "warmup": 1000, "template": templates.PHOTO, "place": "batch",
    }  # fmt: skip
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "bahng2022": {**_published, "epochs": 1000, "batch_size": 256},
        "uva-a2": {**_published, "epochs": 1000, "batch_size": 128},
    }

    rates: ClassVar[tuple[float, ...]] = (2.0, 0.5, 8.0)

    kind: Kind = "pad"
    size: int | None = None
    mapping: heads.Mapping = "auto"
    sources: int = 1
    template: str | Sequence[str] = templates.PHOTO
    scale: float = 1.0
    init: Literal["normal", "zeros"] = "zeros"
    place: Literal["image", "batch"] = "image"
    fixed_place: Corner = "centre"
    _: KW_ONLY
    lr: float | Literal["auto"] = 2.0
    optimiser: Optimiser = "sgd"

    @classmethod
    def unfit(cls, backbone: Backbone, classes: Sequence[str] = ()) -> str:
        if backbone.text is None:
            return "has no text tower, and learning through its classifier runs all of it at every step; ask for it by name"
        return ""

    def __post_init__(self) -> None:
        super().__post_init__()
        backbone, kind, size, scale = self.backbone, self.kind, self.size, self.scale
        S = backbone.preprocess.size
        self.pixels = p = max(1, round(FRAME * S)) if size is None else size
        most = (S - 1) // 2 if kind == "pad" else S
        if p > most:
            raise InputError(f"expected a {kind} of 1 to {most} pixels on images of {S} x {S}, found size={p}")
        if scale > 1:
            raise InputError(f"expected a scale above 0 and up to 1, found scale={scale}")
        self.template = templates.kept(self.template)
        self.head = heads.Head(self.mapping, backbone, self.template, self.sources)
        self.prompt: dict[str, Tensor] = {}
        self._transformer = transformer_or_none(backbone)
        self._cut = PIXELS if scale < 1 or not _worth_storing(backbone) else EMBED

    @property
    def cut(self) -> str:
        return self._cut

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the learned tensors: the four sides of a frame, or one patch."""
        p, S = self.pixels, self.backbone.preprocess.size
        if self.kind != "pad":
            return {"patch": (1, 3, p, p)}
        upright, flat = (1, 3, S - 2 * p, p), (1, 3, p, S)
        return {"up": flat, "down": flat, "left": upright, "right": upright}

    def picture(self, places: Sequence[tuple[int, int]] | None = None) -> Tensor:
        """Return v in units of normalised pixels [1, 3, S, S], or one for each place [b, 3, S, S].

        Args:
            places: top and left of each patch, in pixels.
        """
        S, p = self.backbone.preprocess.size, self.pixels
        if self.kind == "pad":
            v = self.prompt
            hole = v["left"].new_zeros(1, 3, S - 2 * p, S - 2 * p)
            inside = torch.cat([v["left"], hole, v["right"]], dim=3)
            return torch.cat([v["up"], inside, v["down"]], dim=2)
        if places is None:
            at = (S - p) // 2 if self.kind == "random-patch" and self.fixed_place == "centre" else 0
            places = [(at, at)]
        patch = self.prompt["patch"]
        return torch.cat([functional.pad(patch, (x, S - p - x, y, S - p - y)) for y, x in places])

    def warm(self, x: Tensor) -> Tensor:
        return self._logits(x, self.picture())

    def state(self) -> dict[str, Tensor]:
        return {name: value.detach() for name, value in (self.prompt | self.head.tensors).items()}

    @property
    def trainable_parameters(self) -> int:
        return sum(value.numel() for value in self.state().values() if value.is_floating_point())

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        self.prompt = {name: state[name] for name in self.shapes()}
        self.head.prepare(self.classes, self.seed)
        self.head.tensors = {name: state[name] for name in self.head.tensors}

    @torch.no_grad()
    def prompted(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return v and images with v, both in units of pixel values."""
        net = self.backbone
        std, mean = (torch.tensor(value).view(3, 1, 1) for value in (net.preprocess.std, net.preprocess.mean))
        v = self.picture().float().cpu()
        x = self._shrunk(net.normalise(images)).float().cpu() + v
        return v[0] * std, x * std + mean

    def labels_alone(self, classes: Sequence[str]) -> str:
        return self.head.labels_alone(self.name, "mapping", classes)

    def _for_names(self, classes: tuple[str, ...]) -> Self:
        other = copy.copy(self)
        other.classes, other.head = classes, heads.Head("text", self.backbone, self.template)
        other.head.prepare(classes, self.seed)
        return other

    def check_data(self, train: Split, val: Split | None) -> None:
        super().check_data(train, val)
        self.head.check_classes(train.classes)

    def _fit(self, train_split: Split, val: Split | None, cold: ColdPass, run: Path | None, report: Report | None) -> None:
        generator = torch.Generator().manual_seed(self.seed)
        self.head.prepare(train_split.classes, self.seed)
        drawn = {name: torch.randn(shape, generator=generator) for name, shape in self.shapes().items()}
        if self.init == "zeros":
            drawn = {name: torch.zeros_like(value) for name, value in drawn.items()}
        self.prompt = {name: value.to(self.backbone.device) for name, value in drawn.items()}
        sources = self.stored(train_split, cold)
        labels, n = torch.from_numpy(train_split.labels), len(train_split)
        assigned = torch.full((1,), -1, dtype=torch.int64)

        def answers() -> Tensor:
            found = []
            for rows in torch.split(torch.arange(n), 256):
                features = self._features(sources[0].gather(rows), self.picture())
                found.append(self.head.outputs(features).argmax(-1))
            return torch.cat(found)

        def logits(items: Tensor, epoch: int) -> Tensor:
            if self.head.mapped and (self.head.renewed or int(assigned) < 0) and int(assigned) != epoch:
                self.head.assign(answers, labels)
                assigned.fill_(epoch)
            x = views.drawn(sources, items, epoch, self.seed)
            return self._logits(x, self.picture(self._places(items, epoch, n)))

        kept = {"assigned in epoch": assigned} if self.head.mapped else {}
        self.learn(
            self.prompt | self.head.tensors | kept, train_split, val, cold=cold, run=run, report=report,
            logits=logits, stored=sources,
        )  # fmt: skip
        self.choices["mapping"] = self.head.now

    def _places(self, items: Tensor, epoch: int, n: int) -> list[tuple[int, int]] | None:
        """Return top and left of each image's patch in training: f(seed, epoch, index), or f(seed, epoch, first index)."""
        if self.kind != "random-patch":
            return None
        generator = torch.Generator().manual_seed((self.seed * 1_000_003 + epoch) * 2 + 1_000_000_007)
        free = self.backbone.preprocess.size - self.pixels + 1
        drawn = torch.randint(free, (n, 2), generator=generator)
        chosen = items if self.place == "image" else items[:1]
        return [(int(y), int(x)) for y, x in drawn[chosen].tolist()]

    def _logits(self, x: Tensor, v: Tensor) -> Tensor:
        return self.head(self._features(x, v))

    def _features(self, x: Tensor, v: Tensor) -> Tensor:
        """Return the features of activations at ``cut`` with v [1 or B, 3, S, S] added to the images."""
        net, v = self.backbone, v.to(self.backbone.dtype)
        if self.cut == PIXELS:
            x = self._shrunk(x) + v
            return net.run(x)
        x = x + net.run(v, stop=EMBED) - net.run(torch.zeros_like(v[:1]), stop=EMBED)
        if self._transformer is None:
            return net.run(x, start=EMBED)
        return self._transformer.features(net.run(x, EMBED, block(0)))

    def _shrunk(self, x: Tensor) -> Tensor:
        """Return images [B, 3, S, S] made smaller, in the middle of zeros."""
        S = self.backbone.preprocess.size
        side = max(1, round(self.scale * S))
        if side == S:
            return x
        small = functional.interpolate(x, size=(side, side), mode="bilinear", antialias=True, align_corners=False)
        before = (S - side) // 2
        return functional.pad(small, (before, S - side - before) * 2)


def _worth_storing(backbone: Backbone) -> bool:
    """Return whether the first convolution's output is a cut, and not many times larger than the image."""
    if EMBED not in backbone.cuts:
        return False
    S = backbone.preprocess.size
    blank = torch.zeros(1, 3, S, S, device=backbone.device, dtype=backbone.dtype)
    with torch.no_grad():
        return backbone.run(blank, stop=EMBED).numel() <= _LARGE * blank.numel()
