"""What models cost and what they reach: latency, memory, operations and parameters, beside top-1 on ImageNet.

One row per model. Speed, memory and size do not depend on what a network has learned, so a model whose weights are not at
hand is measured with random ones and the row says so; its top-1 is then the one that the makers of its weights publish.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from coldframe.backbones import load_backbone
from coldframe.backbones.base import Backbone
from coldframe.backbones.ids import parse
from coldframe.backbones.timm import IMAGENET
from coldframe.data.decode import load_pixels
from coldframe.data.folder import Files
from coldframe.data.labelled import known_labels
from coldframe.data.places import MOST_ENTRIES, find_files, left_out, readable
from coldframe.errors import InputError, WeightsNotFound
from coldframe.evaluation.classifiers import Classifier, classifier
from coldframe.measures import Fitted, fitted_memory, macs, top1
from coldframe.methods import templates
from coldframe.methods.zero_shot import ZeroShot
from coldframe.report.benchmark import Benchmark
from coldframe.types import Row
from coldframe.verbs.cost import MODES, Settings, latency_fields, limit, memory_fields, mode_latencies

__all__ = ["Settings", "benchmark", "label", "measure"]

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
            forward, make_input, settings.memory_batch, model=net, gradients=gradients, limit=limit(device)
        )
    batch = held["gradients"].fitting(settings.batch, limit(device))
    say(f"latency, {len(MODES)} modes in turns, batch {batch}")
    timed = mode_latencies(backbone, forward, make_input, batch, settings)
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
        **latency_fields(timed),
        "memory_batch": settings.memory_batch,
        **memory_fields(held),
    }
    say("top-1" if settings.images is not None else "done")
    return row | _accuracy(backbone, settings)


def _parameters(backbone: Backbone) -> int:
    """Return the parameters that classifying an image needs; a text tower is left out."""
    if backbone.text is None:
        return backbone.parameter_count
    things = [thing for cut in backbone.cuts[:-1] for thing in backbone.stage_modules(cut)]
    parts = [[thing] if isinstance(thing, torch.nn.Parameter) else list(thing.parameters()) for thing in things]
    return sum(parameter.numel() for part in parts for parameter in part)


def _names(backbone: Backbone) -> tuple[str, ...]:
    """Return the classes that top-1 is measured among: its own, or ImageNet's for a text tower that knows their words."""
    if backbone.weights == "random":
        return ()
    if backbone.classes or backbone.text is None:
        return tuple(backbone.classes)
    try:
        backbone.text.tokenize([templates.fill("{}", name) for name in IMAGENET()])
    except InputError:
        return ()
    return IMAGENET()


def _labels(backbone: Backbone, settings: Settings) -> tuple[Files, NDArray[np.int64]] | None:
    """Return the labelled images; None where there are none, or nothing trained that classifies."""
    known = _names(backbone)
    return known_labels(settings.images, known, settings.on_error) if settings.images is not None and known else None


def _accuracy(backbone: Backbone, settings: Settings) -> Row:
    """Return the measured top-1, how, and the number of images; None without any, or without a trained classifier."""
    if (known := _labels(backbone, settings)) is None:
        return {"measured_top1": None, "measured_by": "", "images": None}
    (files, labels), (call, how) = known, _classifier(backbone)
    chunks = [range(start, min(start + 32, len(files))) for start in range(0, len(files), 32)]
    scores = [call(torch.from_numpy(load_pixels(files, list(chunk), backbone.preprocess))) for chunk in chunks]
    return {"measured_top1": round(top1(torch.cat(scores), labels), 6), "measured_by": how, "images": len(files)}


def _classifier(backbone: Backbone) -> tuple[Classifier, str]:
    """Return the network's own classifier, or zero-shot on the class names, and words on the latter."""
    if backbone.classes:
        return classifier(backbone)[0], ""
    method = ZeroShot(backbone, "clip-7").for_classes(_names(backbone))
    return method.predict_proba, f"that of zero-shot on {len(method.classes):,} class names in 7 templates"
