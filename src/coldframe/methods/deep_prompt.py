"""Deep prompts: learned tokens among the tokens of a frozen vision transformer."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import torch
from torch import Tensor

from coldframe.backbones.base import Backbone
from coldframe.backbones.transformer import PreNormBlock, transformer_of, transformer_or_none
from coldframe.cold import Activations, ColdPass
from coldframe.data.base import Split
from coldframe.errors import InputError
from coldframe.methods import heads, templates, views
from coldframe.methods.base import Report
from coldframe.methods.trained import Beside, Logits, Trained
from coldframe.types import block

KEPT = 20
"""Numbers that a training step keeps in a block for each number of a token that enters it, about."""
_KEYS_BYTES = 1 << 30
"""Most bytes of keys and values that are kept in memory; beyond, they are computed from the tokens at each step."""


class DeepPrompt(Trained):
    """logits = head(features) of the tokens with P learned ones beside them from block L on.

    What lies before block L runs once for each image. Of the last block only the token that is read is computed; when L is
    the last block, its keys and values of the image tokens are kept as well and a step computes those of the prompt alone.

    Prompt tokens carry no position and attention has no mask, so that with ``readout="class"`` both positions are the same
    function. ``position="front"`` with ``readout="first"`` reads the output of the first prompt token. Where patches know
    their places by rotation (DINOv3, EVA), prompts stand before them and are not turned, like the class token: the same holds.

    Args:
        backbone: a vision transformer.
        tokens: P.
        layer: L, the block before which they enter, 0 .. layers-1.
        depth: from how many blocks on, L included, they are replaced by tokens of their own: 1 (VPT-shallow, the course),
            a number (with L = 0 the first k, with L = layers - k the last k), or ``all`` (VPT-deep).
        shared: whether the replaced tokens are the same in every block.
        position: ``back`` puts them after the image's tokens, ``front`` before the class token.
        readout: ``class`` reads what the network reads; ``first`` the first token of the sequence.
        init: ``normal`` draws from N(0, 0.02^2), ``uniform`` from +- sqrt(6 / (3 patch^2 + D)) as VPT does.
        head: ``text``, ``linear``, or ``auto``: texts where the model has them and knows every word of the class names.
        template: texts of ``text``.

    Source:
        Jia et al., Visual Prompt Tuning (2022), arXiv 2203.12119: presets ``vpt-shallow`` and ``vpt-deep``, which leave
        ``lr`` and ``weight_decay`` to a sweep on validation, as the original chooses them and the number of tokens anew for
        every data set. Preset ``uva-a2``: UvA Deep Learning 1 (2023), assignment 2, part 2; its split of train is 80 to 20,
        drawn here by class.
    """

    name: ClassVar[str] = "deep-prompt"
    subject: ClassVar[str] = "the deep prompt"
    stacks: ClassVar[bool] = True
    colour: ClassVar[int | None] = 2
    _published: ClassVar[Mapping[str, Any]] = {
        "tokens": 50, "layer": 0, "init": "uniform", "head": "linear", "optimiser": "sgd", "epochs": 100, "batch_size": 64,
        "schedule": "cosine", "warmup": 1_000_000,
    }  # fmt: skip
    """The warm-up is a tenth of the run, ten epochs of a hundred."""
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "vpt-shallow": {**_published, "depth": 1},
        "vpt-deep": {**_published, "depth": "all"},
        "uva-a2": {
            "tokens": 4, "layer": 0, "init": "normal", "head": "text", "template": templates.PHOTO, "epochs": 1000,
            "lr": 40.0, "batch_size": 128, "optimiser": "sgd", "weight_decay": 0.0, "schedule": "cosine", "warmup": 1000,
        },
    }  # fmt: skip

    tokens: int = 8
    layer: int = 0
    depth: int | Literal["all"] = 1
    shared: bool = False
    position: Literal["back", "front"] = "back"
    readout: Literal["class", "first"] = "class"
    init: Literal["normal", "uniform"] = "normal"
    head: Literal["auto", "text", "linear"] = "auto"
    template: str | Sequence[str] = templates.PHOTO
    _: KW_ONLY
    lr: float = 0.05

    @classmethod
    def unfit(cls, backbone: Backbone, classes: Sequence[str] = ()) -> str:
        return "is no vision transformer" if transformer_or_none(backbone) is None else ""

    def __post_init__(self) -> None:
        super().__post_init__()
        backbone, tokens, layer, depth = self.backbone, self.tokens, self.layer, self.depth
        self.network = transformer_of(backbone)
        layers = len(self.network.blocks)
        if tokens < 1:
            raise InputError(f"expected 1 or more prompt tokens, found tokens={tokens}")
        if not 0 <= layer < layers:
            raise InputError(f"expected a layer of 0 to {layers - 1} in {backbone.name}, found layer={layer}")
        if depth != "all" and not (isinstance(depth, int) and 1 <= depth <= layers - layer):
            raise InputError(f"expected a depth of 1 to {layers - layer} from layer {layer} on, or all, found depth={depth!r}")
        if self.readout == "first" and self.network.reads is None:
            raise InputError(f"{backbone.name} reads the mean of its tokens, not one of them; choose readout=class")
        self.template = self.template if isinstance(self.template, str) else list(self.template)
        self.scores = heads.Head(self.head, backbone, self.template)
        self.prompt = torch.zeros(0)

    @property
    def cut(self) -> str:
        return block(self.layer)

    @property
    def replaced(self) -> int:
        """In how many blocks the tokens are put in or replaced."""
        return len(self.network.blocks) - self.layer if self.depth == "all" else int(self.depth)

    def warm(self, x: Tensor) -> Tensor:
        return self.scores(self._features(x))

    def state(self) -> dict[str, Tensor]:
        return {"prompt": self.prompt.detach(), **{name: value.detach() for name, value in self.scores.tensors.items()}}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        self.prompt = state["prompt"]
        self.scores.prepare(self.classes, self.seed)
        self.scores.tensors = {name: state[name] for name in self.scores.tensors}

    def labels_alone(self, classes: Sequence[str]) -> str:
        return self.scores.labels_alone(self.name, "head", classes)

    def _for_names(self, classes: tuple[str, ...]) -> Self:
        other = copy.copy(self)
        other.classes, other.scores = classes, heads.Head("text", self.backbone, self.template)
        other.scores.prepare(classes, self.seed)
        return other

    def _drawn(self) -> Tensor:
        net, generator = self.network, torch.Generator().manual_seed(self.seed)
        shape = (1 if self.shared else self.replaced, self.tokens, net.width)  # [depth, P, D]
        if self.init == "normal":
            return torch.randn(shape, generator=generator) * 0.02
        bound = math.sqrt(6 / (3 * net.patch**2 + net.width))
        return torch.rand(shape, generator=generator) * 2 * bound - bound

    def begin(self, train_split: Split, cold: ColdPass) -> dict[str, Tensor]:
        self.scores.prepare(train_split.classes, self.seed)
        self.prompt = self._drawn().to(self.backbone.device)
        return {"prompt": self.prompt, **self.scores.tensors}

    def finish(self, learned: dict[str, Tensor]) -> None:
        self.prompt = learned["prompt"]
        self.scores.tensors = {name: learned[name] for name in self.scores.tensors}

    def stack_bytes(self, batch: int) -> int:
        blocks = len(self.network.blocks) - self.layer
        return KEPT * blocks * batch * (self.network.tokens + self.tokens) * self.network.width * 4

    def beside(self, runs: Sequence[Self], parameters: Mapping[str, Tensor]) -> Beside:
        prompts = parameters["prompt"]  # [S, depth, P, D]

        def logits(x: Tensor) -> Tensor:
            every = self._features(x.repeat(len(prompts), 1, 1), prompts).view(len(prompts), len(x), -1)  # [S, B, D]
            if not self.scores.tensors:
                return self.scores(every)
            weight, bias = parameters["head.weight"], parameters["head.bias"]
            return every.float() @ weight.mT + bias[:, None]

        return logits, None

    def _fit(self, train_split: Split, val: Split | None, cold: ColdPass, run: Path | None, report: Report | None) -> None:
        parameters = self.begin(train_split, cold)
        sources = self.stored(train_split, cold)
        keys = self._keys(sources)
        self.learn(
            parameters, train_split, val, cold=cold, run=run, report=report, stored=sources,
            logits=self._training(sources, keys), note=", keys and values of the last block kept" if keys else "",
        )  # fmt: skip

    def _training(self, sources: Sequence[Activations], keys: Sequence[Keys]) -> Logits:
        """Return the logits of training items; from ``keys`` where there are some."""

        def logits(items: Tensor, epoch: int) -> Tensor:
            if not keys:
                return self.warm(views.drawn(sources, items, epoch, self.seed))
            columns = zip(*(view.columns for view in keys), strict=True)
            row, q, k, v = (views.drawn(column, items, epoch, self.seed) for column in columns)
            return self.scores(self.network.end(self._last(row, q, k, v)))

        return logits

    def _keys(self, sources: Sequence[Activations]) -> list[Keys]:
        """Return what the last block needs of the training images where L is the last block and memory allows, else nothing."""
        net, last = self.network, self.network.blocks[-1]
        size = len(sources) * len(sources[0]) * 2 * net.tokens * net.width * 4
        if self.layer < len(net.blocks) - 1 or net.reads is None or not isinstance(last, PreNormBlock) or size > _KEYS_BYTES:
            return []
        return [Keys(last, source) for source in sources]

    def _features(self, x: Tensor, prompts: Tensor | None = None) -> Tensor:
        """Return the features of tokens entering block ``layer`` [B, T, D].

        With several prompts [S, depth, P, D] the first B / S rows have the first of them, and so on.
        """
        net, P = self.network, self.tokens
        blocks = net.blocks[self.layer :]
        last = len(blocks) - 1
        front = self._front
        for index, each in enumerate(blocks):
            if index < self.replaced:
                number = 0 if self.shared else index
                if prompts is None:
                    p = self.prompt[number].to(x.dtype).expand(x.shape[0], -1, -1)  # [B, P, D]
                else:
                    p = prompts[:, number].to(x.dtype).repeat_interleave(x.shape[0] // len(prompts), 0)
                images = x if index == 0 else x[:, P:] if front else x[:, :-P]
                x = torch.cat([p, images] if front else [images, p], dim=1)
            x = each(x, self._rows() if index == last else None)
        return net.end(x)

    def _rows(self) -> slice:
        """Return which tokens of the last block are read."""
        P = self.tokens
        if self.network.reads is None:
            return slice(P, None) if self._front else slice(0, -P)
        prompt = self.position == "front" and self.readout == "first"
        at = P if self._front and not prompt else 0
        return slice(at, at + 1)

    @property
    def _front(self) -> bool:
        """Whether prompts are put before the image's tokens; behind them is the same function where none has a place."""
        return self.position == "front" or self.network.rotary

    def _last(self, row: Tensor, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Return the token that is read after the last block [B, 1, D], from what is kept of the image's tokens.

        Args:
            row: the class token entering the block [B, 1, D].
            q: its query [B, H, 1, d].
            k: keys of the image's tokens [B, H, T, d].
            v: values of the same.
        """
        last = self.network.blocks[-1]
        assert isinstance(last, PreNormBlock)
        p = self.prompt.to(row.dtype)  # [1, P, D]
        y = last.norm1(p)
        more_k, more_v = (part.expand(len(row), -1, -1, -1) for part in last.keys_values(y))
        if self.position == "front" and self.readout == "first":
            row = p[:, :1].expand(len(row), -1, -1)
            q = last.queries(y[:, :1]).expand(len(row), -1, -1, -1)
        return last.attend(row, q, torch.cat([k, more_k], dim=2), torch.cat([v, more_v], dim=2))


class Keys:
    """What the last block needs of N images: the class token entering it, its query, and the keys and values of all tokens.

    Args:
        last: the last block.
        source: tokens entering it.

    ``columns`` holds the four in this order, each given out by image.
    """

    @torch.no_grad()
    def __init__(self, last: PreNormBlock, source: Activations) -> None:
        parts: list[tuple[Tensor, ...]] = []
        for rows in torch.split(torch.arange(len(source)), 64):
            x = source.gather(rows)
            y = last.norm1(x)
            parts.append((x[:, :1], last.queries(y[:, :1]), *last.keys_values(y)))
        self.columns = tuple(StoredColumn(torch.cat(column)) for column in zip(*parts, strict=True))


class StoredColumn:
    """N tensors in memory, given out by row."""

    note = "in memory"

    def __init__(self, values: Tensor) -> None:
        self.values = values

    def __len__(self) -> int:
        return len(self.values)

    def gather(self, indices: Tensor) -> Tensor:
        return self.values[indices.to(self.values.device)]
