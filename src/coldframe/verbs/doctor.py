"""What this installation has, lacks and can do: what ``coldframe doctor`` looks at, line by line."""

from __future__ import annotations

import os
import platform
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from coldframe.errors import ColdframeError
from coldframe.version import __version__

State = Literal["ok", "note", "fault"]
PEERS = ("torch", "torchvision", "timm", "open_clip_torch", "numpy", "pillow", "pyarrow", "safetensors")
"""What coldframe computes with; their versions are the first question of any report of a fault."""
LITTLE_DISK = 2 * 10**9
"""Bytes below which a store of activations is soon full."""
AGREE = 1e-4
"""Most difference between a probability from stored activations and one from the whole network."""
LEAST_RIGHT = 0.4
"""Least share of the trial's photographs, of seven classes, that a linear probe on four of each must name."""


@dataclass(frozen=True)
class Finding:
    """One line of the examination.

    Args:
        what: what was looked at.
        state: ``ok``, ``note`` (worth knowing, nothing is broken) or ``fault`` (something does not work).
        said: what was found, and for a fault what to do.
    """

    what: str
    state: State
    said: str

    def as_dict(self) -> dict[str, Any]:
        """Return the line as plain values."""
        return asdict(self)


def examine(device: str = "cpu", *, quick: bool = False) -> Iterator[Finding]:
    """Yield one finding after another; nothing is fetched, and nothing but a probe file in the cache folder is written.

    Args:
        device: where the trial computes.
        quick: leave out the trial, which loads the bundled model.
    """
    looks: list[tuple[str, Callable[[], Finding]]] = [
        ("coldframe", _versions), ("extras", _extras), ("processor", _processor), ("GPU", _gpu), ("cache", _cache),
        ("data", _data), ("weights", _weights),
    ]  # fmt: skip
    if not quick:
        looks.append(("trial", lambda: _trial(device)))
    for what, look in looks:
        try:
            yield look()
        except (ColdframeError, OSError, RuntimeError, ImportError) as error:
            yield Finding(what, "fault", " ".join(str(error).split()))


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _versions() -> Finding:
    found = {name: _version(name) for name in PEERS}
    lacking = [name for name, version in found.items() if version is None]
    where = f"{platform.system()} {platform.machine()}"
    said = f"{__version__} on Python {platform.python_version()}, {where}; "
    said += ", ".join(f"{name} {version}" for name, version in found.items() if version)
    if lacking:
        return Finding("coldframe", "fault", f"{said}; missing: {', '.join(lacking)}; install coldframe again with pip")
    return Finding("coldframe", "ok", said)


def extras() -> dict[str, list[str]]:
    """Return extra -> the packages of it that are not installed, as this installation of coldframe declares them."""
    try:
        about = metadata.metadata("coldframe")
        needs = metadata.requires("coldframe") or []
    except metadata.PackageNotFoundError:
        return {}
    found: dict[str, list[str]] = {name: [] for name in about.get_all("Provides-Extra") or []}
    for need in needs:
        words, _, marker = need.partition(";")
        name = words.split("[")[0].rstrip("0123456789.,<>=!~ ").strip()
        extra = marker.partition("extra ==")[2].strip(" '\"")
        if extra in found and _version(name) is None:
            found[extra].append(name)
    return found


def _extras() -> Finding:
    found = extras()
    if not found:
        return Finding("extras", "note", "coldframe runs from its source without being installed, so its extras are not known")
    here, away = [name for name, lacking in found.items() if not lacking], [name for name, lacking in found.items() if lacking]
    said = f"installed: {', '.join(here) or 'none'}"
    if away:
        said += f"; not installed: {', '.join(away)} (pip install 'coldframe[{away[0]}]')"
    return Finding("extras", "ok", said)


def _processor() -> Finding:
    from rich.filesize import decimal

    from coldframe.measures.hardware import available_memory, machine, threads

    found = machine()
    free = available_memory()
    cores = f"{found['cores']} core{'s' * (found['cores'] != 1)}"
    said = f"{found['cpu']}, {cores} to use, {threads(found)}"
    return Finding("processor", "ok", said + (f", {decimal(free)} of memory free" if free is not None else ""))


