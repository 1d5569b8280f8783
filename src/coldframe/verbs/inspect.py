"""Feature maps, attention and filters of a model, from image files to figures and ``results.json``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from PIL import Image

from coldframe import inspection
from coldframe.backbones import load_backbone
from coldframe.backbones.base import Backbone
from coldframe.data.base import OnError
from coldframe.data.decode import load_pixels
from coldframe.data.folder import Files
from coldframe.data.places import MOST_FILES, Seen, find_files, readable
from coldframe.errors import InputError, ModelError
from coldframe.files import write_figure, write_json
from coldframe.inspection.maps import scaled
from coldframe.measures import machine
from coldframe.report.figures.inspection import filters_figure, maps_sheet, rollout_figure, rows_figure
from coldframe.report.figures.style import save_figure

FILTER_SIDE = 960
"""Width in pixels that a sheet of filters has at least as a picture of its own."""


def features(
    source: str | Backbone,
    places: Sequence[str | Path],
    *,
    layers: Sequence[str] | None = None,
    maps: int = 5,
    channels: Sequence[int] | None = None,
    out: str | Path,
    device: str = "cpu",
    download: bool = False,
    on_error: OnError = "raise",
    seen: Seen | None = None,
    most: int = MOST_FILES,
) -> dict[str, Any]:
    """Draw what a model makes of image files: feature maps; of transformers also token norms, attention and rollout.

    Args:
        source: a model id or a backbone.
        places: files, folders and globs.
        layers: names of layers; an early, a middle and a late one when None.
        maps: maps a layer, chosen by variance.
        channels: numbers of maps in place of the most varied.
        out: folder of the figures and of ``results.json``; its figures carry the name of the image.
        device: where to run.
        download: whether weights may be fetched.
        on_error: what to do with files that do not decode: ``"raise"``, before any work, or ``"skip"``.
        seen: called while places are searched; see :data:`coldframe.data.places.Seen`.
        most: files, at most.

    Returns:
        The content of ``results.json``.
    """
    (files, left), out = readable(find_files(places, most=most, seen=seen), on_error), Path(out)
    if channels is not None and maps != 5:
        raise InputError("expected a number of maps or the numbers of channels, found both; give one")
    backbone = source if isinstance(source, Backbone) else load_backbone(source, device=device, download=download)
    stems = [file.stem for file in files]
    rows: list[dict[str, Any]] = []
    for number, file in enumerate(files):
        stem = file.stem if stems.count(file.stem) == 1 else f"{number:03}_{file.stem}"
        pixels = load_pixels(Files((file,)), [0], backbone.preprocess)[0]  # [3, S, S]
        drawn, row = _looked(backbone, pixels, layers, maps, channels)
        written = [place for name, figure in drawn.items() for place in save_figure(figure, out / f"{stem}_{name}")]
        rows.append({"file": str(file), **row, "figures": [place.name for place in written]})
    content: dict[str, Any] = {"model": backbone.name, "weights": backbone.weights, "digest": backbone.digest, "images": rows}
    content |= {"left_out": left} if left else {}
    write_json(out / "results.json", {"command": "inspect features", "machine": machine(backbone.device), **content})
    return content


def _looked(
    backbone: Backbone,
    pixels: np.ndarray[Any, np.dtype[np.uint8]],
    layers: Sequence[str] | None,
    maps: int,
    channels: Sequence[int] | None,
) -> tuple[dict[str, Figure], dict[str, Any]]:
    """Return the figures of one picture by name, and what its row says."""
    image, shown = torch.from_numpy(pixels), pixels.transpose(1, 2, 0)
    found = inspection.feature_maps(backbone, image, layers, maps=maps, channels=channels)
    labels = {layer.layer: f"{layer.layer}\n{layer.shape[0]} maps of {layer.shape[1]} x {layer.shape[2]}" for layer in found}
    rule = "by number" if channels else "the most varied over their pixels"
    drawn = {
        "features": rows_figure(
            shown,
            {labels[layer.layer]: list(layer.values) for layer in found},
            {labels[layer.layer]: [f"map {channel}" for channel in layer.channels] for layer in found},
            heading=f"Feature maps of {backbone.name}",
            note=f"Maps chosen: {rule}. Each is scaled from its least value (dark) to its largest (light).",
        )
    }
    row: dict[str, Any] = {
        "layers": [
            {"layer": x.layer, "shape": list(x.shape), "channels": list(x.channels), "variances": list(x.variances)}
            for x in found
        ]
    }
    try:
        seen = inspection.attention(backbone, image)
    except ModelError as error:
        return drawn | {"norms": _norms(backbone, image)}, row | {"attention": str(error)}
    if seen is None:
        return drawn, row | {"attention": "none: a network without attention between tokens"}
    row["attention"] = f"read from {seen.reader}"
    drawn["norms"] = _norms(backbone, image)
    blocks = list(seen.heads)
    three = dict.fromkeys(blocks[min(len(blocks) - 1, int(share * len(blocks)))] for share in (1 / 6, 0.5, 5 / 6))
    heads = {block: list(scaled(seen.heads[block])) for block in three}
    drawn["attention"] = rows_figure(
        shown, heads, {block: [f"head {head}" for head in range(len(rows))] for block, rows in heads.items()},
        heading=f"Attention of {backbone.name}, head by head",
        note=f"Attention of {seen.reader} to each patch; each map from its least value to its largest.", size=1.1,
    )  # fmt: skip
    drawn["rollout"] = rollout_figure(
        shown, scaled(seen.rollout), f"Attention rollout of {backbone.name}, from {seen.reader}"
    )
    return drawn, row


def _norms(backbone: Backbone, image: torch.Tensor) -> Figure:
    norms = inspection.token_norms(backbone, image)
    shown = {f"{cut} {values.min():.3g}–{values.max():.3g}": scaled(values) for cut, values in norms.items()}
    return maps_sheet(shown, f"Norms of the patches' tokens in {backbone.name}")


def filters(source: str | Backbone, *, out: str | Path, device: str = "cpu", download: bool = False) -> dict[str, Any]:
    """Draw the first layer's filters as one RGB sheet: ``filters.png`` and, weight for weight enlarged, ``sheet.png``.

    Args:
        source: a model id or a backbone.
        out: folder of the pictures and of ``results.json``.
        device: where to run.
        download: whether weights may be fetched.

    Returns:
        The content of ``results.json``.

    Raises:
        ModelError: the model does not begin with a convolution over RGB.
    """
    out = Path(out)
    backbone = source if isinstance(source, Backbone) else load_backbone(source, device=device, download=download)
    name, weights = inspection.first_convolution(backbone)
    sheet = inspection.sheet(inspection.rgb(weights))
    count, _, height, width = weights.shape
    save_figure(filters_figure(sheet, f"{backbone.name}: {count} filters of {height} x {width} in {name}"), out / "filters")
    factor = max(1, -(-FILTER_SIDE // sheet.shape[1]))
    exact = Image.fromarray((sheet * 255).round().astype(np.uint8).repeat(factor, 0).repeat(factor, 1))
    write_figure(out / "sheet.png", lambda place: exact.save(place, "PNG"))
    content: dict[str, Any] = {"model": backbone.name, "weights": backbone.weights, "layer": name, "shape": list(weights.shape)}
    write_json(out / "results.json", {"command": "inspect filters", "machine": machine(backbone.device), **content})
    return content
