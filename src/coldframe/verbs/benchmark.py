"""What models cost and what they reach: latency, memory, operations and parameters, beside top-1 on ImageNet.

One row per model. Speed, memory and size do not depend on what a network has learned, so a model whose weights are not at
hand is measured with random ones and the row says so; its top-1 is then the one that the makers of its weights publish.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from coldframe.backbones import load_backbone
from coldframe.backbones.base import Backbone
from coldframe.backbones.ids import parse
from coldframe.data.base import OnError
from coldframe.data.decode import load_pixels
from coldframe.data.folder import Files
from coldframe.data.labelled import known_labels
from coldframe.data.places import MOST_ENTRIES, find_files, left_out, readable
from coldframe.errors import InputError, ModelError, WeightsNotFound
from coldframe.evaluation.classifiers import classifier
from coldframe.measures import Fitted, Latency, available_memory, fitted_memory, latencies, macs, top1
from coldframe.measures.activation_memory import MIB
from coldframe.report.benchmark import Benchmark
from coldframe.types import Precision, Row

DEFAULTS = {
    "torchvision:vgg11": "VGG11",
    "torchvision:vgg11_bn": "VGG11-BN",
    "torchvision:resnet18": "ResNet18",
    "torchvision:densenet121": "DenseNet121",
    "torchvision:mobilenet_v3_small": "MobileNetV3-Small",
    "torchvision:vit_b_32": "ViT-B/32",
    "timm:vit_small_patch8_224.dino": "ViT-S/8",
}
"""The models of the benchmark that the founding course asks for, and what people call them."""
PROBES: dict[str, dict[str, Any]] = {
    "timm:vit_small_patch8_224.dino": {"top1": 0.797, "source": (
        "a linear probe on its DINO features (Caron et al. 2021, table 2); it has no ImageNet head of its own"
    )},
}
"""Published top-1 of models without a classifier: that of a probe on their features."""
MODES = ("no_grad", "inference_mode", "gradients")
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


def benchmark(
    models: Sequence[str],
    settings: Settings,
    machine: dict[str, Any],
    *,
    command: str = "",
    say: Callable[[str], None] = lambda line: None,
    keep: Callable[[Benchmark], None] = lambda so_far: None,
) -> Benchmark:
    """Measure models one after the other.

    Args:
        models: ids; the seven of :data:`DEFAULTS` when there are none.
        settings: how.
        machine: :func:`coldframe.measures.machine`.
        command: what makes it again.
        say: told in a line what is being measured.
        keep: told after every model, so that a run that is stopped has what it finished.

    Raises:
        ModelError: a model that does not exist, before anything is measured.
    """
    names = list(dict.fromkeys(models)) or list(DEFAULTS)
    for name in names if models and len(names) > 1 else ():
        _labels(_load(name, settings), settings)
    done = Benchmark(asdict(settings) | {"images": settings.images and str(settings.images)}, machine, command)
    if settings.images is not None:
        _, left = readable(find_files([settings.images], most=MOST_ENTRIES), settings.on_error)
        if left:
            done.settings["left_out"] = left
            say(left_out(left))
    labels = [label(name) for name in names]
    for name, short in zip(names, labels, strict=True):
        called = short if labels.count(short) == 1 else name
        say(f"{called}: loading")
        row = measure(_load(name, settings), name, settings, partial(_told, say, called))
        done.rows.append(row | {"label": called})
        keep(done)
    return done


def _told(say: Callable[[str], None], name: str, what: str) -> None:
    say(f"{name}: {what}")


def label(name: str) -> str:
    """Return what people call a model: its architecture, without zoo and weights.

    Example:
        >>> label("torchvision:vgg11/random"), label("timm:resnet50.a1_in1k")
        ('VGG11', 'resnet50')
    """
    model = parse(name)
    known = DEFAULTS.get(model.trained)
    return known or (model.name.partition(".")[0] if model.zoo == "timm" else model.name.rpartition("/")[2]) or model.zoo


def _load(name: str, settings: Settings) -> Backbone:
    try:
        backbone = load_backbone(name, device=settings.device, dtype=settings.precision, download=settings.download)
    except WeightsNotFound:
        backbone = load_backbone(name, device=settings.device, dtype=settings.precision, pretrained=False)
    return backbone


def measure(backbone: Backbone, name: str, settings: Settings, say: Callable[[str], None] = lambda line: None) -> Row:
    """Return the row of one model, whose parameters are then set to require gradients.

    Args:
        backbone: the model.
        name: the id that the row carries.
        settings: how.
        say: told what is being measured.
    """
    _labels(backbone, settings)  # what is wrong with them is said before minutes of measuring
    layout = torch.channels_last if settings.channels_last else torch.contiguous_format
    net = backbone.module.to(memory_format=layout).requires_grad_(True)
    side, device, dtype = backbone.preprocess.size, backbone.device, backbone.dtype

    def make_input(batch: int) -> Tensor:
        generator = torch.Generator().manual_seed(0)
        x = torch.randn(batch, 3, side, side, generator=generator)  # [B, 3, S, S]
        return x.to(device, dtype).contiguous(memory_format=layout)

    def forward(x: Tensor) -> Tensor:
        features = backbone.run(x)
        logits = backbone.head(features)
        return features if logits is None else logits

    say("operations")
    operations, hidden = macs(forward, make_input(1))
    held: dict[str, Fitted] = {}
    for gradients in (True, False):
        say(f"memory, {'gradients on' if gradients else 'no_grad'}")
        held["gradients" if gradients else "no_grad"] = fitted_memory(
            forward, make_input, settings.memory_batch, model=net, gradients=gradients, limit=_limit(device)
        )
    batch = held["gradients"].fitting(settings.batch, _limit(device))
    say(f"latency, {len(MODES)} modes in turns, batch {batch}")
    timed = _timed(backbone, forward, make_input, batch, settings)
    published = backbone.published or PROBES.get(parse(name).trained, {})
    row: Row = {
        "model": backbone.name,
        "label": label(name),
        "weights": backbone.weights,
        "parameters": _parameters(backbone),
        "gmacs": None if operations is None else round(operations / 1e9, 4),
        "uncounted": ", ".join(hidden),
        "top1": published.get("top1"),
        "top1_source": published.get("source", ""),
        "top1_of_probe": not backbone.published and bool(published),
        "precision": settings.precision,
        "channels_last": settings.channels_last,
        "compiled": settings.compiled,
        "batch": batch,
        "passes": timed["no_grad"].n,
        **_latency_fields(timed),
        "memory_batch": settings.memory_batch,
        **_memory_fields(held),
    }
    say("top-1" if settings.images is not None else "done")
    return row | _accuracy(backbone, settings)


def _limit(device: torch.device) -> float | None:
    """Return the MiB that a pass may take now."""
    free = available_memory(device)
    return None if free is None else SHARE * free / MIB


def _parameters(backbone: Backbone) -> int:
    """Return the parameters that classifying an image needs; a text tower is left out."""
    if backbone.text is None:
        return backbone.parameter_count
    things = [thing for cut in backbone.cuts[:-1] for thing in backbone.stage_modules(cut)]
    parts = [[thing] if isinstance(thing, torch.nn.Parameter) else list(thing.parameters()) for thing in things]
    return sum(parameter.numel() for part in parts for parameter in part)


def _timed(
    backbone: Backbone, forward: Callable[[Tensor], Tensor], make_input: Callable[[int], Tensor], batch: int, settings: Settings
) -> dict[str, Latency]:
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


def _latency_fields(timed: dict[str, Latency]) -> Row:
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


def _memory_fields(held: dict[str, Fitted]) -> Row:
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


def _labels(backbone: Backbone, settings: Settings) -> tuple[Files, NDArray[np.int64]] | None:
    """Return the labelled images; None where there are none, or no trained classifier."""
    known = backbone.weights != "random" and backbone.classes
    return known_labels(settings.images, known, settings.on_error) if settings.images is not None and known else None


def _accuracy(backbone: Backbone, settings: Settings) -> Row:
    """Return the measured top-1 and the number of images; None where there are none, or no trained classifier."""
    if (known := _labels(backbone, settings)) is None:
        return {"measured_top1": None, "images": None}
    (files, labels), (call, _, _) = known, classifier(backbone)
    chunks = [range(start, min(start + 32, len(files))) for start in range(0, len(files), 32)]
    scores = [call(torch.from_numpy(load_pixels(files, list(chunk), backbone.preprocess))) for chunk in chunks]
    return {"measured_top1": round(top1(torch.cat(scores), labels), 6), "images": len(files)}
