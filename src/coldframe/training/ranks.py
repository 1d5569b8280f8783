"""One training spread over the processes of ``torchrun``: what each computes, and what only the first does.

    with joined("cpu"):          # in every process
        train(parameters, loss, n, recipe, run=run)

Each process takes its part of every batch. The gradient of the whole batch is the mean of the parts' gradients, weighted by
their sizes, which :class:`torch.nn.parallel.DistributedDataParallel` sums. So weights are those of one process up to the
rounding of sums in another order.
"""

from __future__ import annotations

import datetime
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

Value = TypeVar("Value")
Loss = Callable[[Tensor, int], Tensor]


@dataclass(frozen=True)
class Ranks:
    """Which of how many processes this one is: ``rank`` of ``size``.

    ``sharded`` is the device on which each keeps its share of the weights; empty where each has them whole.
    """

    rank: int = 0
    size: int = 1
    sharded: str = ""

    @property
    def first(self) -> bool:
        """Whether this process writes and prints."""
        return self.rank == 0

    def part(self, items: Tensor) -> tuple[Tensor, float]:
        """Return this process's items of a batch [b], and the factor of their mean loss in the mean over processes.

        Parts are as equal as can be. A process for which no item is left takes the first one, with a factor of 0.
        """
        n = len(items)
        mine = items[self.rank * n // self.size : (self.rank + 1) * n // self.size]
        return (mine, len(mine) * self.size / n) if len(mine) else (items[:1], 0.0)

    def mean(self, value: Tensor) -> float:
        """Return the mean over processes of a number that each computed, on all of them."""
        if self.size == 1:
            return float(value.detach())
        whole = value.detach().to(torch.float64).reshape(1) if value.device.type == "cpu" else value.detach().reshape(1).clone()
        torch.distributed.all_reduce(whole)
        return float(whole) / self.size

    def from_first(self, compute: Callable[[], Value]) -> Value:
        """Return on every process what the first one computes; the others wait."""
        if self.size == 1:
            return compute()
        found: list[Any] = [compute() if self.first else None]
        torch.distributed.broadcast_object_list(found)
        value: Value = found[0]
        return value

    def measured(self, compute: Callable[[], Value]) -> Value:
        """Return on every process what the first one measures of a network; all compute where none has all weights."""
        if not self.sharded:
            return self.from_first(compute)
        found = compute()
        return self.from_first(lambda: found)

    def agree(self, due: bool) -> bool:
        """Return whether something is due; what the first process finds where weights are shared out and all must act."""
        return self.from_first(lambda: due) if self.sharded else due

    def wait(self) -> None:
        """Wait until all processes are here."""
        if self.size > 1:
            torch.distributed.barrier()

    def spread(self, parameters: Mapping[str, Tensor], loss: Loss) -> Loss:
        """Return a loss of this process's part of a batch whose gradients, once computed, are those of the whole batch."""
        if self.size == 1:
            return loss

        def weighted(items: Tensor, epoch: int) -> Tensor:
            mine, factor = self.part(items)
            return loss(mine, epoch) * factor

        if self.sharded:
            return weighted
        # Parameters without a gradient are looked for in each step because the buckets of sums, and with them every bit, are
        # then the same in a run that goes on as in one that was not stopped.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            both = nn.parallel.DistributedDataParallel(_Step(parameters, weighted), find_unused_parameters=True)
        found: Loss = both
        return found


class _Step(nn.Module):
    """A loss as a module that owns what it trains."""

    def __init__(self, parameters: Mapping[str, Tensor], loss: Loss) -> None:
        super().__init__()
        self.learned = nn.ParameterList([value for value in parameters.values() if value.requires_grad])
        self.loss = loss

    def forward(self, items: Tensor, epoch: int) -> Tensor:
        return self.loss(items, epoch)


def launched() -> Ranks:
    """Return what torchrun says of this process; the only one where it says nothing."""
    return Ranks(int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1)))


def here() -> Ranks:
    """Return which of the processes that have joined this one is; the only one where none have."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return Ranks()
    return Ranks(torch.distributed.get_rank(), torch.distributed.get_world_size(), _sharded[-1])


_sharded = [""]
"""Where the processes that have joined keep their shares of the weights; the last one counts."""


@contextmanager
def joined(device: str, *, sharded: bool = False) -> Iterator[Ranks]:
    """Join the processes of torchrun, by gloo on CPUs and by nccl on GPUs; leave them at the end. Alone, nothing happens.

    Args:
        device: where this process computes.
        sharded: whether a training keeps a share of the weights in each process, see :mod:`coldframe.training.sharded`.
    """
    if launched().size == 1:
        yield Ranks()
        return
    gpu = device.startswith("cuda")
    if gpu:
        torch.cuda.set_device(device)
    backend = "cpu:gloo,cuda:nccl" if gpu and sharded else "nccl" if gpu else "gloo"
    # The others wait while the first one runs the cold pass and validates.
    torch.distributed.init_process_group(backend, timeout=datetime.timedelta(days=7))
    _sharded.append(device if sharded else "")
    try:
        yield here()
    finally:
        _sharded.pop()
        torch.distributed.destroy_process_group()
