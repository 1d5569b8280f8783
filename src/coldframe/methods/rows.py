"""Features that are read again in each pass, for more images than fit into memory.

    x = Rows.of([activations], width)      # [N, D], nothing read yet
    for piece in x.pieces():               # float32 [n, D], one after the other
        ...

What a solver does with features in one piece it does with :class:`Rows` piece by piece: sums over images are exact in any
number of parts, up to the rounding of sums in another order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from coldframe.cold import Activations
from coldframe.machine.room import whole_bytes

SHARE = 1 / 16
"""Share of the machine's memory that float32 features may take before they are read again in each pass: a solver in memory
holds about eight times their size."""
_PIECE_BYTES = 1 << 21
"""Of the float32 features that are in memory at once."""


@dataclass(frozen=True)
class Rows:
    """Features [N, D] of the items of one or several lists of activations, one list behind the other.

    Args:
        parts: activations, N items in all.
        width: D, the numbers of one item.
        changes: what is done to each piece [n, D], in order.
    """

    parts: tuple[Activations, ...]
    width: int
    changes: tuple[Callable[[Tensor], Tensor], ...] = ()

    @classmethod
    def of(cls, parts: Sequence[Activations]) -> Rows:
        """Return the rows of activations of any shape, each laid out as one vector."""
        first = parts[0].gather(torch.arange(1))
        return cls(tuple(parts), first[0].numel())

    @property
    def shape(self) -> tuple[int, int]:
        """N and D."""
        return sum(map(len, self.parts)), self.width

    def __len__(self) -> int:
        return self.shape[0]

    def then(self, change: Callable[[Tensor], Tensor]) -> Rows:
        """Return rows to whose pieces one thing more is done."""
        return replace(self, changes=(*self.changes, change))

    def take(self, indices: Tensor) -> Tensor:
        """Return some rows [n, D], by indices [n] that rise."""
        starts = torch.tensor([0, *map(len, self.parts)]).cumsum(0)
        found = [
            part.gather(indices[(indices >= start) & (indices < start + len(part))] - start).float().flatten(1)
            for part, start in zip(self.parts, starts, strict=False)
            if bool(((indices >= start) & (indices < start + len(part))).any())
        ]
        x = torch.cat(found) if found else self.parts[0].gather(indices).float().reshape(0, self.width)
        for change in self.changes:
            x = change(x)
        return x

    def pieces(self) -> Iterator[Tensor]:
        """Yield all rows in order, as many at a time as :attr:`step` says."""
        for start in range(0, len(self), self.step):
            yield self.take(torch.arange(start, min(start + self.step, len(self))))

    def moments(self) -> tuple[Tensor, Tensor]:
        """Return the mean and the standard deviation of each number [D], found in two passes in float64."""
        mean, square = (torch.zeros(self.width, dtype=torch.float64, device=like(self).device) for _ in range(2))
        for piece in self.pieces():
            mean += piece.double().sum(0)
        mean /= len(self)
        for piece in self.pieces():
            square += (piece.double() - mean).square().sum(0)
        return mean.to(like(self)), (square / len(self)).sqrt().to(like(self))

    @property
    def step(self) -> int:
        """Rows of a piece."""
        return max(1, _PIECE_BYTES // (4 * self.width))


Features = Tensor | Rows
"""Features [N, D] in memory, or read in pieces."""


def read_again(parts: Sequence[Activations]) -> Rows | None:
    """Return the features of activations as rows that are read in each pass; None where they are small beside memory."""
    rows = Rows.of(parts) if any(map(len, parts)) else None
    return rows if rows is not None and len(rows) * rows.width * 4 > SHARE * whole_bytes() else None


def gathered(parts: Sequence[Activations]) -> Features:
    """Return the features of activations [N, D], in memory where they are small beside it, else as rows to be read again."""
    rows = read_again(parts)
    if rows is not None:
        return rows
    found = [part.gather(torch.arange(len(part))).float().flatten(1) for part in parts]
    return found[0] if len(found) == 1 else torch.cat(found)


def evenly(n: int, most: int) -> Tensor:
    """Return the indices of at most so many of n items, at equal distances, the first among them."""
    return torch.arange(n) if n <= most else (torch.arange(most, dtype=torch.float64) * (n / most)).long()


def most_rows(numbers: int) -> int:
    """Return how many rows of so many numbers each, in float64, take the share of memory that features may."""
    return max(1, int(SHARE * whole_bytes() / (8 * numbers)))


def said(x: Features) -> dict[str, str]:
    """Return what ``choices`` says of features that are read again in each pass; nothing of others."""
    if isinstance(x, Tensor):
        return {}
    n, width = x.shape
    return {"features": f"{n:,} x {width:,}, read from the store in each pass: more than a sixteenth of memory"}


def pieces(x: Features, rows: int) -> Iterator[Tensor]:
    """Yield features piece by piece, ``rows`` at a time where they are in memory."""
    yield from torch.split(x, rows) if isinstance(x, Tensor) else x.pieces()


def changed(x: Features, change: Callable[[Tensor], Tensor]) -> Features:
    """Return features to each row of which something is done."""
    return change(x) if isinstance(x, Tensor) else x.then(change)


def like(x: Features) -> Tensor:
    """Return a row whose type and device are those of the features."""
    return x if isinstance(x, Tensor) else x.take(torch.arange(1))
