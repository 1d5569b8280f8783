"""Find out, without knowing a network's family, which of its modules run strictly one after the other.

A forward pass on the ``meta`` device (shapes without numbers) is watched: a chain of modules may be cut apart exactly
where the tensor that one returns is the very tensor, unchanged, that the next one receives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from coldframe.backbones.chain import Link

_CONTAINERS = (nn.Sequential, nn.ModuleList)


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
    """The calls of one forward pass on the ``meta`` device.

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
        handles = [
            module.register_forward_hook(self._watch(name), with_kwargs=True) for module, name in names.items() if name
        ]
        entries = [module.register_forward_pre_hook(self._enter(name), with_kwargs=True) for module, name in names.items() if name]
        state = {
            name: torch.empty_like(tensor, device="meta")
            for group in (network.named_parameters(), network.named_buffers())
            for name, tensor in group
        }
        self._entered: dict[str, int] = {}
        self.images = torch.empty(tuple(shape), device="meta")
        try:
            with torch.no_grad():
                self.output: Tensor = torch.func.functional_call(_Calling(network, forward), {f"network.{k}": v for k, v in state.items()}, self.images)
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
        """Return the names of the modules directly inside one, in the order of their calls; containers that are not called are opened."""
        inside: list[str] = []
        for child, module in self.network.get_submodule(name).named_children():
            full = f"{name}.{child}" if name else child
            if full in self.calls:
                inside.append(full)
            elif isinstance(module, _CONTAINERS):
                inside.extend(self.children(full))
        return sorted(inside, key=self.order.index)

    def chain(self, name: str, start: Tensor, end: Tensor | None) -> list[Call] | None:
        """Return the calls inside a module that lead from ``start`` to ``end`` tensor by tensor; None where they do not.

        With ``end`` None the longest chain from ``start`` is returned.
        """
        here, version, found = start, None, list[Call]()
        for child in self.children(name):
            call = self.once(child)
            if call is None or call.given is not here or (version is not None and call.given_version != version):
                break
            found.append(call)
            here, version = call.returned, call.returned_version
        if end is None:
            return found or None
        return found if found and here is end and end._version == version else None

    def open(self, calls: Sequence[Call], *, first: bool = True) -> list[Call]:
        """Open containers and stages into what they call, as far as the chain holds; the first module down to its first convolution."""
        opened: list[Call] = []
        for index, call in enumerate(calls):
            peel = first and index == 0 and not isinstance(call.module, nn.Conv2d)
            inner = self.chain(call.name, call.given, call.returned) if peel or _is_stage(call.module) else None
            if inner is None or (peel and not _is_stage(call.module) and not isinstance(inner[0].module, (nn.Conv2d, *_CONTAINERS))):
                opened.append(call)
            else:
                opened.extend(self.open(inner, first=peel))
        return opened

    def blocks(self, calls: Sequence[Call]) -> tuple[list[Call], list[list[Call]]]:
        """Group a chain: the bare first convolution (or nothing), and blocks that each begin with a module that has a matrix.

        Norms, activations and pooling join the block before them. No block begins with a tensor that is later written over.
        """
        embed = [calls[0]] if isinstance(calls[0].module, nn.Conv2d) and len(calls) > 1 and _untouched(calls[0]) else []
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
    inside = any(isinstance(child, _CONTAINERS) and len(child) > 1 for child in (getattr(module, "blocks", None), getattr(module, "layers", None)))
    return inside or type(module).__name__.endswith("Stage")


def _untouched(call: Call) -> bool:
    return call.returned._version == call.returned_version


def links(calls: Sequence[Call]) -> list[Link]:
    """Return the links of a chain of calls."""
    return [Link((call.name,), kwargs=call.kwargs) for call in calls]
