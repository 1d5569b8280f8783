"""coldframe adapts a frozen vision model to your images in some thirty ways, and tells what each gains and costs."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from coldframe.version import __version__

if TYPE_CHECKING:
    from coldframe.backbones import load_backbone
    from coldframe.cold import ColdPass
    from coldframe.data import load_dataset
    from coldframe.methods import load
    from coldframe.methods.deep_prompt import DeepPrompt
    from coldframe.methods.fine_tune import FineTune
    from coldframe.methods.knn import NearestNeighbours
    from coldframe.methods.linear_probe import LinearProbe
    from coldframe.methods.pixel_prompt import PixelPrompt
    from coldframe.methods.text_prompt import TextPrompt
    from coldframe.methods.tip_adapter import TipAdapter, TipAdapterF
    from coldframe.methods.zero_shot import ZeroShot
    from coldframe.verbs.compare import compare

_FACE = {
    "load_backbone": "coldframe.backbones",
    "load_dataset": "coldframe.data",
    "ColdPass": "coldframe.cold",
    "compare": "coldframe.verbs.compare",
    "load": "coldframe.methods",
    "ZeroShot": "coldframe.methods.zero_shot",
    "LinearProbe": "coldframe.methods.linear_probe",
    "NearestNeighbours": "coldframe.methods.knn",
    "FineTune": "coldframe.methods.fine_tune",
    "PixelPrompt": "coldframe.methods.pixel_prompt",
    "DeepPrompt": "coldframe.methods.deep_prompt",
    "TextPrompt": "coldframe.methods.text_prompt",
    "TipAdapter": "coldframe.methods.tip_adapter",
    "TipAdapterF": "coldframe.methods.tip_adapter",
}

__all__ = [
    "ColdPass",
    "DeepPrompt",
    "FineTune",
    "LinearProbe",
    "NearestNeighbours",
    "PixelPrompt",
    "TextPrompt",
    "TipAdapter",
    "TipAdapterF",
    "ZeroShot",
    "__version__",
    "compare",
    "load",
    "load_backbone",
    "load_dataset",
]


def _methods() -> dict[str, str]:
    """Return class name -> module of every method that the registry names."""
    from coldframe.registry import METHODS

    return {name: module for module, _, name in (place.partition(":") for place in METHODS.values())}


def __getattr__(name: str) -> Any:
    """Import the parts of the face when they are asked for: ``import coldframe`` alone loads no torch."""
    module = _FACE.get(name) or _methods().get(name)
    if module is None:
        raise AttributeError(f"module 'coldframe' has no attribute {name!r}")
    return getattr(importlib.import_module(module), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_FACE, *_methods()})
