"""What a measurement was made on."""

from __future__ import annotations

import os
import platform
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
