"""Memory held by one forward pass while only its output is kept: what recording gradients costs.

With gradients on, the output keeps alive every activation that the backward pass will read. On a CPU these are counted
exactly: each tensor saved for backward, its storage once however many tensors share it, parameters and buffers left out,
and the output itself. Beside the count stands the growth of the process's resident set. On a GPU the allocator's
statistics are the measure.

Memory grows linearly with the batch, so two small batches predict a large one before it runs.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from coldframe.errors import InputError
from coldframe.measures.memory import MB, PeakMemory

MIB = 2**20
MARGIN = 1.1
"""Factor on a predicted peak: resident memory is known in pages, and small batches round differently from large ones."""


@dataclass(frozen=True)
class ForwardMemory:
    """What one forward pass held, above what was held before it; in MiB (2^20 bytes).

    Args:
        batch: images.
        held: with only the output kept: saved tensors and output, or the GPU allocator's count.
        resident: growth of the resident set with only the output kept; None on a GPU or where the system does not tell.
        peak: highest growth during the pass, of the resident set or of the allocator; None where nothing tells.
        way: how ``held`` was measured.
    """

    batch: int
    held: float
    resident: float | None
    peak: float | None
    way: Literal["saved tensors", "allocator"]


class _Kept:
    """A tensor saved for backward; alive as long as the graph wants it."""

    __slots__ = ("__weakref__", "tensor")

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor


def forward_memory(
    forward: Callable[[Tensor], Tensor],
    make_input: Callable[[int], Tensor],
    batch: int,
    *,
    model: nn.Module,
    gradients: bool,
) -> ForwardMemory:
    """Run ``forward(make_input(batch))`` once, let go of the input, and measure what its output keeps alive.

    The input counts where the graph keeps it: the first convolution needs it for the gradient of its weights.

    Args:
        forward: images [B, 3, S, S] -> output, one tensor.
        make_input: batch size -> images, on the device of the model.
        batch: B.
        model: the network behind ``forward``; its own parameters and buffers are not counted.
        gradients: whether gradients are recorded; only parameters that require them lead to saved activations.

    Example:
        >>> net = nn.Sequential(nn.Linear(256, 256), nn.ReLU())
        >>> net(torch.ones(1, 256)).requires_grad
        True
        >>> found = forward_memory(net, lambda b: torch.ones(b, 256), 1024, model=net, gradients=True)
        >>> round(found.held, 2)  # input and output of the ReLU share nothing: [1024, 256] twice
        2.0
    """
    living: list[weakref.ref[_Kept]] = []

    def pack(tensor: Tensor) -> _Kept:
        kept = _Kept(tensor.detach())
        living.append(weakref.ref(kept))
        return kept

    device = next(model.parameters()).device
    with PeakMemory(device) as seen:
        x = make_input(batch)
        with torch.set_grad_enabled(gradients), saved_tensors_hooks(pack, lambda kept: kept.tensor):
            output = forward(x)
        del x
    saved = [kept.tensor for ref in living if (kept := ref()) is not None]
    own = {tensor.untyped_storage().data_ptr() for tensor in (*model.parameters(), *model.buffers())}
    storages = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in (*saved, output)}
    held = sum(size for place, size in storages.items() if place not in own) / MIB
    growth, peak = _mib(seen.held_mb), _mib(seen.growth_mb)
    if seen.way == "allocator" and growth is not None:
        return ForwardMemory(batch, growth, None, peak, "allocator")
    return ForwardMemory(batch, held, growth, peak, "saved tensors")


def _mib(megabytes: float | None) -> float | None:
    return None if megabytes is None else megabytes * MB / MIB


def predicted(small: ForwardMemory, larger: ForwardMemory, batch: int) -> tuple[float, float]:
    """Return what a batch will hold, and the highest it may reach on the way, in MiB, from two smaller batches.

    held(B) is the line through both. To it comes what the larger needed on the way and let go again, in proportion to the
    batch; the sum is raised by :data:`MARGIN`.

    Args:
        small: measured at the smallest batch.
        larger: measured at a larger batch; the same one where there is no other, for a line through zero.
        batch: B, the batch that has not run yet.
    """
    step = larger.batch - small.batch
    slope = (larger.held - small.held) / step if step else larger.held / larger.batch
    held = larger.held + slope * (batch - larger.batch)
    passing = 0.0 if larger.peak is None else max(0.0, larger.peak - larger.held)
    return held, MARGIN * (held + passing / larger.batch * batch)


@dataclass(frozen=True)
class Fitted:
    """A forward pass at the largest batch that fits.

    Args:
        asked: the batch that was wanted.
        measured: at the batch that ran.
        small: the first trial.
        larger: the second trial, from which with the first larger batches are predicted.
    """

    asked: int
    measured: ForwardMemory
    small: ForwardMemory
    larger: ForwardMemory

    @property
    def expected(self) -> float:
        """What the batch asked for holds, as predicted, in MiB."""
        return predicted(self.small, self.larger, self.asked)[0]

    def fitting(self, batch: int, limit: float | None) -> int:
        """Return ``batch``, halved until its predicted peak is at most ``limit`` MiB."""
        while limit is not None and batch > 1 and predicted(self.small, self.larger, batch)[1] > limit:
            batch //= 2
        return batch


def fitted_memory(
    forward: Callable[[Tensor], Tensor],
    make_input: Callable[[int], Tensor],
    batch: int,
    *,
    model: nn.Module,
    gradients: bool,
    limit: float | None,
) -> Fitted:
    """Measure :func:`forward_memory` at ``batch`` where a prediction says that it fits, else at the half, the quarter, ...

    One image and four go first; four only where one says that they fit.

    Args:
        batch: B asked for.
        limit: MiB that the pass may take on top of what is held already; None asks for no prediction.

    The other arguments are those of :func:`forward_memory`.
    """
    if batch < 1:
        raise InputError(f"expected a batch of 1 or more, found {batch}")

    def measure(size: int) -> ForwardMemory:
        return forward_memory(forward, make_input, size, model=model, gradients=gradients)

    with torch.no_grad():
        forward(make_input(1))  # the first pass of a network also takes what it keeps for ever
    gc.collect()
    gc.freeze()  # each measurement collects garbage twice; what is old has been looked through just now
    try:
        return _largest(measure, batch, limit)
    finally:
        gc.unfreeze()


def _largest(measure: Callable[[int], ForwardMemory], batch: int, limit: float | None) -> Fitted:
    trial = Fitted(batch, small := measure(1), small, small)
    second = trial.fitting(min(4, batch), limit)
    trial = Fitted(batch, small, small, measure(second)) if second > 1 else trial
    size = trial.fitting(batch, limit)
    while size > trial.larger.batch:
        try:
            return Fitted(batch, measure(size), small, trial.larger)
        except (MemoryError, RuntimeError) as error:
            if not _out_of_memory(error):
                raise
        size //= 2
    return Fitted(batch, trial.larger if size >= trial.larger.batch else small, small, trial.larger)


def _out_of_memory(error: Exception) -> bool:
    words = str(error).lower()
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "allocate memory" in words or "out of memory" in words
