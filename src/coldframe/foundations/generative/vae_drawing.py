"""Figures of a VAE: samples, reconstructions, interpolations, the manifold, and its course in bits per dimension."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor

from coldframe.foundations.generative.digits import to_levels
from coldframe.foundations.generative.sheets import interpolation_figure, manifold_figure, samples_figure, sheet_figure
from coldframe.foundations.generative.vae import VAE
from coldframe.report.figures.style import bars, line_plot

ACROSS = 16


def shown(model: VAE, pictures: Tensor) -> dict[str, tuple[str, Figure]]:
    """Return the pictures of a run, file stem -> (caption, figure): samples, reconstructions, interpolations, manifold.

    Args:
        model: the network.
        pictures: uint8 test pictures [N, 28, 28].
    """
    found = {"samples": ("Expected grey values of codes drawn from the prior.", samples_figure(model, 100)[1])}
    rows = torch.split(pictures[: 2 * ACROSS], ACROSS)
    lines = [part for row in rows for part in (_grey(row, model.levels), model.reconstruct(row).cpu())]
    names = tuple(name for _ in rows for name in ("test picture", "from its code"))
    sheet = sheet_figure(torch.cat(lines), ACROSS, title="Reconstructions", rows=names)
    found["reconstructions"] = ("Test pictures, and the expected grey values of their mean codes.", sheet)
    with torch.no_grad():
        codes = model.encode(to_levels(pictures[:16], model.levels))[0]
    half = len(codes) // 2
    if half:
        between = interpolation_figure(model, codes[:half], codes[half : 2 * half], title="From one test picture to another")
        found["interpolations"] = ("Straight lines between the mean codes of two test pictures.", between)
    if model.latent == 2:
        caption = "Expected grey values on a grid of the prior's percentiles."
        found["manifold"] = (caption, manifold_figure(model)[1])
    return found


def _grey(pixels: Tensor, levels: int) -> Tensor:
    return to_levels(pixels, levels).float().cpu() / (levels - 1)


def bits_figure(history: Sequence[dict[str, Any]], marginal: float) -> Figure:
    """Draw validation bits per dimension over epochs, with what is reached without a latent."""
    epochs = [float(line["epoch"]) for line in history]
    lines: dict[str, tuple[list[float], list[float | None]]] = {
        "validation": (epochs, [-line["val"] for line in history]),
        "one distribution per pixel": (epochs, [marginal] * len(epochs)),
    }
    markers = dict.fromkeys(lines, "")
    return line_plot(lines, title="Bits per dimension", x_label="epoch", y_label="bits per dimension", markers=markers)


def kl_figure(each: Sequence[float]) -> Figure:
    """Draw the KL of every latent dimension, largest first."""
    order = sorted(range(len(each)), key=lambda d: -each[d])
    values = {f"z{d}": each[d] for d in order}
    texts = {f"z{d}": f"{each[d]:.2f}" for d in order}
    return bars(values, title="KL of each latent dimension", x_label="nats per picture", texts=texts)