def _gpu() -> Finding:
    import torch
    from rich.filesize import decimal

    from coldframe.measures.hardware import available_memory, machine

    if not torch.cuda.is_available():
        built = f"torch is built for CUDA {torch.version.cuda}" if torch.version.cuda else "torch is built without CUDA"
        return Finding("GPU", "note", f"none is found; everything runs on the processor ({built})")
    found = machine("cuda")
    free = available_memory("cuda") or 0
    said = f"{found['gpu']}, {decimal(free)} of {decimal(found['gpu_memory_mb'] * 10**6)} free, CUDA {found['cuda']}"
    total = float(torch.ones(64, device="cuda").sum())
    return Finding("GPU", "ok" if total == 64 else "fault", said)


def _cache() -> Finding:
    from rich.filesize import decimal

    from coldframe.cold import Store
    from coldframe.files import cache_root

    root = cache_root()
    probe = root / f".doctor-{os.getpid()}"
    root.mkdir(parents=True, exist_ok=True)
    probe.write_bytes(b"coldframe")
    probe.unlink()
    held = sum(shelf.bytes for shelf in Store().shelves())
    free = shutil.disk_usage(root).free
    said = f"{root} can be written, holds {decimal(held)} of activations, {decimal(free)} of the disk are free"
    if free < LITTLE_DISK:
        return Finding("cache", "note", f"{said}: little; coldframe cache clear frees what can be computed again")
    return Finding("cache", "ok", said)


def _data() -> Finding:
    from coldframe.data.mini import NAMES
    from coldframe.files import data_root

    bundled = f"bundled: {', '.join(f'mini:{name}' for name in NAMES)}"
    root = data_root()
    if root is None:
        return Finding("data", "ok", f"{bundled}; COLDFRAME_DATA names no other folder")
    return Finding("data", "ok", f"{bundled}; more under {root}")


def _weights() -> Finding:
    from coldframe.backbones.listing import list_models

    found, matched = list_models(on_disk=True, limit=8)
    more = f" and {matched - len(found):,} more" if matched > len(found) else ""
    names = ", ".join(line.id for line in found) or "none"
    return Finding("weights", "ok" if found else "note", f"on this disk: {names}{more}")


def _trial(device: str) -> Finding:
    """Fit and ask the bundled model on bundled images, from stored activations and straight through the network."""
    import tempfile

    import torch

    from coldframe.backbones import load_backbone
    from coldframe.cold import ColdPass, Store
    from coldframe.data import load_dataset
    from coldframe.methods.linear_probe import LinearProbe
    from coldframe.methods.zero_shot import ZeroShot

    begun = time.perf_counter()
    backbone = load_backbone("pocket", device=device)
    data = load_dataset("mini:caltech7", shots=4)
    some = data.test.subset(list(range(0, len(data.test), max(1, len(data.test) // 32))))
    with tempfile.TemporaryDirectory() as folder:
        cold = ColdPass(store=Store(Path(folder)))
        probe = LinearProbe(backbone).fit(data.train, cold=cold)
        texts = ZeroShot(backbone).fit(data.train, cold=cold)
        stored = probe.predict_proba(some, cold=cold)
        right = [float((method.predict(some, cold=cold).numpy() == some.labels).mean()) for method in (texts, probe)]
    straight = torch.cat(list(probe.stream([some.images.open(row) for row in range(len(some))])))
    difference = float((stored - straight).abs().max())
    said = (
        f"pocket on {len(some)} bundled photographs: zero-shot {right[0]:.0%}, linear probe {right[1]:.0%} right; stored "
        f"activations and the whole network differ by {difference:.0e} in probability; {time.perf_counter() - begun:.1f} s"
    )
    return Finding("trial", "ok" if difference <= AGREE and right[1] > LEAST_RIGHT else "fault", said)
