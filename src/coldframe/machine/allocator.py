"""Keep freed memory: on Linux, handing large blocks back to the kernel and faulting them in again costs more than the network.

glibc gives every block above a threshold pages of its own and returns them when it is freed, so each activation of each
layer is faulted in page by page, and zeroed, at every step. With these settings blocks are taken from a heap that the process
keeps. Results do not change; the process stays at the size of its peak. ``bench/allocator.py`` measures what it gains.
"""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4
"""Names of glibc's ``mallopt``, from its header malloc.h."""
_KEPT_BYTES = 2**31 - 1
_STEP_BYTES = 64 * 2**20


def keep_freed_memory() -> bool:
    """Tell the C library to keep freed memory for the whole process; return whether it took the settings.

    The command line calls this before it works. A Python program may call it once, at its start; the library never does
    by itself, because it concerns the whole process.

    Returns:
        False where the C library is not glibc; nothing is changed there.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    settings = ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, _KEPT_BYTES), (_TOP_PAD, _STEP_BYTES))
    return all(mallopt(name, value) == 1 for name, value in settings)
