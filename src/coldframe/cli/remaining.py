"""How long the fits of a method will still take, from the epochs that are over."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

SHORT = 20.0
"""Seconds below which nothing is said."""


@dataclass
class Remaining:
    """Estimates what is left of a method's fits, one per seed.

    An epoch takes what the last ones took on average. What came before the first epoch (rates that were tried) comes again
    with each seed. Runs that stop early take less.

    Args:
        epochs: by method, of those that have them.
        seeds: fits of a method.
        clock: seconds.
    """

    epochs: Mapping[str, int] = field(default_factory=dict)
    seeds: int = 1
    clock: Callable[[], float] = time.monotonic
    _began: float = 0.0
    _first: float = 0.0
    _order: int = 0
    _method: str = ""

    def begin(self, method: str) -> None:
        """A fit begins."""
        self._order = self._order + 1 if method == self._method else 1
        self._began, self._first, self._method = self.clock(), 0.0, method

    def after(self, epoch: int) -> float | None:
        """Return about how many seconds the method's fits will still take once this epoch is over; None where it cannot say."""
        last, now = self.epochs.get(self._method), self.clock()
        if last is None or epoch > last:
            return None
        if not self._first or epoch < 2:
            self._first = now
            return None
        left = (now - self._first) / (epoch - 1) * (last - epoch)
        return left + max(self.seeds - self._order, 0) * (now - self._began + left)
