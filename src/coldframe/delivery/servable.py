"""An adapted network as one module from pixels to probabilities, and the graph of it that a file holds."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from coldframe.backbones.base import Backbone
from coldframe.errors import InputError, ModelError
from coldframe.methods.base import Method

Input = Literal["uint8", "float"]
"""What goes in: ``uint8`` pixels 0 .. 255 [B, S, S, 3], as decoders give them, or ``float`` in [0, 1] [B, 3, S, S]."""


class Servable(nn.Module):
    """probabilities [B, K] = softmax(method((pixels - mean) / std) / T): normalisation, network and head in one.

    Where images have several labels, it is the sigmoid of the logits; see :meth:`coldframe.methods.base.Method.probabilities`.

    Whatever does not depend on the image (class texts, prompts, neighbours, the temperature) is a constant of it.

    Args:
        method: a fitted method.
        takes: see :data:`Input`.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, method: Method, takes: Input = "uint8") -> None:
        super().__init__()
        if takes not in get_args(Input):
            raise InputError(f"expected an input of uint8 or float, found {takes!r}")
        self.method, self.takes = method, takes
        self.parts = nn.ModuleList(modules_of(method))
        preprocess, device = method.backbone.preprocess, method.backbone.device
        self.register_buffer("mean", torch.tensor(preprocess.mean, device=device).view(3, 1, 1))
        self.register_buffer("std", torch.tensor(preprocess.std, device=device).view(3, 1, 1))
        self.eval().requires_grad_(False)

    def forward(self, pixels: Tensor) -> Tensor:
        """Map pixels, uint8 [B, S, S, 3] or floats [B, 3, S, S], to probabilities [B, K]."""
        x = pixels.permute(0, 3, 1, 2).float().div(255) if self.takes == "uint8" else pixels
        x = ((x - self.mean) / self.std).to(self.method.backbone.dtype)
        return self.method.probabilities(self.method(x).float())

    def example(self, batch: int = 2) -> Tensor:
        """Return pixels of noise of the right shape and type."""
        side, generator = self.method.backbone.preprocess.size, torch.Generator().manual_seed(0)
        noise = torch.randint(0, 256, (batch, side, side, 3), dtype=torch.uint8, generator=generator)
        return given(noise.permute(0, 3, 1, 2), self.takes).to(self.method.backbone.device)

    def graph(self) -> torch.export.ExportedProgram:
        """Return the graph with a dynamic batch, without what it does not use (a text tower, weights that were replaced).

        Raises:
            ModelError: torch cannot follow the network for any number of images.
        """
        shapes = {"pixels": {0: torch.export.Dim("batch")}}
        with torch.no_grad(), quiet(), constant_scale(self.method.backbone):
            try:
                whole = torch.export.export(self, (self.example(),), dynamic_shapes=shapes, strict=False)
                slim = whole.module(check_guards=False)
                assert isinstance(slim, torch.fx.GraphModule)
                _drop_unused(slim)
                return torch.export.export(slim, (self.example(),), dynamic_shapes=shapes, strict=False)
            except Exception as error:  # torch raises its own errors, KeyError, TypeError ... from deep inside
                raise ModelError(self.cannot("torch.export", error)) from error

    def script(self) -> torch.jit.ScriptModule:
        """Return the network as TorchScript, traced. Raises :class:`ModelError` where torch cannot."""
        with torch.no_grad(), quiet(), constant_scale(self.method.backbone):
            try:
                traced: torch.jit.ScriptModule = torch.jit.trace(self, (self.example(),), check_trace=False)  # type: ignore[no-untyped-call]
                frozen: torch.jit.ScriptModule = torch.jit.freeze(traced, optimize_numerics=False)
                return frozen
            except Exception as error:
                raise ModelError(self.cannot("TorchScript", error)) from error

    def cannot(self, what: str, error: Exception) -> str:
        """Return the sentence for a format that cannot follow this network."""
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        who = f"{self.method.name} on {self.method.backbone.name}"
        return f"{what} cannot follow {who} ({reason}); choose another format with --to"


def given(images: Tensor, takes: Input) -> Tensor:
    """Return images, uint8 [B, 3, S, S], as a served network takes them."""
    return images.permute(0, 2, 3, 1).contiguous() if takes == "uint8" else images.float().div(255)


def reachable(method: Method) -> Iterator[Any]:
    """Yield every backbone and module that a method holds, in itself or in objects of its own, each once."""
    seen: set[int] = set()

    def walk(thing: Any) -> Iterator[Any]:
        if id(thing) in seen or isinstance(thing, (str, bytes, int, float, Tensor, type)) or thing is None:
            return
        seen.add(id(thing))
        if isinstance(thing, (Backbone, nn.Module)):
            yield thing
            return
        if isinstance(thing, dict):
            inside = list(thing.values())
        elif isinstance(thing, (list, tuple, set)):
            inside = list(thing)
        else:
            inside = list(getattr(thing, "__dict__", {}).values()) if type(thing).__module__.startswith("coldframe") else []
        for one in inside:
            yield from walk(one)

    for value in vars(method).values():
        yield from walk(value)


def modules_of(method: Method) -> list[nn.Module]:
    """Return the networks and layers that a method holds, each once."""
    found = {id(module): module for thing in reachable(method) for module in [getattr(thing, "module", thing)]}
    return list(found.values())


def in_half(method: Method) -> Method:
    """Return a copy whose networks compute in fp16; what it learned beside them stays in fp32."""
    other = copy.deepcopy(method)
    for thing in list(reachable(other)):
        if isinstance(thing, Backbone):
            thing.to(dtype=torch.float16)
    return other


@contextmanager
def constant_scale(backbone: Backbone) -> Iterator[None]:
    """Let ``logit_scale`` be a number inside the block: a graph cannot hold one that is read from a tensor."""
    own = type(backbone)
    constants = {"logit_scale": backbone.logit_scale, "logit_bias": backbone.logit_bias}
    backbone.__class__ = type(own.__name__, (own,), constants)
    try:
        yield
    finally:
        backbone.__class__ = own


@contextmanager
def quiet() -> Iterator[None]:
    """Keep back what torch says of its own formats: they are deprecated, a trace is a trace."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _drop_unused(module: torch.fx.GraphModule) -> None:
    module.graph.eliminate_dead_code()
    for node in module.graph.nodes:
        node.meta.pop("stack_trace", None)  # it holds paths of this machine
    used = {str(node.target) for node in module.graph.nodes if node.op == "get_attr"}
    for name, _ in [*module.named_parameters(remove_duplicate=False), *module.named_buffers(remove_duplicate=False)]:
        if name not in used:
            owner, _, last = name.rpartition(".")
            delattr(module.get_submodule(owner), last)
    module.delete_all_unused_submodules()
    module.recompile()
