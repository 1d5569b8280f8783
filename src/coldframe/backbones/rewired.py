"""A copy of a backbone's structure that shares its weights, in which chosen layers are called through a function of one's own.

This is the one hook that tuning the last blocks needs: what comes before the first block named is never touched, so that its
output may be stored, and the frozen layers stay where and what they are.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from coldframe.backbones.base import Backbone
from coldframe.backbones.chain import ChainBackbone
from coldframe.backbones.transformer import Call, PreNormBlock, transformer_of, transformer_or_none
from coldframe.errors import ModelError
from coldframe.types import block

PACKED = ("q", "k", "v")
KINDS: tuple[tuple[type[nn.Module], str], ...] = (
    (nn.Linear, "linear"), (nn.Conv2d, "conv"), (nn.LayerNorm, "layer-norm"), (_BatchNorm, "batch-norm"),
)  # fmt: skip


@dataclass(frozen=True)
class Layer:
    """One frozen layer, or a third of a packed one.

    Args:
        name: such as ``block11.q``.
        place: in a transformer's block ``q``, ``k``, ``v``, ``o``, ``fc1``, ``fc2``, ``mlp`` (the whole perceptron);
            elsewhere ``linear`` or ``conv``; anywhere ``layer-norm`` or ``batch-norm``.
        path: dotted name of the module; of ``q``, ``k`` and ``v`` that of the attention's packed weight.
        weight: [outputs, inputs, ...]; empty for a perceptron.
        bias: [outputs], or None.
        inputs: width of what goes in.
        outputs: width of what comes out.
        module: the frozen module; None for a part of a packed one.
        rows: of the packed weight; None for a whole layer.
    """

    name: str
    place: str
    path: str
    weight: Tensor
    bias: Tensor | None
    inputs: int
    outputs: int
    module: nn.Module | None = None
    rows: slice | None = None

    def __call__(self, x: Tensor) -> Tensor:
        """Return what the frozen layer gives."""
        if self.module is None:
            return functional.linear(x, self.weight, self.bias)
        y: Tensor = self.module(x)
        return y

    def run(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Return what the same layer gives with other weights, of any number of outputs."""
        if self.module is None or isinstance(self.module, nn.Linear):
            return functional.linear(x, weight, bias)
        other = copy.copy(self.module)
        other._parameters = {**self.module._parameters, "weight": weight, "bias": bias}  # type: ignore[dict-item]
        y: Tensor = other(x)
        return y


Change = Callable[[Tensor, Layer], Tensor]
"""(what goes into a layer, the frozen layer) -> what comes out in its place."""


def first_block(backbone: Backbone, last: int | str) -> str:
    """Return the cut before the last ``last`` blocks, or before all of them.

    Raises:
        ModelError: there are no blocks, or fewer.
    """
    if not isinstance(backbone, ChainBackbone) or not backbone.layers:
        found = f"found {backbone.name}, which cannot be cut into any"
        raise ModelError(f"expected a network of blocks to tune the last of, {found}; choose another method or model")
    if last == "all":
        return block(0)
    if int(last) > backbone.layers:
        raise ModelError(f"expected last to be 1 to {backbone.layers} blocks of {backbone.name}, or all, found {last}")
    return block(backbone.layers - int(last))


def layers_of(backbone: Backbone, cut: str) -> list[Layer]:
    """Return the layers between ``cut`` and the features that may be changed, in order, norms after the last block included."""
    assert isinstance(backbone, ChainBackbone)
    names = {id(module): name for name, module in backbone.module.named_modules()}
    view = transformer_or_none(backbone)
    apart = view is not None and all(isinstance(each, PreNormBlock) for each in view.blocks)
    found: list[Layer] = []
    for number in range(int(cut.removeprefix("block")), backbone.layers):
        links = backbone.links(block(number))
        within = [] if not apart else [links[0].owns[0]]
        for path in within:
            found += _transformer_layers(backbone.module.get_submodule(path), path, block(number))
        for thing in backbone.stage_modules(block(number)):
            if isinstance(thing, nn.Module):
                known = apart and names[id(thing)] in within
                found += _own_layers(thing, names[id(thing)], block(number), norms_only=apart, inside=known)
    return found


