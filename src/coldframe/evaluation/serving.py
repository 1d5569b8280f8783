"""What an answer costs: the backbone's time, measured once for all methods on it, and what each method adds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from coldframe import measures
from coldframe.backbones.base import Backbone
from coldframe.errors import InputError
from coldframe.methods.base import Method
from coldframe.types import FEATURES, Row


@dataclass(frozen=True)
class Serving:
    """Milliseconds an image, from decoded pixels to probabilities.

    Args:
        backbone: the frozen network alone, the same number for all methods that were timed together.
        added: what the method adds to it, at least 0.
        processor: time of the processor for both, all threads; None on a device that works by itself.
        interference: signs that other work ran on the machine meanwhile, in words; empty where there are none.
    """

    backbone: float
    added: float
    processor: float | None = None
    interference: str = ""

    @property
    def total(self) -> float:
        """Milliseconds for one image."""
        return self.backbone + self.added

    def fields(self) -> Row:
        """Return what a row says of it."""
        cost: Row = {"latency_ms": round(self.total, 4)}
        return cost | {"latency_processor_ms": None if self.processor is None else round(self.processor, 4)}


def inference(method: Method) -> Callable[[Tensor], Tensor]:
    """Return the whole of inference on decoded images: uint8 [B, 3, S, S] to probabilities, nothing stored."""

    @torch.no_grad()
    def call(images: Tensor) -> Tensor:
        return method(method.backbone.normalise(images)).softmax(-1)

    return call


def serving(methods: Mapping[str, Method], *, batch: int = 1, seconds: float = 1.0) -> dict[str, Serving]:
    """Return what an answer of each method costs; all of one backbone, timed in turns in this process.

    The backbone's time is the median over rounds. A method that enters at the features adds the median time of its head on
    features. Any other adds the median, over rounds, of its whole pass less the backbone's pass of that round, at least 0: no
    method appears faster than the network that it contains, and what disturbs a round disturbs both.

    Args:
        methods: by name, fitted, on one backbone.
        batch: images in one call.
        seconds: of timed calls for each network pass that takes part; at least 5 rounds.

    Raises:
        InputError: there are no methods, or their backbones differ.
    """
    if not methods:
        raise InputError("expected at least one method to time, found none")
    backbone = next(iter(methods.values())).backbone
    if any(method.backbone is not backbone for method in methods.values()):
        raise InputError("expected methods of one backbone to be timed together, found several backbones")
    images = _images(backbone, batch)
    with torch.no_grad():
        features = backbone.run(backbone.normalise(images))
    calls: dict[str, Callable[[object], object]] = {"": _alone(backbone, images)}
    calls |= {f"of {name}": _part(method, images, features) for name, method in methods.items()}
    whole = 1 + sum(method.cut != FEATURES for method in methods.values())
    timed = measures.latencies(calls, lambda _: images, batch=batch, min_seconds=seconds * whole)
    return {name: _cost(timed[""], timed[f"of {name}"], method.cut == FEATURES) for name, method in methods.items()}


def _images(backbone: Backbone, batch: int) -> Tensor:
    side, generator = backbone.preprocess.size, torch.Generator().manual_seed(0)
    return torch.randint(256, (batch, 3, side, side), dtype=torch.uint8, generator=generator).to(backbone.device)


def _alone(backbone: Backbone, images: Tensor) -> Callable[[object], object]:
    @torch.no_grad()
    def call(_: object) -> Tensor:
        return backbone.run(backbone.normalise(images))

    return call


def _part(method: Method, images: Tensor, features: Tensor) -> Callable[[object], object]:
    """Return the head alone where a method enters at the features, else the whole of it."""
    whole = inference(method)

    @torch.no_grad()
    def head(_: object) -> Tensor:
        return method.warm(features).softmax(-1)

    return head if method.cut == FEATURES else lambda _: whole(images)


def _cost(alone: measures.Latency, own: measures.Latency, head: bool) -> Serving:
    added = own.median if head else max(0.0, float(np.median(np.subtract(own.passes, alone.passes))))
    processor = None
    if alone.processor is not None and own.processor is not None:
        processor = alone.processor + own.processor if head else max(alone.processor, own.processor)
    return Serving(alone.median, added, processor, alone.interference)
