"""What an answer of one model costs: its time in three modes and its memory, as fields of a benchmark's row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from coldframe.backbones.base import Backbone
from coldframe.data.base import OnError
from coldframe.errors import InputError, ModelError
from coldframe.measures import Fitted, Latency, available_memory, latencies
from coldframe.measures.activation_memory import MIB
from coldframe.types import Precision, Row

MODES = ("no_grad", "inference_mode", "gradients")
"""The ways in which torch computes an answer."""
SHARE = 0.5
"""The part of the free memory that a forward pass may take."""


@dataclass(frozen=True)
class Settings:
    """How models are measured.

    Args:
        device: where.
        precision: of weights and arithmetic.
        channels_last: whether images and weights lie in memory pixel by pixel.
        compiled: whether the timed call is compiled; memory and operations are those of the plain network.
        batch: images in a timed call.
        memory_batch: images in the forward pass whose memory is measured.
        passes: timed calls of each kind, at most.
        seconds: of timed calls a model, after which no more follow once there are five of each kind.
        warmup: calls of each kind before the clock starts.
        images: folder of images with known labels, for a measured top-1; see :mod:`coldframe.data.labelled`.
        download: whether weights that are not on this machine may be fetched.
        on_error: what to do with ``images`` that do not decode: ``"raise"``, before any work, or ``"skip"``.
    """

    device: str = "cpu"
    precision: Precision = "fp32"
    channels_last: bool = False
    compiled: bool = False
    batch: int = 8
    memory_batch: int = 64
    passes: int = 20
    seconds: float = 60.0
    warmup: int = 1
    images: Path | None = None
    download: bool = False
    on_error: OnError = "raise"

    def __post_init__(self) -> None:
        for name, value in {"batch": self.batch, "memory batch": self.memory_batch, "passes": self.passes}.items():
            if value < 1:
                raise InputError(f"expected a number of {name} of 1 or more, found {value}")
        if self.images is not None and not self.images.is_dir():
            raise InputError(f"expected --images to name a folder of labelled images, found nothing at {self.images}")


def limit(device: torch.device) -> float | None:
    """Return the MiB that a pass may take now."""
    free = available_memory(device)
    return None if free is None else SHARE * free / MIB


def mode_latencies(
    backbone: Backbone, forward: Callable[[Tensor], Tensor], make_input: Callable[[int], Tensor], batch: int, settings: Settings
) -> dict[str, Latency]:
    """Return the time of an answer in each of :data:`MODES`, measured in turns.

    Raises:
        ModelError: the network cannot be compiled.
    """
    call: Callable[[Tensor], Tensor] = torch.compile(forward, dynamic=False) if settings.compiled else forward

    def without(x: Tensor) -> Tensor:
        with torch.no_grad():
            return call(x)

    def inference(x: Tensor) -> Tensor:
        with torch.inference_mode():
            return call(x)

    def recorded(x: Tensor) -> Tensor:
        with torch.enable_grad():
            return call(x)

    calls = dict(zip(MODES, (without, inference, recorded), strict=True))
    if settings.compiled:
        try:
            for one in calls.values():
                one(make_input(batch))
        except Exception as error:
            cause = " ".join(str(error).split())[:120]
            raise ModelError(f"cannot compile {backbone.name} ({cause}); leave --compile out") from error
    return latencies(calls, make_input, batch=batch, warmup=settings.warmup, min_seconds=settings.seconds,
                     most=settings.passes)  # fmt: skip


def latency_fields(timed: dict[str, Latency]) -> Row:
    """Return the times; ``latency_ms`` is the median with ``no_grad``, in ms per image like all of them."""
    found: Row = {}
    for mode, seen in timed.items():
        start = "latency" if mode == "no_grad" else mode
        values = {"ms": seen.median, "p10_ms": seen.p10, "p90_ms": seen.p90, "mean_ms": seen.mean}
        found |= {f"{start}_{name}": round(value, 4) for name, value in values.items()}
        found[f"{start}_processor_ms"] = None if seen.processor is None else round(seen.processor, 4)
    rates = [seen.switches for seen in timed.values() if seen.switches is not None]
    found["switches_per_second"] = round(float(np.mean(rates)), 1) if rates else None
    found["interference"] = timed["no_grad"].interference
    return found


def memory_fields(held: dict[str, Fitted]) -> Row:
    """Return MiB: ``*_held_mib`` at the batch ``*_memory_batch`` that ran, ``*_predicted_mib`` at the one asked for."""
    found: Row = {}
    for mode, fitted in held.items():
        seen = fitted.measured
        values = {
            "held_mib": seen.held, "predicted_mib": fitted.expected, "resident_mib": seen.resident, "peak_mib": seen.peak,
        }  # fmt: skip
        found[f"{mode}_memory_batch"] = seen.batch
        found |= {f"{mode}_{name}": None if value is None else round(value, 2) for name, value in values.items()}
    found["memory_way"] = held["gradients"].measured.way
    words = {"gradients": "with gradients on", "no_grad": "under no_grad"}
    reduced = [f"{words[mode]} at batch {f.measured.batch}" for mode, f in held.items() if f.measured.batch < f.asked]
    found["memory_note"] = f"memory was measured {' and '.join(reduced)}" if reduced else ""
    return found