def _own_layers(module: nn.Module, path: str, cut: str, *, norms_only: bool, inside: bool) -> Iterator[Layer]:
    for name, part in module.named_modules():
        place = next((word for kind, word in KINDS if isinstance(part, kind)), "")
        weight: Any = getattr(part, "weight", None) if place else None
        if weight is None or (norms_only and place in ("linear", "conv")):
            continue
        full = f"{path}.{name}" if name else path
        called = f"{cut}.{name}" if inside and name else f"{cut}.{full}"
        bias: Any = part.bias
        inputs = weight.shape[1] * getattr(part, "groups", 1) if weight.ndim > 1 else len(weight)
        yield Layer(called, place, full, weight, bias, inputs, len(weight), part)


def _transformer_layers(module: Any, path: str, cut: str) -> Iterator[Layer]:
    name = "self_attention" if hasattr(module, "self_attention") else "attn"
    attention = getattr(module, name)
    packed = getattr(attention, "in_proj_weight", None) is not None
    weight = attention.in_proj_weight if packed else attention.qkv.weight
    bias = attention.in_proj_bias if packed else attention.qkv.bias
    inner = len(weight) // 3
    for number, place in enumerate(PACKED):
        rows = slice(number * inner, (number + 1) * inner)
        part = None if bias is None else bias[rows]
        where = f"{path}.{name}.in_proj" if packed else f"{path}.{name}.qkv"
        yield Layer(f"{cut}.{place}", place, where, weight[rows], part, weight.shape[1], inner, None, rows)
    out = "out_proj" if packed else "proj"
    yield _linear(f"{cut}.o", "o", f"{path}.{name}.{out}", getattr(attention, out))
    linear = [(part, found) for part, found in module.mlp.named_modules() if isinstance(found, nn.Linear)]
    for number, (part, found) in enumerate(linear):
        last = number == len(linear) - 1
        called = "fc2" if last else "fc1" if number == 0 else f"fc1.{number}"
        yield _linear(f"{cut}.{called}", "fc2" if last else "fc1", f"{path}.mlp.{part}", found)
    width = linear[-1][1].out_features
    yield Layer(f"{cut}.mlp", "mlp", f"{path}.mlp", weight.new_zeros(0), None, linear[0][1].in_features, width, module.mlp)


def _linear(name: str, place: str, path: str, module: nn.Linear) -> Layer:
    bias: Tensor | None = module.bias
    return Layer(name, place, path, module.weight, bias, module.in_features, module.out_features, module)


class _Changed(nn.Module):
    """A layer that is called through a function; whoever asks for its attributes is given the frozen layer's."""

    def __init__(self, layer: Layer, frozen: nn.Module, change: Change) -> None:
        super().__init__()
        self.frozen = frozen
        self._layer, self._change = replace(layer, module=frozen), change

    def forward(self, x: Tensor) -> Tensor:
        return self._change(x, self._layer)

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("frozen"), name)


@dataclass(frozen=True)
class _ChangedBlock(PreNormBlock):
    """A block whose queries, keys or values are changed; it is always taken apart.

    Args:
        changed: the functions of normalised tokens in place of the projections, by place.
    """

    changed: Mapping[str, Call]

    def __call__(self, x: Tensor, rows: slice | None = None) -> Tensor:
        y, every = self.norm1(x), slice(None) if rows is None else rows
        return self.attend(x[:, every], self.queries(y[:, every]), *self.keys_values(y))

    def _project(self, y: Tensor, first: int, last: int) -> tuple[Tensor, ...]:
        if not any(place in self.changed for place in PACKED[first:last]):
            return super()._project(y, first, last)
        B, T, _ = y.shape
        parts = []
        for number in range(first, last):
            own = self.changed.get(PACKED[number])
            part = super()._project(y, number, number + 1)[0] if own is None else None
            parts.append(own(y).view(B, T, self.heads, -1).transpose(1, 2) if own is not None else part)
        return tuple(part for part in parts if part is not None)


