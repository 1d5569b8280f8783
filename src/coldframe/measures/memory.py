"""Peak memory of a piece of work: the allocator's own count on a GPU, the process's resident set on a CPU.

On Linux the kernel's high-water mark is reset through ``/proc/self/clear_refs`` and read as ``VmHWM``, which misses
nothing between two looks. Where that is forbidden a thread looks at the resident set every 2 ms. Elsewhere
``getrusage`` gives a mark that cannot be reset, so that only growth beyond all earlier work is seen. Free memory that
the C library still holds is handed back first, so that work in recycled pages is counted too.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import torch

MB = 1e6
Way = Literal["allocator", "high-water mark", "sampled", "getrusage", "none"]


def _status(field: str) -> int:
    """Return a line of /proc/self/status in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise OSError(f"no {field} in /proc/self/status")


def _reset_mark() -> bool:
    """Set the kernel's high-water mark to the present resident set; False where that is not possible."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
        return _status("VmHWM") <= _status("VmRSS") + 4 * 2**20
    except (OSError, IndexError, ValueError):
        return False


def _rusage_mark() -> int:
    import resource

    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest if sys.platform == "darwin" else largest * 1024


def _trim() -> None:
    """Hand unused memory of Python and of the C library back to the system."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


class PeakMemory:
    """Measure the work inside a ``with`` block; the numbers are there after it. Blocks may not be nested.

    Args:
        device: where the work happens; the CPU measures the whole process.

    Attributes:
        growth_mb: peak above what was held on entry, in MB (1e6 bytes); None where the platform tells nothing.
        held_mb: what is still held on leaving, above entry, in MB; None where the platform tells nothing.
        total_mb: the peak itself, model and data included, in MB.
        way: how it was measured.

    Example:
        >>> with PeakMemory("cpu") as memory:
        ...     kept = torch.ones(10_000_000)
        >>> memory.growth_mb is None or memory.growth_mb > 30
        True
    """

    _open = threading.Lock()

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)
        self.way: Way = "none"
        self.growth_mb: float | None = None
        self.held_mb: float | None = None
        self.total_mb: float | None = None
        self._before = 0
        self._highest = 0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        if not self._open.acquire(blocking=False):
            raise RuntimeError("PeakMemory blocks share one mark and may not be nested; measure one after the other")
        _trim()
        if self.device.type == "cuda":
            self.way = "allocator"
            torch.cuda.synchronize(self.device)
            torch.cuda.reset_peak_memory_stats(self.device)
            self._before = torch.cuda.memory_allocated(self.device)
        elif sys.platform == "linux":
            self.way = "high-water mark" if _reset_mark() else "sampled"
            self._before = self._highest = _status("VmRSS")
            if self.way == "sampled":
                self._thread = threading.Thread(target=self._sample, daemon=True)
                self._thread.start()
        elif sys.platform == "darwin":
            self.way = "getrusage"
            self._before = _rusage_mark()
        return self

    def _sample(self) -> None:
        while not self._stop.wait(0.002):
            self._highest = max(self._highest, _status("VmRSS"))

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        held: int | None = None
        try:
            if self.way == "allocator":
                torch.cuda.synchronize(self.device)
                peak = torch.cuda.max_memory_allocated(self.device)
                held = torch.cuda.memory_allocated(self.device)
            elif self.way in ("high-water mark", "sampled"):
                peak = _status("VmHWM") if self.way == "high-water mark" else 0
                if self._thread is not None:
                    self._stop.set()
                    self._thread.join()
                _trim()  # what is free and kept by the C library is not held
                held = _status("VmRSS")
                peak = max(peak, self._highest, held)
            elif self.way == "getrusage":
                peak = _rusage_mark()
            else:
                return
            self.total_mb = peak / MB
            self.growth_mb = max(0, peak - self._before) / MB
            self.held_mb = None if held is None else max(0, held - self._before) / MB
        finally:
            self._open.release()


def peak_memory(call: Callable[[], object], device: torch.device | str = "cpu") -> float | None:
    """Return the peak of ``call()`` above what was held before it, in MB (1e6 bytes).

    Args:
        call: the work.
        device: where it happens.

    Returns:
        MB, or None on a platform that does not tell.
    """
    with PeakMemory(device) as memory:
        result = call()
        del result
    return memory.growth_mb
