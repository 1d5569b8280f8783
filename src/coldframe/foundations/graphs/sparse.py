"""Sums over neighbours without a buffer of edges by features.

A mean over neighbours written with gather and scatter writes one row of features for every edge: at 10 million edges and
64 features that is 2.6 GB forward, and as much again backward. Compressed rows need none of it: for each target the
sources lie together, so one pass reads each neighbour's row and adds it in registers. The backward pass is the same sum
along the arcs turned round, and needs the arcs sorted by source: the transpose is made once and kept.

The pass itself is torch's ``embedding_bag``: on the processor it is multi-threaded, prefetches the rows that come next (which
is what random reads need), takes 32-bit indices, and was measured faster than the CSR product of MKL (docs/results/graphs.md).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from coldframe.machine.spreading import spread

CHUNK = 1 << 18
"""Arcs whose features are looked at together where a gradient needs both ends: 64 MB at 64 features."""
BLOCK = 1 << 11
"""Nodes whose sums are used at once: 512 KB at 64 features in float32, about a core's own cache."""
PARTS = 32
"""Runs of blocks that threads take one after the other: enough that a thread which is not running delays little."""


@dataclass(frozen=True, eq=False)
class Rows:
    """A sparse matrix of R rows and C columns as compressed rows; its values are given at each use.

    Args:
        pointers: row r owns the entries ``pointers[r]`` to ``pointers[r + 1]`` [R + 1].
        columns: the column of each entry [M], entries sorted by row.
        entry_rows: the row of each entry, int64 [M].
        n_columns: C.
    """

    pointers: Tensor
    columns: Tensor
    entry_rows: Tensor
    n_columns: int

    @classmethod
    def of(cls, rows: Tensor, columns: Tensor, n_rows: int, n_columns: int) -> Rows:
        """Compress entries that are sorted by row; indices become 32-bit where they fit, which halves their traffic."""
        kind = torch.int32 if max(len(rows), n_rows, n_columns) < 2**31 else torch.int64
        pointers = torch.zeros(n_rows + 1, dtype=torch.int64, device=rows.device)
        pointers[1:] = torch.bincount(rows, minlength=n_rows).cumsum(0)
        return cls(pointers.to(kind), columns.to(kind), rows, n_columns)

    @cached_property
    def transpose(self) -> tuple[Rows, Tensor]:
        """The transpose, and the place in this matrix of each of its entries [M]."""
        order = self.columns.argsort(stable=True)
        n_rows = len(self.pointers) - 1
        return Rows.of(self.columns[order].long(), self.entry_rows[order], self.n_columns, n_rows), order

    def turned(self, values: Tensor) -> Tensor:
        """Return the values in the transpose's order [M]; those of the last call are kept, as weights rarely change."""
        kept = self._kept.get("values")
        if kept is None or kept[0] is not values or kept[1] != values._version:
            kept = self._kept["values"] = (values, values._version, values[self.transpose[1]])
        return kept[2]

    @cached_property
    def _kept(self) -> dict[str, tuple[Tensor, int, Tensor]]:
        return {}


def weighted_sum(rows: Rows, values: Tensor, features: Tensor) -> Tensor:
    """Return S H with S the sparse matrix: out_r = sum over the entries e of row r of values_e H_column(e).

    Both ``values`` and ``features`` may require gradients; rows without entries give 0.

    Args:
        rows: where the entries stand, R x C.
        values: one number an entry [M].
        features: H [C, D], of the same dtype.

    Returns:
        [R, D]
    """
    result: Tensor = _WeightedSum.apply(rows, values, features)
    return result


def _bags(rows: Rows, values: Tensor, features: Tensor) -> Tensor:
    return F.embedding_bag(
        rows.columns, features.contiguous(), rows.pointers, mode="sum", include_last_offset=True, per_sample_weights=values
    )


class _WeightedSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Rows, values: Tensor, features: Tensor) -> Tensor:
        ctx.rows = rows
        # Without a gradient for the values the features are not needed again, and are not kept alive.
        ctx.save_for_backward(values, features if values.requires_grad else None)
        return _bags(rows, values, features)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[None, Tensor | None, Tensor | None]:
        rows, (values, features) = ctx.rows, ctx.saved_tensors
        grad = grads[0].contiguous()  # [R, D]
        to_values = to_features = None
        if ctx.needs_input_grad[2]:
            turned, order = rows.transpose
            # Values that are learned are other ones at every step.
            to_features = _bags(turned, values[order] if ctx.needs_input_grad[1] else rows.turned(values), grad)  # [C, D]
        if ctx.needs_input_grad[1]:
            filled = to_values = torch.empty_like(values)

            def fill(start: int) -> None:
                span = slice(start, start + CHUNK)
                filled[span] = (grad[rows.entry_rows[span]] * features[rows.columns[span]]).sum(dim=1)

            spread(fill, range(0, len(values), CHUNK))
        return None, to_values, to_features


