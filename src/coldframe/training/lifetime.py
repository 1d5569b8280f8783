"""Whether a training will ever end: told by the speed of its first seconds."""

from __future__ import annotations

import time

from coldframe.errors import InputError

LONGEST = 10 * 365.25 * 86_400
"""Seconds of the longest training that is begun: ten years."""
LOOK = 10.0
"""Seconds after which the speed is known well enough."""


class Lifetime:
    """Watches the first seconds of a training.

    Args:
        steps: of the whole training, from where it starts now.
        epochs: of the whole training.
    """

    def __init__(self, steps: int, epochs: int) -> None:
        self._steps, self._epochs = steps, epochs
        self._started, self._looked = time.monotonic(), False

    def check(self, done: int) -> None:
        """Refuse to go on, once, after ten seconds, where the rest would take longer than ten years.

        Args:
            done: steps so far.

        Raises:
            InputError: the sentence says how many epochs end in a day.
        """
        if self._looked:
            return
        taken = time.monotonic() - self._started
        if taken < LOOK or done < 2:
            return
        self._looked = True
        total = taken / done * self._steps
        if total > LONGEST:
            day = int(86_400 / total * self._epochs)
            remedy = f"{day:,} epochs take a day" if day else "not one epoch ends in a day: take fewer or smaller images"
            raise InputError(
                f"expected a training that ends within ten years, found {self._epochs:,} epochs, which take "
                f"{total / LONGEST * 10:,.0f} years at the speed of the first seconds; {remedy}"
            )
