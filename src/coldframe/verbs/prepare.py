"""The cold pass alone, by one of many workers: what ``coldframe prepare`` does."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from coldframe.backbones import load_backbone
from coldframe.backbones.base import Backbone
from coldframe.cold import ColdPass
from coldframe.cold.units import PATIENCE, SIZE, UnitReport, prepare_units
from coldframe.data import load_dataset
from coldframe.data.base import Dataset, OnError
from coldframe.types import FEATURES


def prepare_data(
    model: str | Backbone,
    data: str | Dataset,
    *,
    layers: Sequence[str] | None = None,
    flip: bool = False,
    worker: tuple[int, int] = (1, 1),
    size: int = SIZE,
    on_error: OnError = "raise",
    patience: float = PATIENCE,
    download: bool = False,
    device: str = "cpu",
    precision: str = "fp32",
    cold: ColdPass | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> UnitReport:
    """Store activations of all splits of a data set, as far as they are this worker's; see :func:`prepare_units`.

    Args:
        model: a model id or a backbone.
        data: a data spec or a data set.
        layers: cuts; the features when None.
        flip: mirrored images besides.
        worker: (i, n): the i-th of n workers.
        size: images of a unit.
        on_error: what to do with images that do not decode.
        patience: seconds that one image may take.
        download: whether weights and data may be fetched.
        device: where to run.
        precision: ``"fp32"`` or ``"bf16"``.
        cold: the pass and its store.
        progress: called with (images done, images of this worker).
    """
    # Which images decode is found out when they are decoded: no pass over all of them before.
    dataset = load_dataset(data, download=download) if isinstance(data, str) else data
    backbone = (
        model if isinstance(model, Backbone) else load_backbone(model, device=device, dtype=precision, download=download)
    )
    wants = [(cut, view) for cut in layers or (FEATURES,) for view in (("plain", "flip") if flip else ("plain",))]
    splits = [split for split in dataset.splits if len(split)]
    return prepare_units(
        cold or ColdPass(), backbone, splits, wants, worker=worker, size=size, on_error=on_error, patience=patience,
        progress=progress,
    )  # fmt: skip
