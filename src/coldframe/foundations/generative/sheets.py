"""Figures of many small pictures in one: samples, reconstructions, interpolations and the manifold."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from coldframe import files
from coldframe.errors import InputError
from coldframe.foundations.generative import saved
from coldframe.foundations.generative.codes import interpolate, manifold_codes
from coldframe.foundations.generative.saved import Decoder
from coldframe.report.figures.style import INK, SOFT, new_figure, save_figure, style


def mosaic(pictures: Tensor, columns: int | None = None, gap: int = 2) -> NDArray[np.float32]:
    """Return pictures side by side as one, row by row; what is missing in the last row is white.

    Args:
        pictures: floats in [0, 1] [N, H, W].
        columns: pictures per row; near a square when None.
        gap: white pixels between pictures.

    Returns:
        Floats [H', W'].
    """
    if pictures.ndim != 3 or not len(pictures):
        raise InputError(f"expected one or more pictures of shape [N, H, W], found {list(pictures.shape)}")
    n, height, width = pictures.shape
    columns = min(columns or math.ceil(math.sqrt(n)), n)
    rows = math.ceil(n / columns)
    sheet = np.ones((rows * (height + gap) - gap, columns * (width + gap) - gap), dtype=np.float32)
    for place, picture in enumerate(pictures.detach().cpu().float().numpy()):
        top, left = place // columns * (height + gap), place % columns * (width + gap)
        sheet[top : top + height, left : left + width] = picture
    return sheet


def sheet_figure(
    pictures: Tensor,
    columns: int | None = None,
    *,
    title: str = "",
    note: str = "",
    rows: tuple[str, ...] = (),
    size: float = 0.42,
) -> Figure:
    """Return a figure of a mosaic.

    Args:
        pictures: floats in [0, 1] [N, H, W].
        columns: pictures per row; near a square when None.
        title: heading.
        note: small letters under it.
        rows: what stands at the left of each row of pictures.
        size: inches of a picture's side.
    """
    sheet = mosaic(pictures, columns)
    height, width = sheet.shape
    side = size / pictures.shape[-1]
    with style():
        figure = new_figure(max(width * side + 0.1 + (1.1 if rows else 0), 3.6), height * side + 0.5 + (0.25 if note else 0))
        axes = figure.add_subplot()
        axes.imshow(sheet, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        axes.set(xticks=[], yticks=[])
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)
        if rows:
            pitch = pictures.shape[-2] + 2
            axes.set_yticks([pitch * row + pitch / 2 - 1 for row in range(len(rows))], rows, fontsize=9, color=INK)
            axes.tick_params(axis="y", length=0)
        if title:
            figure.suptitle(title, fontsize=11, fontweight="bold", x=0.01, ha="left")
        if note:
            figure.supxlabel(note, fontsize=8.5, color=SOFT, x=0.01, ha="left")
    return figure


def samples_figure(decoder: Decoder, n: int = 64, seed: int = 0, *, title: str = "Samples") -> tuple[Tensor, Figure]:
    """Draw n codes from N(0, 1) and return their expected grey values [n, 28, 28] with a figure of them."""
    if n < 1:
        raise InputError(f"expected 1 or more samples, found n={n}; 64 fill a square")
    pictures = decoder.decode(torch.randn(n, decoder.latent, generator=torch.Generator().manual_seed(seed)))
    return pictures, sheet_figure(pictures, title=title)


def manifold_figure(decoder: Decoder, n: int = 20, *, title: str = "What two dimensions hold") -> tuple[Tensor, Figure]:
    """Return the expected grey values [n n, 28, 28] on the grid of percentiles, and a figure of them.

    Raises:
        InputError: the codes do not have two dimensions.
    """
    pictures = decoder.decode(manifold_codes(n, decoder.latent))
    figure = sheet_figure(pictures, n, title=title, size=max(0.28, min(0.6, 7.5 / n)))
    axes, pitch = figure.axes[0], pictures.shape[-1] + 2
    shown = sorted({round(share * (n - 1)) for share in (0, 0.25, 0.5, 0.75, 1)})
    middles, percents = [pitch * i + pitch / 2 - 1 for i in shown], [f"{100 * (i + 0.5) / n:.3g}" for i in shown]
    axes.set_xticks(middles, percents, fontsize=8, color=INK)
    axes.set_yticks([pitch * n - 2 - middle for middle in middles], percents, fontsize=8, color=INK)
    axes.set_xlabel("z1, percentile of the prior", fontsize=9, color=INK)
    axes.set_ylabel("z2, percentile of the prior", fontsize=9, color=INK)
    return pictures, figure


def interpolation_figure(decoder: Decoder, start: Tensor, end: Tensor, steps: int = 12, *, title: str = "") -> Figure:
    """Return a figure with one row of pictures for each pair of codes start and end [B, D]."""
    return sheet_figure(decoder.decode(interpolate(start, end, steps).flatten(0, 1)), steps, title=title)


def write_samples(run: Path, n: int = 64, seed: int = 0, out: Path | None = None) -> list[Path]:
    """Draw pictures from a saved run and write them as a figure and as an array; return the files.

    Args:
        run: folder of the run.
        n: how many.
        seed: of the codes.
        out: folder for ``samples.png``, ``samples.svg`` and ``samples.npy``; ``samples`` in the run when None.

    Raises:
        InputError: the folder holds no finished run, or ``n`` is under 1.
    """
    return _write(Path(out or Path(run) / "samples") / "samples", *samples_figure(saved.decoder(run), n, seed))


def write_manifold(run: Path, n: int = 20, out: Path | None = None) -> list[Path]:
    """Draw the manifold of a saved run with two latent dimensions and write it; return the files.

    Args:
        run: folder of the run.
        n: pictures a side.
        out: folder for ``manifold.png``, ``manifold.svg`` and ``manifold.npy``; ``manifold`` in the run when None.

    Raises:
        InputError: the folder holds no finished run, or its codes do not have two dimensions.
    """
    return _write(Path(out or Path(run) / "manifold") / "manifold", *manifold_figure(saved.decoder(run), n))


def _write(stem: Path, pictures: Tensor, figure: Figure) -> list[Path]:
    array = pictures.cpu().float().numpy()
    with files.replacing(stem.with_suffix(".npy"), suffix=".npy") as temporary:
        np.save(temporary, array, allow_pickle=False)
    return [*save_figure(figure, stem), stem.with_suffix(".npy")]
