"""Deep prompts: learned tokens among the tokens of a frozen vision transformer."""

from __future__ import annotations

import copy
import math
from collections.abc import Hashable, Mapping, Sequence
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
from coldframe.machine.room import check_fits
from coldframe.methods import heads, templates, views
from coldframe.methods.base import Report
from coldframe.methods.headed import head, probe_of
from coldframe.methods.prompt_tokens import Keys, like_tokens
from coldframe.methods.trained import SMALL, Beside, Logits, Trained
from coldframe.types import block

LAST_BLOCKS = (2, 4)
"""In how many of the last blocks ``layer="auto"`` tries prompts."""
LEFT_OUT = "left out"
"""The candidate without prompts."""
KEPT = 20
"""Numbers that a training step keeps in a block for each number of a token that enters it, about."""
_KEYS_BYTES = 1 << 30
"""Most bytes of keys and values that are kept in memory; beyond, they are computed from the tokens at each step."""


class DeepPrompt(Trained):
    """logits = head(features) of the tokens with P learned ones beside them from block L on.

    By default L and the rate are chosen: some are tried in short runs first, see :class:`Trained`. Prompts then stand in each
    of the last blocks, and start as tokens that could be the images' own, so that the first step changes little. The network
    without prompts is a candidate as well where the head is the texts: where no epoch beats it on ``val``, there are none.

    What lies before block L runs once for each image. Of the last block only the token that is read is computed; when L is
    the last block, its keys and values of the image tokens are kept as well and a step computes those of the prompt alone.

    Prompt tokens carry no position and attention has no mask, so that with ``readout="class"`` both positions are the same
    function. ``position="front"`` with ``readout="first"`` reads the output of the first prompt token. Where patches know
    their places by rotation (DINOv3, EVA), prompts stand before them and are not turned, like the class token: the same holds.

    Args:
        backbone: a vision transformer.
        tokens: how many are learned, P.
        layer: L, the block before which they enter, 0 .. layers-1; ``auto`` takes the better of layers-2 and layers-4.
        depth: from how many blocks on, L included, they are replaced by tokens of their own: 1 (VPT-shallow, the course),
            a number (with L = 0 the first k, with L = layers - k the last k), or ``all`` (VPT-deep); ``auto`` is all of them
            where L is ``auto``, else 1.
        shared: whether the replaced tokens are the same in every block.
        position: ``back`` puts them after the image's tokens, ``front`` before the class token.
        readout: ``class`` reads what the network reads; ``first`` the first token of the sequence.
        init: ``tokens`` draws from a normal distribution with mean and covariance of the training images' own tokens entering
            the block, ``normal`` from N(0, 0.02^2), ``uniform`` from +- sqrt(6 / (3 patch^2 + D)) as VPT does.
        head: ``text``, ``probe`` (a linear probe of the features without prompts, then kept as it is), ``linear`` (trained with
            the prompts), or ``auto``: texts where the model has them and knows every word of the class names, else a probe.
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
    starts: ClassVar[tuple[Hashable, ...]] = (0, LEFT_OUT)
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "vpt-shallow": {**_published, "depth": 1},
        "vpt-deep": {**_published, "depth": "all"},
        "uva-a2": {
            "tokens": 4, "layer": 0, "init": "normal", "head": "text", "template": templates.PHOTO, "epochs": 1000,
            "lr": 40.0, "batch_size": 128, "optimiser": "sgd", "weight_decay": 0.0, "schedule": "cosine", "warmup": 1000,
        },
    }  # fmt: skip

    rates: ClassVar[tuple[float, ...]] = (0.3, 0.1)

    tokens: int = 8
    layer: int | Literal["auto"] = "auto"
    depth: int | Literal["all", "auto"] = "auto"
    shared: bool = False
    position: Literal["back", "front"] = "back"
    readout: Literal["class", "first"] = "class"
    init: Literal["tokens", "normal", "uniform"] = "tokens"
    head: Literal["auto", "text", "probe", "linear"] = "auto"
    template: str | Sequence[str] = templates.PHOTO
    _: KW_ONLY
    lr: float | Literal["auto"] = "auto"

    @classmethod
    def unfit(cls, backbone: Backbone, classes: Sequence[str] = ()) -> str:
        return "is no vision transformer" if transformer_or_none(backbone) is None else ""

    def __post_init__(self) -> None:
        super().__post_init__()
        backbone = self.backbone
        self.network = transformer_of(backbone)
        layers = len(self.network.blocks)
        layer, depth = self._start, self.depth
        if layer >= layers:
            raise InputError(f"expected a layer of 0 to {layers - 1} in {backbone.name}, found layer={layer}")
        if isinstance(depth, int) and depth > layers - layer:
            raise InputError(f"expected a depth of 1 to {layers - layer} from layer {layer} on, or all, found depth={depth!r}")
        if self.readout == "first" and self.network.reads is None:
            raise InputError(f"{backbone.name} reads the mean of its tokens, not one of them; choose readout=class")
        self.template = templates.kept(self.template)
        self.scores = heads.Head("linear" if self.head == "probe" else self.head, backbone, self.template)
        self.probe: tuple[Tensor, Tensor] | None = None
        """Weight [K, D] and bias [K] of a probe of unit features, where it is the head."""
        self.prompt = torch.zeros(0)
        self._plain: tuple[float, float] | None = None
        """Top-1 and cross-entropy on ``val`` without prompts."""

    def check_data(self, train: Split, val: Split | None) -> None:
        super().check_data(train, val)
        if self.tokens > SMALL:
            net, batch = self.network, min(self.batch_size, len(train))
            blocks = self.backbone.layers - self._start
            check_fits(
                "a number of tokens", self.tokens,
                lambda tokens: KEPT // 2 * blocks * batch * (net.tokens + tokens) * net.width * 4, device=self.backbone.device,
                of=f"for batches of {batch} on {self.backbone.name}",
            )  # fmt: skip

    @property
    def cut(self) -> str:
        return block(self._start)

    @property
    def cuts(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(block(settings.get("layer", self._start)) for settings in self.candidates()))

    def candidates(self) -> list[dict[str, Any]]:
        rates = super().candidates()
        if self.layer != "auto":
            return rates
        layers, depth = len(self.network.blocks), "all" if self.depth == "auto" else self.depth
        least = depth if isinstance(depth, int) else 1
        starts = dict.fromkeys(max(0, layers - max(blocks, least)) for blocks in LAST_BLOCKS)
        return [{"layer": start, "depth": depth, **rate} for start in starts for rate in rates]

    def cost(self, settings: Mapping[str, Any]) -> float:
        """Return how many blocks run; the last one, which computes one token's output, counts half."""
        return len(self.network.blocks) - int(settings.get("layer", self._start)) - 0.5

    @property
    def _start(self) -> int:
        """L; the first of those that are tried where it is open."""
        return self.candidates()[0]["layer"] if self.layer == "auto" else self.layer

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        other = copy.copy(self)
        memo[id(self)] = other
        other.__dict__ |= {name: copy.deepcopy(value, memo) for name, value in vars(self).items() if name != "network"}
        other.network = transformer_of(other.backbone)  # its functions hold the modules that they call
        return other

    @property
    def replaced(self) -> int:
        """In how many blocks the tokens are put in or replaced."""
        everywhere = self.depth == "all" or (self.depth == "auto" and self.layer == "auto")
        return len(self.network.blocks) - self._start if everywhere else 1 if self.depth == "auto" else int(self.depth)

    @property
    def present(self) -> int:
        """P, or 0 where the network was best without prompts."""
        return self.prompt.shape[1] if self.prompt.ndim == 3 else self.tokens

    def warm(self, x: Tensor) -> Tensor:
        return self._scored(self._features(x))

    def state(self) -> dict[str, Tensor]:
        kept = {} if self.probe is None else {"probe.weight": self.probe[0], "probe.bias": self.probe[1]}
        return {"prompt": self.prompt.detach(), **kept, **{name: value.detach() for name, value in self.scores.tensors.items()}}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        self.prompt = state["prompt"]
        self.probe = (state["probe.weight"], state["probe.bias"]) if "probe.weight" in state else None
        self.scores.prepare(self.classes, self.seed)
        self.scores.tensors = {} if self.probe else {name: state[name] for name in self.scores.tensors}

    def labels_alone(self, classes: Sequence[str]) -> str:
        return self.scores.labels_alone(self.name, "head", classes)

    def _for_names(self, classes: tuple[str, ...]) -> Self:
        other = copy.copy(self)
        other.classes, other.scores = classes, heads.Head("text", self.backbone, self.template)
        other.scores.prepare(classes, self.seed)
        return other

    def _drawn(self, sources: Sequence[Activations] = ()) -> Tensor:
        net, generator = self.network, torch.Generator().manual_seed(self.seed)
        shape = (1 if self.shared else self.replaced, self.tokens, net.width)  # [depth, P, D]
        if self.init == "tokens":
            return like_tokens(net, sources[0], self._start, shape[0], self.tokens, generator)
        if self.init == "normal":
            return torch.randn(shape, generator=generator) * 0.02
        bound = math.sqrt(6 / (3 * net.patch**2 + net.width))
        return torch.rand(shape, generator=generator) * 2 * bound - bound

    def begin(self, train_split: Split, cold: ColdPass) -> dict[str, Tensor]:
        self.scores.prepare(train_split.classes, self.seed)
        if self.head == "probe" or (self.head == "auto" and self.scores.now != "text"):
            self.probe, self.scores.tensors = probe_of(self.backbone, train_split, None, cold), {}
        self.prompt = self._drawn(self.stored(train_split, cold)).to(self.backbone.device)
        return {"prompt": self.prompt, **self.scores.tensors}

    def _scored(self, features: Tensor) -> Tensor:
        return self.scores(features) if self.probe is None else head(features, *self.probe, unit=True)

    def finish(self, learned: dict[str, Tensor]) -> None:
        self.prompt = learned["prompt"]
        self.scores.tensors = {name: learned[name] for name in self.scores.tensors}

    def stack_bytes(self, batch: int) -> int:
        blocks = len(self.network.blocks) - self._start
        return KEPT * blocks * batch * (self.network.tokens + self.tokens) * self.network.width * 4

    def beside(self, runs: Sequence[Self], parameters: Mapping[str, Tensor]) -> Beside:
        prompts = parameters["prompt"]  # [S, depth, P, D]

        def logits(x: Tensor) -> Tensor:
            every = self._features(x.repeat(len(prompts), 1, 1), prompts).view(len(prompts), len(x), -1)  # [S, B, D]
            if not self.scores.tensors:
                return self._scored(every)
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
        self.conclude(val, cold)

    def conclude(self, val: Split | None, cold: ColdPass) -> bool:
        validate = self.validation(val, cold)
        if not (self.probe or self.scores.now == "text") or validate is None or self.reached is None or self._short:
            return False
        reached, right = validate(), validate.right
        learned, self.prompt = self.prompt, self.prompt[:, :0].clone()  # without the storage of those
        plain = self._plain = validate()
        if self.beats(reached, right, plain, validate.right):
            self.prompt = learned
            return False
        self.reached = plain
        self.choices |= {"epoch": 0, "prompts": LEFT_OUT}
        return True

    def tried(self) -> dict[Hashable, tuple[float, float]]:
        return super().tried() | ({LEFT_OUT: self._plain} if self._plain is not None else {})

    def adopt(self, fits: Sequence[Self], best: Any) -> None:
        super().adopt(fits, 0 if best == LEFT_OUT else best)
        self.choices.pop("prompts", None)
        if best == LEFT_OUT:
            self.choices["prompts"] = LEFT_OUT

    def _refit(self, chosen: Self, both: Split, cold: ColdPass, run: Path | None, report: Report | None) -> None:
        if chosen.choices.get("prompts") != LEFT_OUT:
            super()._refit(chosen, both, cold, run, report)
            return
        self.begin(both, cold)
        self.prompt = torch.zeros(1, 0, self.network.width, device=self.backbone.device)

    def _training(self, sources: Sequence[Activations], keys: Sequence[Keys]) -> Logits:
        """Return the logits of training items; from ``keys`` where there are some."""

        def logits(items: Tensor, epoch: int) -> Tensor:
            if not keys:
                return self.warm(views.drawn(sources, items, epoch, self.seed))
            columns = zip(*(view.columns for view in keys), strict=True)
            row, q, k, v = (views.drawn(column, items, epoch, self.seed) for column in columns)
            return self._scored(self.network.end(self._last(row, q, k, v)))

        return logits

    def _keys(self, sources: Sequence[Activations]) -> list[Keys]:
        """Return what the last block needs of the training images where L is the last block and memory allows, else nothing."""
        net, last = self.network, self.network.blocks[-1]
        size = len(sources) * len(sources[0]) * 2 * net.tokens * net.width * 4
        if self._start < len(net.blocks) - 1 or net.reads is None or not isinstance(last, PreNormBlock) or size > _KEYS_BYTES:
            return []
        return [Keys(last, source) for source in sources]

    def _features(self, x: Tensor, prompts: Tensor | None = None) -> Tensor:
        """Return the features of tokens entering block ``layer`` [B, T, D].

        With several prompts [S, depth, P, D] the first B / S rows have the first of them, and so on.
        """
        net, P = self.network, self.present
        blocks = net.blocks[self._start :]
        last = len(blocks) - 1
        front = self._front
        for index, each in enumerate(blocks):
            if index < self.replaced:
                number = 0 if self.shared or not P else index
                if prompts is None:
                    p = self.prompt[number].to(x.dtype).expand(x.shape[0], -1, -1)  # [B, P, D]
                else:
                    p = prompts[:, number].to(x.dtype).repeat_interleave(x.shape[0] // len(prompts), 0)
                images = x if index == 0 else x[:, P:] if front else x[:, : x.shape[1] - P]
                x = torch.cat([p, images] if front else [images, p], dim=1)
            x = each(x, self._rows() if index == last else None)
        return net.end(x)

    def _rows(self) -> slice:
        """Return which tokens of the last block are read."""
        P = self.present
        if self.network.reads is None:
            return slice(P, None) if self._front else slice(0, -P or None)
        prompt = bool(P) and self.position == "front" and self.readout == "first"
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
