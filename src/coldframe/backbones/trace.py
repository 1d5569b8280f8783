"""Find out, without knowing a network's family, which of its modules run strictly one after the other.

A forward pass of blank images, or on the ``meta`` device (shapes without numbers), is watched: a chain of modules may be cut
apart exactly where the tensor that one returns is the very tensor, unchanged, that the next one receives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from coldframe.backbones.chain import Link, Stages, stages_of

_CONTAINERS = (nn.Sequential, nn.ModuleList)
_RUN = 50_000_000
"""Parameters and buffers up to which two blank images are simply run: under a second."""


@dataclass
class Call:
    """What one module was given and what it returned."""

    name: str
    module: nn.Module
    given: Tensor
    given_version: int
    returned: Tensor
    returned_version: int
    kwargs: dict[str, Any]


class Trace:
    """The calls of one forward pass: of blank images on the CPU, or on the ``meta`` device where the network is large.

    Args:
        network: a network in evaluation mode.
        shape: shape of the images [B, 3, S, S].
        forward: the function to watch; it gets the network and the images.

    After the pass ``images`` and ``output`` are its first and last tensors, and ``calls`` every call that a chain can hold.
    """

    def __init__(self, network: nn.Module, shape: Sequence[int], forward: Callable[[nn.Module, Tensor], Tensor]) -> None:
        self.network = network
        self.calls: dict[str, list[Call | None]] = {}
        self.order: list[str] = []
        names = {module: name for name, module in network.named_modules()}
        inside = [(module, name) for module, name in names.items() if name]
        handles = [module.register_forward_hook(self._watch(name), with_kwargs=True) for module, name in inside]
        entries = [module.register_forward_pre_hook(self._enter(name), with_kwargs=True) for module, name in inside]
        held = [*network.named_parameters(), *network.named_buffers()]
        # A convolution on meta imports torch's compiler, which takes longer than to run a network of usual size.
        small = sum(tensor.numel() for _, tensor in held) <= _RUN and all(tensor.device.type == "cpu" for _, tensor in held)
        device = "cpu" if small else "meta"
        state = {f"network.{name}": tensor if small else torch.empty_like(tensor, device="meta") for name, tensor in held}
        self._entered: dict[str, int] = {}
        self.images = torch.zeros(tuple(shape), device=device, dtype=next(network.parameters()).dtype)
        try:
            with torch.no_grad():
                self.output: Tensor = torch.func.functional_call(_Calling(network, forward), state, self.images)
        finally:
            for handle in (*handles, *entries):
                handle.remove()

    def _enter(self, name: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            self.order.append(name)
            if args and isinstance(args[0], Tensor):
                self._entered[name] = args[0]._version

        return hook

    def _watch(self, name: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
            plain = all(value is None or isinstance(value, (bool, str)) for value in kwargs.values())
            fit = len(args) == 1 and isinstance(args[0], Tensor) and isinstance(output, Tensor) and plain
            call = Call(name, module, args[0], self._entered[name], output, output._version, dict(kwargs)) if fit else None
            self.calls.setdefault(name, []).append(call)

        return hook

    def once(self, name: str) -> Call | None:
        """Return the call of a module that was called once, with one tensor, and returned one."""
        calls = self.calls.get(name, [])
        return calls[0] if len(calls) == 1 else None

    def children(self, name: str) -> list[str]:
        """Return the names of the modules directly inside one, in the order of their calls.

        Containers that are not called themselves, such as lists of blocks, are opened.
        """
        inside: list[str] = []
        for child, module in self.network.get_submodule(name).named_children():
            full = f"{name}.{child}" if name else child
            if full in self.calls:
                inside.append(full)
            elif isinstance(module, _CONTAINERS):
                inside.extend(self.children(full))
        return sorted(inside, key=self.order.index)

    def whole(self) -> list[Call] | None:
        """Return the calls that lead from the images to the output tensor by tensor; None where they do not."""
        found = self.chain("", self.images)
        last = found[-1] if found else None
        return found if last and last.returned is self.output and last.returned_version == self.output._version else None

    def inside(self, call: Call) -> list[Call] | None:
        """Return the calls that lead from what a module was given to what it returned; None where they do not."""
        found = self.chain(call.name, call.given)
        last = found[-1] if found else None
        return found if last and last.returned is call.returned and last.returned_version == call.returned_version else None

    def chain(self, name: str, start: Tensor) -> list[Call]:
        """Return the longest chain of calls directly inside a module that begins with ``start``."""
        here, version, found = start, None, list[Call]()
        for child in self.children(name):
            call = self.once(child)
            if call is None or call.given is not here or (version is not None and call.given_version != version):
                break
            found.append(call)
            here, version = call.returned, call.returned_version
        return found

    def open(self, calls: Sequence[Call], *, first: bool = True) -> list[Call]:
        """Open containers and stages into what they call, as far as the chain holds.

        With ``first`` the first module is opened whatever it is, down to a bare convolution if it begins with one.
        """
        opened: list[Call] = []
        for index, call in enumerate(calls):
            stem = first and index == 0 and not isinstance(call.module, nn.Conv2d)
            inner = self.inside(call) if stem or _is_stage(call.module) else None
            if inner and (_is_stage(call.module) or isinstance(inner[0].module, (nn.Conv2d, *_CONTAINERS))):
                opened.extend(self.open(inner, first=stem))
            else:
                opened.append(call)
        return opened

    def blocks(self, calls: Sequence[Call]) -> tuple[list[Call], list[list[Call]]]:
        """Group a chain: the bare first convolution (or nothing), and blocks that each begin with a module that has a matrix.

        Norms, activations and pooling join the block before them. No block begins with a tensor that is later written over.
        """
        embed = [calls[0]] if isinstance(calls[0].module, nn.Conv2d) and len(calls) > 1 else []
        if embed and not _untouched(calls[0]):
            follower: Any = calls[1].module
            if getattr(follower, "inplace", False) is not True or list(follower.children()):
                embed = []
            else:  # this activation would write over a stored first convolution
                follower.inplace = False
        groups: list[list[Call]] = []
        last: Call | None = None
        for call in calls[len(embed) :]:
            begins = any(parameter.dim() > 1 for parameter in call.module.parameters()) and (last is None or _untouched(last))
            if not groups or begins:
                groups.append([call])
            else:
                groups[-1].append(call)
            last = call
        return embed, groups


class _Calling(nn.Module):
    def __init__(self, network: nn.Module, function: Callable[[nn.Module, Tensor], Tensor]) -> None:
        super().__init__()
        self.network = network
        self.function = function

    def forward(self, images: Tensor) -> Tensor:
        return self.function(self.network, images)


def _is_stage(module: nn.Module) -> bool:
    if type(module) in _CONTAINERS:
        return True
    inside = (getattr(module, name, None) for name in ("blocks", "layers"))
    return type(module).__name__.endswith("Stage") or any(isinstance(m, _CONTAINERS) and len(m) > 1 for m in inside)


def _untouched(call: Call) -> bool:
    return call.returned._version == call.returned_version


def links(calls: Sequence[Call], prefix: str = "") -> list[Link]:
    """Return the links of a chain of calls; ``prefix`` goes before their names."""
    return [Link((prefix + call.name,), kwargs=call.kwargs) for call in calls]


def stages(trace: Trace, chain: Sequence[Call], prefix: str = "") -> Stages:
    """Return the named stages of a chain that was traced, opened as far as it goes."""
    first, groups = trace.blocks(trace.open(chain))
    if not first:
        return stages_of(links(groups[0], prefix), [links(group, prefix) for group in groups[1:]])
    begins = any(parameter.dim() > 1 for call in groups[0] for parameter in call.module.parameters())
    stem, rest = ([], groups) if begins else (groups[0], groups[1:])
    return stages_of(links(stem, prefix), [links(group, prefix) for group in rest], links(first, prefix))
