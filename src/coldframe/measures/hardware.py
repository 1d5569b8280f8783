"""What a measurement was made on."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch


def cpu_name() -> str:
    """Return the processor's name as the system tells it."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def cores() -> int:
    """Return the number of processor cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def available_memory(device: torch.device | str = "cpu") -> int | None:
    """Return how many bytes could still be taken without another process losing any; None where the system does not tell.

    On Linux the kernel's own estimate (``MemAvailable``), less where a control group allows less; on a GPU what is free or
    kept unused by the allocator of this process.
    """
    where = torch.device(device)
    if where.type == "cuda":
        unused = torch.cuda.memory_reserved(where) - torch.cuda.memory_allocated(where)
        return int(torch.cuda.mem_get_info(where)[0]) + unused
    limits = [_meminfo("MemAvailable"), _left_in_group()]
    return min((limit for limit in limits if limit is not None), default=None)


def _meminfo(field: str) -> int | None:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return None


def _left_in_group(folder: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Return what the control group of a container leaves (version 2 and 1); None without a limit."""
    for limit, used in (("memory.max", "memory.current"), ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes")):
        try:
            most = (folder / limit).read_text().strip()
            taken = int((folder / used).read_text())
        except (OSError, ValueError):
            continue
        # Version 1 says "no limit" with a number beyond any machine.
        if most.isdigit() and int(most) < 2**60:
            return max(0, int(most) - taken)
    return None


def machine(device: torch.device | str = "cpu") -> dict[str, Any]:
    """Return the fingerprint of this machine for ``results.json``: plain values only.

    Args:
        device: where the work is done; a GPU is named with its memory and CUDA version.

    Returns:
        ``device, threads, torch, cpu, cores, platform, python`` and on a GPU ``gpu, gpu_memory_mb, cuda``.
    """
    where = torch.device(device)
    found: dict[str, Any] = {
        "device": str(where),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "cpu": cpu_name(),
        "cores": cores(),
        "platform": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }
    if where.type == "cuda":
        properties = torch.cuda.get_device_properties(where)
        found |= {"gpu": properties.name, "gpu_memory_mb": round(properties.total_memory / 1e6), "cuda": torch.version.cuda}
    return found


def threads(fingerprint: Mapping[str, Any]) -> str:
    """Return how many threads computed, in words.

    Example:
        >>> threads({"threads": 1}), threads({"threads": 2})
        ('1 thread', '2 threads')
    """
    count = fingerprint.get("threads", 1)
    return "1 thread" if count == 1 else f"{count} threads"
