"""Fold every batch normalisation into the convolution or linear layer before it, exactly.

In evaluation batch normalisation is an affine map with constants: y = g (x - m) / sqrt(v + eps) + beta. After x = W h + b it is
one layer,

    W' = s W        b' = s (b - m) + beta        s = g / sqrt(v + eps), one number an output channel.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, fx, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.nn.utils import parametrize

from coldframe.errors import ModelError

_TRIED = 1e-4
"""Largest relative difference on random input at which a fold counts as exact, in float32."""


@dataclass(frozen=True)
class Pair:
    """A layer whose output goes into one batch normalisation and nowhere else; names as in ``named_modules``."""

    layer: str
    norm: str


class _Tracer(fx.Tracer):
    """Follows the calls between modules, layers and normalisations kept whole whichever library they are from."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, _ConvNd | nn.Linear | _BatchNorm) or super().is_leaf_module(m, module_qualified_name)


def find_pairs(module: nn.Module) -> list[Pair]:
    """Return every pair that can be folded exactly, in the order in which they run.

    A pair is left as it is where the layer's output is also used elsewhere, where either is called twice or its numbers are
    read beside its call, where the normalisation has no running averages, or where the layer's weight is computed from other
    parameters (weight or spectral normalisation, and subclasses that change it in their forward pass). Each pair is tried on
    random input before it counts.

    Raises:
        ModelError: torch.fx cannot follow the module's forward pass.
    """
    modules = dict(module.named_modules())
    before = set(vars(module))
    try:
        graph = _Tracer().trace(module)
    except Exception as error:  # any line of a foreign forward pass may fail on a symbolic value
        reason = str(error).partition("\n")[0]
        raise ModelError(
            f"expected a module whose calls torch.fx can follow, found one that stops it ({reason}); fold its parts one by one"
        ) from error
    finally:
        # The tracer leaves tensors that it met on the module.
        for name in set(vars(module)) - before:
            delattr(module, name)
    calls: dict[str, int] = {}
    for node in graph.nodes:
        if node.op == "call_module":
            calls[node.target] = calls.get(node.target, 0) + 1
    read = {id(_attribute(module, str(node.target))) for node in graph.nodes if node.op == "get_attr"}
    pairs = []
    for node in graph.nodes:
        if node.op != "call_module" or not isinstance(modules[node.target], _BatchNorm) or not node.args:
            continue
        source = _through_identities(node.args[0], modules)
        if source is None or calls[source.target] > 1 or calls[node.target] > 1:
            continue
        layer, norm = modules[source.target], cast(_BatchNorm, modules[node.target])
        own = [*layer.parameters(), *layer.buffers(), *norm.parameters(), *norm.buffers()]
        if not any(id(tensor) in read for tensor in own) and _foldable(layer, norm):
            pairs.append(Pair(source.target, node.target))
    return pairs


def _attribute(module: nn.Module, name: str) -> Any:
    owner, _, last = name.rpartition(".")
    return getattr(module.get_submodule(owner), last, None)


def _through_identities(node: Any, modules: dict[str, nn.Module]) -> Any:
    """Return the call of a layer that reaches the normalisation and nothing else, or None."""
    while isinstance(node, fx.Node) and node.op == "call_module" and len(node.users) == 1:
        if isinstance(modules[str(node.target)], _ConvNd | nn.Linear):
            return node
        if type(modules[str(node.target)]) is not nn.Identity or not node.args:
            return None
        node = node.args[0]
    return None


def _foldable(layer: nn.Module, norm: _BatchNorm) -> bool:
    if norm.running_mean is None or norm.running_var is None or parametrize.is_parametrized(layer):
        return False
    if layer._forward_hooks or layer._forward_pre_hooks or norm._forward_hooks or norm._forward_pre_hooks:
        return False
    channels = layer.out_channels if isinstance(layer, _ConvNd) else cast(nn.Linear, layer).out_features
    return channels == norm.num_features and _agrees(layer, norm)


def _agrees(layer: nn.Module, norm: _BatchNorm) -> bool:
    """Try a fold on random input: a scaled weight and a moved bias must give what the normalisation gives."""
    weight = cast(Tensor, layer.weight)
    copied = copy.deepcopy(layer).eval()
    shape = [1, weight.shape[1]]
    if isinstance(layer, _ConvNd):
        sides = [4 * k * d for k, d in zip(layer.kernel_size, layer.dilation, strict=True)]
        shape = [1, layer.in_channels, *sides]
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(weight)
    with torch.no_grad():
        h = copied(x)
        expected = nn.functional.batch_norm(
            h, norm.running_mean, norm.running_var, norm.weight, norm.bias, training=False, eps=norm.eps
        )
        _fold(copied, norm)
        difference = (copied(x) - expected).abs().max()
    return bool(difference <= _TRIED * (1 + expected.abs().max()))


