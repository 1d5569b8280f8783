"""Weights that no process holds whole: FSDP2 of PyTorch, for networks that do not fit into the memory of one GPU.

    network = Sharded([net, head], parts=[*net.blocks], ignored=[])   # in every process that has joined
    logits = network(lambda x: head(net(x)), x)                       # parts are gathered while they run

Each process keeps an equal share of every weight, of its gradient and of what the optimiser keeps beside it. What is called
inside :class:`Sharded` finds the weights of the part that runs whole, and they go again after it. So the largest part, and one
share of everything, must fit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

Value = TypeVar("Value")
LEAST = 1 << 12
"""Numbers of a part that is gathered alone; smaller ones are gathered together."""


class Sharded(nn.Module):
    """Modules whose weights are spread over all processes.

    Args:
        modules: what is trained, and what is frozen beside it.
        parts: modules inside them, each gathered alone while it is called; the rest is gathered for the whole call.
        ignored: weights that every process keeps whole.
        device: where the shares lie, such as ``"cuda:0"``.
    """

    def __init__(
        self, modules: Sequence[nn.Module], parts: Sequence[nn.Module], ignored: Iterable[nn.Parameter], device: str
    ) -> None:
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard

        super().__init__()
        self.inside = nn.ModuleList(modules)
        # A number alone has no part that could be another process's.
        kept = {id(value): value for value in ignored} | {id(value): value for value in self.parameters() if not value.ndim}
        mesh = init_device_mesh(torch.device(device).type, (torch.distributed.get_world_size(),))
        for module in (*parts, self):
            # Always: else the rest stays gathered after a validation, and a checkpoint that is then read has no effect on it.
            fully_shard(module, mesh=mesh, reshard_after_forward=True, ignored_params=set(kept.values()))
        for value in [*(value for value in kept.values() if not value.ndim), *self.buffers()]:
            value.data = value.data.to(device)

    def forward(self, call: Callable[..., Value], *words: Any) -> Value:
        """Return what ``call`` returns of the words, with the weights gathered."""
        return call(*words)


def called(module: nn.Module, parts: Iterable[nn.Module], run: Callable[[], object]) -> list[nn.Module]:
    """Return those large parts that ``run`` calls as modules: only these can be gathered when they are called."""
    seen: dict[int, nn.Module] = {}

    def note(part: nn.Module, words: object) -> None:
        seen[id(part)] = part

    large = [part for part in parts if sum(value.numel() for value in part.parameters()) >= LEAST]
    hooks = [part.register_forward_pre_hook(note) for part in large]
    try:
        run()
    finally:
        for hook in hooks:
            hook.remove()
    return [part for part in module.modules() if id(part) in seen]


def whole(value: Tensor) -> Tensor:
    """Return a tensor whole, on the CPU where it was shared out; every process must ask."""
    full = getattr(value, "full_tensor", None)
    return value if full is None else full().cpu()


def share(full: Tensor, like: Tensor) -> Tensor:
    """Return a whole tensor laid out like another one, shared out where that is; every process must ask."""
    placed: Any = like
    if not hasattr(like, "full_tensor") or full.shape != like.shape:
        return full
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(full.to(placed.device), placed.device_mesh, placed.placements)