class Rewired:
    """A backbone from ``cut`` on, with some layers called through ``change``.

    Args:
        backbone: the frozen network.
        cut: a block's.
        layers: some of :func:`layers_of`.
        change: what they are called through.

    Raises:
        ModelError: the network calls one of these layers in a way that does not go through the function, or not once.
    """

    def __init__(self, backbone: Backbone, cut: str, layers: Sequence[Layer], change: Change) -> None:
        assert isinstance(backbone, ChainBackbone)
        self.cut, self._called = cut, list[str]()
        memo = {id(tensor): tensor for tensor in (*backbone.module.parameters(), *backbone.module.buffers())}
        self.network = copy.copy(backbone)
        self.network.__dict__.pop("digest", None)
        self.network.module = copy.deepcopy(backbone.module, memo)
        self._change, self._watched = change, False
        for layer in sorted(layers, key=lambda layer: -layer.path.count(".")):  # what lies inside another first
            if layer.place not in PACKED:
                parent, _, name = layer.path.rpartition(".")
                frozen = self.network.module.get_submodule(layer.path)
                setattr(self.network.module.get_submodule(parent), name, _Changed(layer, frozen, self._through))
        places = {layer.place for layer in layers}
        self._blocks: list[Call] = []
        if places & {*PACKED, "o", "fc1", "fc2", "mlp"} or transformer_or_none(backbone) is not None:
            self._apart(layers)
        self._check(backbone, layers)

    def _apart(self, layers: Sequence[Layer]) -> None:
        view = transformer_of(self.network)
        start = int(self.cut.removeprefix("block"))
        own = {layer.name: layer for layer in layers}
        if not all(isinstance(each, PreNormBlock) for each in view.blocks):
            return
        self._end, self._reads = view.end, view.reads
        for number, each in enumerate(view.blocks[start:], start):
            found = {place: own[f"{block(number)}.{place}"] for place in PACKED if f"{block(number)}.{place}" in own}
            changed = {place: _bound(self._through, layer) for place, layer in found.items()}
            self._blocks.append(_ChangedBlock(**vars(each), changed=changed))

    def __call__(self, x: Tensor) -> Tensor:
        """Map activations at ``cut`` to features [B, D]; of a last block that is taken apart only what is read."""
        if not self._blocks:
            return self.network.run(x, start=self.cut)
        *before, last = self._blocks
        for each in before:
            x = each(x)
        rows = None if self._reads is None else slice(0, self._reads)
        return self._end(last(x, rows))  # type: ignore[call-arg]

    def _through(self, x: Tensor, layer: Layer) -> Tensor:
        if self._watched:
            self._called.append(layer.name)
        return self._change(x, layer)

    @torch.no_grad()
    def _check(self, backbone: Backbone, layers: Sequence[Layer]) -> None:
        side = backbone.preprocess.size
        blank = torch.zeros(1, 3, side, side, device=backbone.device, dtype=backbone.dtype)
        self._watched = True
        self(backbone.run(blank, stop=self.cut))
        self._watched = False
        wrong = sorted(layer.name for layer in layers if self._called.count(layer.name) != 1)
        if wrong:
            found = f"found {wrong[0]} of {backbone.name} used in another way; choose fine-tune or another model"
            raise ModelError(f"expected layers that are each called once, {found}")


def _bound(change: Change, layer: Layer) -> Call:
    return lambda x: change(x, layer)


@torch.no_grad()
def write(network: Backbone, layer: Layer, weight: Tensor, bias: Tensor | None) -> None:
    """Write weights of a layer into a copy of its network; a bias that it has not is added."""
    if layer.place not in PACKED:
        module: Any = network.module.get_submodule(layer.path)
        module.weight.copy_(weight)
        if bias is not None and module.bias is None:
            module.bias = nn.Parameter(torch.zeros_like(bias), requires_grad=False)
        if bias is not None:
            module.bias.copy_(bias)
        return
    path, _, end = layer.path.rpartition(".")
    owner: Any = network.module.get_submodule(path if end == "in_proj" else layer.path)
    names = ("in_proj_weight", "in_proj_bias") if end == "in_proj" else ("weight", "bias")
    packed = getattr(owner, names[0])
    assert layer.rows is not None
    packed[layer.rows].copy_(weight)
    if bias is not None and getattr(owner, names[1]) is None:
        setattr(owner, names[1], nn.Parameter(packed.new_zeros(len(packed)), requires_grad=False))
    if bias is not None:
        getattr(owner, names[1])[layer.rows].copy_(bias)
