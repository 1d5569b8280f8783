"""What stands in the files that coldframe writes and reads again: one type a file, for writing and for reading.

``plain(value)`` is what is written; :mod:`coldframe.files.reading` reads it back. Files whose content is an object of its own
anyway (a checkpoint's progress, what disturbed images do, tables, a shelf of the store) have that object's class as their type.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

Size = Annotated[int, Meta(ge=0, le=2**48)]
"""A number of things or bytes."""
Fraction = Annotated[float, Meta(ge=0, le=1)]
Correlation = Annotated[float, Meta(ge=-1, le=1)]
Spent = Annotated[float, Meta(ge=0, le=1e15)]
"""Seconds, milliseconds or megabytes."""
FileName = Annotated[str, Meta(pattern=r"^[^/\\\x00-\x1f\x7f]{1,200}$")]
"""A file beside the one that names it."""


def plain(value: Struct) -> dict[str, Any]:
    """Return what is written of a value: dictionaries, lists, texts and numbers."""
    found: dict[str, Any] = msgspec.to_builtins(value)
    return found


class Weights(Struct, forbid_unknown_fields=True, frozen=True):
    """Which backbone something belongs to."""

    name: str
    digest: str


class Adaptation(Struct, forbid_unknown_fields=True):
    """``adaptation.json``: a saved run, beside its tensors."""

    coldframe: str
    method: str
    config: dict[str, Any]
    backbone: Weights
    preprocess: dict[str, Any]
    classes: Annotated[list[str], Meta(min_length=1)]
    choices: dict[str, Any]
    state: dict[str, list[Size]]


class Row(Struct):
    """A row of ``results.json`` without the numbers that ``results/fields.py`` lists; what else a verb measures may follow."""

    method: Annotated[str, Meta(min_length=1)]
    model: str | None = None
    data: str | None = None
    seed: int | None = None
    split: str | None = None
    n: Spent | None = None
    noise: dict[str, Any] | None = None
    corruptions: dict[str, Any] | None = None
    attack: dict[str, Any] | None = None
    seeds: list[int | None] | None = None
    mean: dict[str, float] | None = None
    ci95: dict[str, tuple[float, float]] | None = None
    intervals: dict[str, tuple[float, float]] | None = None
    images_in_all: Size | None = None


class Fit(Struct, forbid_unknown_fields=True):
    """``result.json``: what a fit measured."""

    row: dict[str, Any]
    choices: dict[str, Any]
    history: list[dict[str, Any]]


class Published(Struct):
    """A published result, with the settings it belongs to."""

    data: str
    method: str
    top1: Fraction


class PlanRun(Struct, forbid_unknown_fields=True):
    """One ``[[runs]]`` of a plan."""

    method: str
    preset: str | None = None
    settings: dict[str, Any] = {}
    grid: dict[str, Any] = {}


class PlanFile(Struct, forbid_unknown_fields=True):
    """A plan or a recipe, TOML."""

    title: str | None = None
    model: str | None = None
    data: str | list[str] = []
    seeds: Annotated[int, Meta(ge=1, le=1000)] = 1
    shots: Annotated[int, Meta(ge=1, le=10**9)] | dict[str, Annotated[int, Meta(ge=1, le=10**9)]] | None = None
    noise: list[Annotated[float, Meta(ge=0, le=1e9)]] = []
    runs: list[PlanRun] = []
    published: list[dict[str, Any]] = []


class ShardFile(Struct, forbid_unknown_fields=True):
    """``manifest.json`` of a shard: written last."""

    digests: list[str]
    shape: list[Size]
    dtype: str
    bytes: Size


class ColdAttempts(Struct, forbid_unknown_fields=True):
    """``cold/*.json`` of a comparison: what its cold pass took so far."""

    seconds: Spent
    images: Size
    bytes: Size


class Layer(Struct, forbid_unknown_fields=True):
    """One file of an extraction."""

    file: FileName
    shape: list[Size]
    dtype: Literal["uint8", "float32"]


class Extraction(Struct):
    """``manifest.json`` of an extraction; what a verb adds may follow."""

    key: str
    layers: dict[str, Layer]
    n: Size
    first_row: Size
    seconds: Spent


class ExtractionProgress(Struct, forbid_unknown_fields=True):
    """``progress.json`` of an extraction that is not finished."""

    key: str
    rows: Size
    listed: Size
    seconds: Spent


class Generative(Struct, forbid_unknown_fields=True):
    """``model.json`` of a trained generative model."""

    kind: str
    settings: dict[str, Any]
    coldframe: str
    digest: str


class Digits(Struct):
    """``digits.json``: the digit classifier's description."""

    sha256: str


class PocketState(Struct, forbid_unknown_fields=True):
    """``state.json`` of pocket's training."""

    step: Size
    seconds: Spent
    seen: Size
    fixed: dict[str, Any]


class LogLine(Struct):
    """A line of the log of pocket's training."""

    seen: Spent | UnsetType = UNSET
    val: dict[str, Fraction] | UnsetType = UNSET


class MiniSplit(Struct, forbid_unknown_fields=True):
    """One split of a bundled sample."""

    labels: list[Size]
    names: list[str]
    bytes: list[Size]


class Mini(Struct, forbid_unknown_fields=True):
    """``index.json`` of a bundled sample."""

    classes: list[str]
    origin: str
    train: MiniSplit
    test: MiniSplit


class HubInfo(Struct):
    """What the Hub says of a parquet file's columns."""

    features: dict[str, Any]


class Hub(Struct):
    """The Hub's metadata of a parquet file."""

    info: HubInfo
