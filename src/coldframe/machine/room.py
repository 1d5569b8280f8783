"""Whether a request fits into memory, and what would: asked before work, since Linux ends a process that takes too much.

Estimates are lower bounds: what surely must be held at one moment. So nothing is refused that could run; a request between the
bound and what it really takes ends, as before, where the allocation is refused.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import torch

from coldframe.errors import InputError

_CGROUPS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
_USED = ("/sys/fs/cgroup/memory.current", "/sys/fs/cgroup/memory/memory.usage_in_bytes")


def free_bytes(device: torch.device | str = "cpu") -> int:
    """Return the bytes that new work may take: free memory of a GPU; of a CPU what the system and a container leave.

    Where the system does not say, it is 2^63, and nothing is refused.
    """
    if torch.device(device).type == "cuda":
        return int(torch.cuda.mem_get_info(torch.device(device))[0])
    found = [_available()]
    for limit, used in zip(_CGROUPS, _USED, strict=True):
        most, taken = _number(limit), _number(used)
        if most is not None and taken is not None:
            found.append(most - taken + _number_of(Path(limit).parent / "memory.stat", "inactive_file"))
    return max(0, min(found))


def whole_bytes() -> int:
    """Return the bytes of memory that the machine has, or a container may take; 2^63 where the system does not say."""
    limits = [most for limit in _CGROUPS if (most := _number(limit)) is not None]
    return min([1024 * int(_told().get("MemTotal", 2**53)), *limits])


def _available() -> int:
    told = _told()
    return 1024 * (int(told.get("MemAvailable", 2**53)) + int(told.get("SwapFree", 0)))


def _told() -> dict[str, str]:
    """Return what Linux says of its memory, in KiB by name; nothing elsewhere."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return {}
    return {line.partition(":")[0]: line.split()[1] for line in lines if len(line.split()) > 1}


def _number(path: str) -> int | None:
    try:
        text = Path(path).read_text(encoding="ascii").strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None


def _number_of(path: Path, name: str) -> int:
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(name + " ")), 0)


def check_fits(
    name: str, asked: int, needs: Callable[[int], float], *, device: torch.device | str = "cpu", least: int = 1, of: str = ""
) -> None:
    """Refuse a number whose memory is not there, and name the largest that would fit.

    Args:
        name: of the setting, such as ``"a batch"``.
        asked: its value.
        needs: value -> least bytes that must be held at one moment; it grows with the value.
        device: where.
        least: the smallest value that makes sense.
        of: what else the memory depends on, such as ``"with 4,096 channels"``.

    Raises:
        InputError: it does not fit.
    """
    room = free_bytes(device)
    if needs(asked) <= room:
        return
    fits, over = least - 1, asked
    while over - fits > 1:
        middle = (fits + over) // 2
        if needs(middle) <= room:
            fits = middle
        else:
            over = middle
    told = f" {of}" if of else ""
    remedy = f"{fits:,} would fit" if fits >= least else "no value of it fits; ask for less elsewhere, or take a larger machine"
    raise InputError(
        f"expected {name} that fits into memory{told}, found {asked:,}, which takes {_size(needs(asked))} or more of "
        f"{_size(room)} that are free; {remedy}"
    )


def check_batch(asked: int, images: int, side: int, kept: float = 0) -> None:
    """Refuse a batch whose decoded images do not fit: three batches of bytes are decoded ahead of the network.

    Args:
        asked: images in a batch.
        images: how many there are; a batch holds no more.
        side: S, their pixels on a side.
        kept: further bytes that each image of a batch takes.
    """
    each = 9 * side * side + kept
    check_fits("a batch", min(asked, images), lambda batch: batch * each, of=f"with images of {side} pixels")


def _size(count: float) -> str:
    if not math.isfinite(count):
        return "more bytes than can be counted"
    power = min(5, int(math.log10(max(count, 1)) / 3 + 1e-9))
    return f"{count / 1000**power:.3g} {('B', 'kB', 'MB', 'GB', 'TB', 'PB')[power]}"
