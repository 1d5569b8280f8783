"""How torch's threads wait for each other: short, so that a machine which also does something else is not slowed down.

torch's OpenMP (GNU's libgomp on Linux) lets a thread that has finished its share look again and again whether the others have,
and by default does so for many milliseconds. Beside one busy process on two cores the thread waited for is often the one that
is not running, because a waiting one holds its core: lite0's forward takes many times as long as on one thread
(``bench/busy.py``, bench/RESULTS.md). A few hundred looks keep most of the gain of a quiet machine; then the thread sleeps.
"""

from __future__ import annotations

import os
import sys
import warnings

SPINS = 500
"""Looks before a thread sleeps. Of 0, 500, 2,000, 6,000 and 20,000 it was measured best beside a busy process."""
_NAMES = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")


def wait_quietly() -> bool:
    """Let torch's threads sleep soon while they wait; return whether the setting can take effect.

    It is read once, when torch is imported, and so must be called before that; it stands for the process and for those that it
    starts. The command line calls it. A user's own ``GOMP_SPINCOUNT`` or ``OMP_WAIT_POLICY`` is left as it is. Results do not
    change.

    Returns:
        False where torch was imported before, with a ``RuntimeWarning`` that says so; nothing is changed then.

    Example:
        >>> from coldframe.machine.waiting import wait_quietly
        >>> wait_quietly()  # before torch is imported  # doctest: +SKIP
        True
    """
    if any(name in os.environ for name in _NAMES):
        return True
    if "torch" in sys.modules:
        message = (
            "expected wait_quietly() before torch is imported, found torch imported: its threads wait as before; "
            f"call it first, or start Python with GOMP_SPINCOUNT={SPINS}"
        )
        warnings.warn(message, RuntimeWarning, stacklevel=2)
        return False
    os.environ["GOMP_SPINCOUNT"] = str(SPINS)
    return True