def sum_and_self(rows: Rows, values: Tensor, features: Tensor, W: Tensor, B: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return S H W^T + H B^T + b, a block of nodes at a time, forward and backward.

    Each full pass over [N, D] costs memory traffic as a neighbour does, and more where a graph no longer fits in the
    processor's cache. A block's sums stay in the cache until the products have used them, so the passes that remain are the
    reads of neighbours, one read of H and one write of the result. The values take no gradient here.

    Args:
        rows: where the entries of S stand, N x N.
        values: the entries of S [M].
        features: H [N, D].
        W: of the neighbours [E, D], E <= D.
        B: of the node itself [E, D].
        bias: b [E].

    Returns:
        [N, E]
    """
    result: Tensor = _SumAndSelf.apply(rows, values, features, W, B, bias)
    return result


class _SumAndSelf(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, rows: Rows, values: Tensor, features: Tensor, W: Tensor, B: Tensor, bias: Tensor | None
    ) -> Tensor:
        ctx.rows = rows
        ctx.save_for_backward(values, features, W, B)
        # Neighbours are read at the narrower width: projected first where that is narrower.
        narrow = W.shape[0] < W.shape[1]
        read = features @ W.T if narrow else features.contiguous()
        result = features.new_empty(features.shape[0], W.shape[0])

        def fill(part: slice) -> None:
            for span, gathered in _blocks(rows, values, read, part):
                block = result[span]
                if narrow:
                    torch.addmm(gathered, features[span], B.T, out=block)
                else:
                    torch.mm(features[span], B.T, out=block).addmm_(gathered, W.T)
                if bias is not None:
                    block += bias

        spread(fill, _parts(features))
        return result

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        values, features, W, B = ctx.saved_tensors
        grad = grads[0].contiguous()  # [N, E]
        to_features = torch.empty_like(features) if ctx.needs_input_grad[2] else None
        turned, turned_values = ctx.rows.transpose[0], ctx.rows.turned(values)

        def sums(part: slice) -> tuple[Tensor, Tensor, Tensor]:
            to_W, to_B, to_bias = torch.zeros_like(W), torch.zeros_like(B), grad.new_zeros(len(W))
            for span, back in _blocks(turned, turned_values, grad, part):  # S^T grad
                if to_features is not None:
                    torch.mm(back, W, out=to_features[span]).addmm_(grad[span], B)
                to_W.addmm_(back.T, features[span])
                to_B.addmm_(grad[span].T, features[span])
                to_bias += grad[span].sum(dim=0)
            return to_W, to_B, to_bias

        # Each part has sums of its own, added in the parts' order: the same bits whichever thread was first.
        to_W, to_B, to_bias = (functools.reduce(torch.add, one) for one in zip(*spread(sums, _parts(grad)), strict=True))
        return None, None, to_features, to_W, to_B, to_bias if ctx.needs_input_grad[5] else None


def _parts(nodes: Tensor) -> list[slice]:
    """Cut N nodes into at most ``PARTS`` runs of whole blocks; on a GPU there is one."""
    n = len(nodes)
    size = BLOCK * max(1, math.ceil(n / BLOCK / PARTS)) if nodes.device.type == "cpu" else n
    return [slice(start, min(start + size, n)) for start in range(0, n, max(1, size))] or [slice(0, 0)]


def _blocks(rows: Rows, values: Tensor, features: Tensor, part: slice) -> Iterator[tuple[slice, Tensor]]:
    """Yield each block of a part of the rows, and its part of S H [rows of the block, D]."""
    size = BLOCK if features.device.type == "cpu" else max(1, part.stop)
    for start in range(part.start, part.stop, size):
        span = slice(start, min(start + size, part.stop))
        pointers = rows.pointers[start : span.stop + 1]
        first, last = int(pointers[0]), int(pointers[-1])
        block = Rows(pointers - first, rows.columns[first:last], rows.entry_rows[first:last], rows.n_columns)
        yield span, _bags(block, values[first:last], features)


@dataclass(frozen=True, eq=False)
class SparseFeatures:
    """Features H [N, D] that are mostly 0, such as the words of a document: only the others are stored.

    Args:
        rows: where they stand, N x D.
        values: what they are [M].
    """

    rows: Rows
    values: Tensor

    @classmethod
    def of(cls, features: Tensor) -> SparseFeatures:
        """Keep what is not 0 of a dense H [N, D]."""
        places = features.nonzero()
        return cls(Rows.of(places[:, 0], places[:, 1], *features.shape), features[places[:, 0], places[:, 1]])

    @property
    def shape(self) -> tuple[int, int]:
        """(N, D)."""
        return len(self.rows.pointers) - 1, self.rows.n_columns

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the values."""
        return self.values.dtype

    def dense(self) -> Tensor:
        """Return H [N, D]."""
        matrix = self.values.new_zeros(self.shape)
        matrix[self.rows.entry_rows, self.rows.columns.long()] = self.values
        return matrix


Features = Tensor | SparseFeatures
"""One row of features per node, dense or sparse [N, D]."""


def project(features: Features, matrix: Tensor) -> Tensor:
    """Return H W^T for a matrix W [E, D] as layers hold it: [N, E]."""
    if isinstance(features, SparseFeatures):
        return weighted_sum(features.rows, features.values, matrix.T)
    return features @ matrix.T
