"""What a delivered file says of itself: texts by name, the same in every format."""

from __future__ import annotations

import json
from typing import Any

from coldframe.backbones.listing import licence_of
from coldframe.delivery.servable import Input
from coldframe.methods.base import Method
from coldframe.version import __version__

EXTRA = "coldframe.json"
"""Name of the extra file in which formats without metadata of their own carry it."""


def about(method: Method, takes: Input, precision: str) -> dict[str, str]:
    """Return the metadata of a delivered file.

    ``input`` says what goes in, ``output`` what comes out; ``classes`` is a JSON list, ``preprocess`` and ``settings`` are JSON
    objects; ``licence`` is that of the weights, as their zoo states it; ``thresholds`` is a JSON list of the probability from
    which each label is given, empty where each image has one.

    Args:
        method: a fitted method.
        takes: what goes in.
        precision: ``"fp32"`` or ``"fp16"``, of the network's arithmetic.
    """
    backbone, side = method.backbone, method.backbone.preprocess.size
    inputs = {
        "uint8": f"pixels: uint8 [batch, {side}, {side}, 3], 0 .. 255, RGB",
        "float": f"pixels: float32 [batch, 3, {side}, {side}], 0 .. 1, RGB",
    }
    return {
        "coldframe": __version__,
        "method": method.name,
        "settings": text(method.config()),
        "backbone": backbone.name,
        "backbone_digest": backbone.digest,
        "licence": licence_of(backbone.name) or "not stated; ask whoever made the weights",
        "classes": text(method.classes),
        "preprocess": text(backbone.preprocess.as_dict()),
        "takes": takes,
        "input": inputs[takes],
        "output": f"probabilities: float32 [batch, {len(method.classes)}]",
        "precision": precision,
        "temperature": repr(method.divisor),
        "thresholds": text(method.thresholds),
    }


def text(value: Any) -> str:
    """Return a value as JSON; what JSON does not know, as its text."""
    return json.dumps(value, ensure_ascii=False, default=str)

