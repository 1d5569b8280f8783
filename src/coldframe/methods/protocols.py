"""What a preset asks of the data: its seed and its validation split, taken where the data can give them, else named."""

from __future__ import annotations

from typing import Any

from coldframe.data import Dataset, load_dataset
from coldframe.methods.base import Method


def seed_of(kind: type[Method], preset: str | None, seed: int | None) -> int:
    """Return the seed that is asked for, else the preset's, else 0."""
    if seed is not None:
        return seed
    return int(kind.presets.get(preset or "", {}).get("seed", 0))


def load_as(kind: type[Method], preset: str | None, spec: str, **options: Any) -> tuple[Dataset, str]:
    """Load a data set the way a preset was published with.

    Args:
        kind: the method.
        preset: a name of ``kind.presets``, or None.
        spec: the data.
        options: of :func:`coldframe.data.load_dataset`.

    Returns:
        The data set, and a sentence on what of the preset's protocol it could not follow; empty where it could.
    """
    data = load_dataset(spec, **options)
    count = kind.protocols.get(preset or "", {}).get("val")
    if count is None:
        return data, ""
    asked = f"preset {preset} holds out {count:,} images of train for validation"
    if options.get("shots") is not None:
        return data, f"{asked}; with shots the split is coldframe's own ({data.origin})"
    if "val: " not in data.origin or "test: " in data.origin:
        return data, f"{asked}; this data brings other splits, which are kept ({data.origin or 'official splits'})"
    if 2 * count > len(data.train) + len(data.val):
        return data, f"{asked}; this data is too small for it, so the split is coldframe's own ({data.origin})"
    return load_dataset(spec, **options | {"val": count}), ""