def _fold(layer: nn.Module, norm: _BatchNorm) -> None:
    """Give ``layer`` the weight and bias that do both, computed in float64."""
    tensors = cast(tuple[Tensor, ...], (layer.weight, norm.running_mean, norm.running_var))
    weight, mean, var = (t.detach().double() for t in tensors)
    scale = (var + norm.eps).rsqrt()  # [C]
    if norm.weight is not None:
        scale = scale * norm.weight.detach().double()
    bias = -mean if layer.bias is None else cast(Tensor, layer.bias).detach().double() - mean
    bias = bias * scale
    if norm.bias is not None:
        bias = bias + norm.bias.detach().double()
    if isinstance(layer, _ConvNd) and layer.transposed:
        # [C_in, C / G, ...]: the output channels of group g belong to its share of the inputs.
        grouped = weight.reshape(layer.groups, -1, *weight.shape[1:])  # [G, C_in / G, C / G, ...]
        shape = [layer.groups, 1, weight.shape[1]] + [1] * (weight.ndim - 2)
        scaled = (grouped * scale.reshape(shape)).flatten(0, 1)
    else:
        scaled = weight * scale.reshape([-1] + [1] * (weight.ndim - 1))
    old = cast(nn.Parameter, layer.weight)
    layer.weight = nn.Parameter(scaled.to(old), requires_grad=old.requires_grad)
    layer.bias = nn.Parameter(bias.to(old), requires_grad=old.requires_grad)


class Rows(nn.Module):
    """Hands on what a layer gave, [B, C] or [B, C, L], and refuses other shapes.

    One-dimensional batch normalisation takes the second axis as its channels, whatever the layer before means by it: a
    linear layer on [B, T, D] has D channels and is normalised over T. Where the two numbers are equal that is no error, and
    a fold would be another function.

    Args:
        axes: number of axes where the two agree.
    """

    def __init__(self, axes: int) -> None:
        super().__init__()
        self.axes = axes

    def forward(self, x: Tensor) -> Tensor:
        """Return x. Raises :class:`ModelError` unless it has ``axes`` axes."""
        if x.dim() != self.axes:
            raise ModelError(
                f"expected {self.axes} axes where a one-dimensional batch normalisation was folded, found {list(x.shape)}, "
                "which it normalises along another axis than the layer's channels; use the network as it was before folding"
            )
        return x

    def extra_repr(self) -> str:
        """Return the number of axes, for the printed network."""
        return f"axes={self.axes}"


def fold_batch_norm(module: nn.Module, example: Tensor | None = None) -> nn.Module:
    """Return a copy of ``module`` in evaluation mode, without batch normalisations behind convolutions and linear layers.

    Its outputs are those of ``module.eval()`` up to rounding. A normalisation that carries its activation with it (timm's
    ``BatchNormAct2d``) leaves the activation in its place. The copy is for inference: its running averages are gone. What is
    not part of a pair stays; :func:`find_pairs` names the pairs. A linear layer must be fed [B, D] and a one-dimensional
    convolution [B, C, L], where the normalised axis is the layer's own: :class:`Rows` stands there and refuses others.

    Args:
        module: any module that torch.fx can follow: torchvision's and timm's convolutional networks, ``nn.Sequential``, ...
        example: an input; where the folded module disagrees on it, the pairs at fault are left out.

    Raises:
        ModelError: torch.fx cannot follow the module's forward pass.

    Example:
        >>> fold_batch_norm(nn.Sequential(nn.Linear(3, 2, bias=False), nn.BatchNorm1d(2)))
        Sequential(
          (0): Linear(in_features=3, out_features=2, bias=True)
          (1): Rows(axes=2)
        )
    """
    plain = copy.deepcopy(module).eval()
    pairs = find_pairs(plain)
    folded = _folded(plain, pairs)
    if example is None or _same(plain, folded, example):
        return folded
    kept: list[Pair] = []
    for pair in pairs:
        if _same(plain, _folded(plain, [*kept, pair]), example):
            kept.append(pair)
    return _folded(plain, kept)


def _folded(module: nn.Module, pairs: list[Pair]) -> nn.Module:
    folded = copy.deepcopy(module)
    modules = dict(folded.named_modules())
    for pair in pairs:
        layer, norm = modules[pair.layer], cast(_BatchNorm, modules[pair.norm])
        axes = {nn.Linear: 2, nn.Conv1d: 3, nn.ConvTranspose1d: 3}
        guard = next((Rows(count) for kind, count in axes.items() if isinstance(layer, kind)), None)
        _fold(layer, norm)
        _replace(folded, norm, _remainder(norm, guard))
    return folded


@torch.no_grad()
def _same(module: nn.Module, folded: nn.Module, example: Tensor) -> bool:
    """Whether two modules give the same on an input, and on another of its shape."""
    other = torch.randn(example.shape, generator=torch.Generator().manual_seed(0)).to(example)
    for x in (example, other):
        expected = module(x)
        try:
            found = folded(x)
        except ModelError:
            return False
        if found.shape != expected.shape or (found - expected).abs().max() > _TRIED * (1 + expected.abs().max()):
            return False
    return True


def _remainder(norm: _BatchNorm, guard: nn.Module | None) -> nn.Module:
    """Return what a normalisation does beside normalising: timm's carry a dropout and an activation."""
    parts = [part for part in (guard, getattr(norm, "drop", None), getattr(norm, "act", None)) if isinstance(part, nn.Module)]
    parts = [part for part in parts if not isinstance(part, nn.Identity)]
    if not parts:
        return nn.Identity()
    return parts[0] if len(parts) == 1 else nn.Sequential(*parts)


def _replace(root: nn.Module, old: nn.Module, new: nn.Module) -> None:
    """Put ``new`` wherever ``old`` stands; a module may have several names."""
    for parent in list(root.modules()):
        for name, child in list(parent.named_children()):
            if child is old:
                setattr(parent, name, new)
