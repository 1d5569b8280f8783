"""The figures of ``coldframe train aae``: samples, reconstructions, codes by class, and the diagnostics of its training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from torch import Tensor

from coldframe.foundations.generative.adversarial import AAE
from coldframe.foundations.generative.digits import Digits
from coldframe.foundations.generative.sheets import samples_figure, sheet_figure
from coldframe.report.figures.style import INK, PALETTE, SOFT, bars, log_scale, new_figure, style

SHOWN = 16
_PANELS = (
    ("discriminator accuracy", ("discriminator_accuracy",), 0.5),
    ("codes: spread and mean", ("code_std", "code_mean"), 1.0),
    ("codes to N(0, 1)", ("gaussian_distance", "sliced_wasserstein"), None),
    ("squared error of a pixel", ("error",), None),
)
_NAMES = {
    "code_std": "standard deviation",
    "code_mean": "length of the mean",
    "gaussian_distance": "Frechet",
    "sliced_wasserstein": "sliced Wasserstein",
}


def shown(model: AAE, test: Digits) -> dict[str, tuple[str, Figure]]:
    """Return file stem -> (caption, figure) of what the networks do with test pictures and with draws of the prior."""
    step = max(1, len(test) // (2 * SHOWN))
    pictures = test.pixels[::step][: 2 * SHOWN]
    again = model.decode(model.encode(pictures))
    first, second = torch.split(pictures.float() / 255, SHOWN), torch.split(again, SHOWN)
    rows = [part for pair in zip(first, second, strict=True) for part in pair]
    names = tuple(["test", "again"] * (len(rows) // 2))
    found = {
        "samples": ("Pictures of 100 codes drawn from N(0, 1).", samples_figure(model, 100)[1]),
        "reconstructions": (
            "Test pictures and, under each, what the decoder makes of its code.",
            sheet_figure(torch.cat(rows), SHOWN, title="Reconstructions", rows=names),
        ),
    }
    if model.latent == 2:
        codes = model.encode(test.pixels[:5_000])
        labels = test.labels[:5_000]
        caption = "Codes of test pictures, coloured by class; the circles hold 50, 90 and 99% of N(0, 1)."
        found["codes"] = (caption, scatter(codes, labels, test.classes))
    return found


def scatter(codes: Tensor, labels: Tensor, classes: Sequence[str]) -> Figure:
    """Return codes [N, 2] as points coloured by class [N], over the circles that hold 50, 90 and 99% of N(0, 1)."""
    with style():
        figure = new_figure(6.6, 5.4)
        axes = figure.add_subplot()
        for k, name in enumerate(classes):
            mine = codes[labels == k]
            axes.scatter(mine[:, 0], mine[:, 1], s=5, color=PALETTE[k % len(PALETTE)], label=name, alpha=0.6, linewidths=0)
        for share in (0.5, 0.9, 0.99):
            # |z|^2 of two dimensions is exponential with mean 2.
            radius = (-2 * torch.log(torch.tensor(1 - share))).sqrt().item()
            axes.add_patch(Circle((0, 0), radius, fill=False, color=INK, linewidth=0.9, linestyle="--"))
            axes.text(0, radius, f"{100 * share:.0f}%", ha="center", va="bottom", fontsize=8, color=INK)
        axes.set(xlabel="first dimension", ylabel="second dimension", title="Codes of test pictures")
        axes.set_aspect("equal", adjustable="datalim")
        figure.legend(loc="outside right upper", markerscale=3, fontsize=9)
    return figure


def diagnostics(history: Sequence[Mapping[str, Any]]) -> Figure:
    """Return four panels against the epoch: discriminator, codes, distance to the prior, reconstruction."""
    epochs = [row["epoch"] for row in history]
    with style():
        figure = new_figure(9.0, 5.4)
        for place, (panel, (title, fields, goal)) in enumerate(zip(figure.subplots(2, 2).flat, _PANELS, strict=True)):
            for i, field in enumerate(fields):
                marker = "os"[i] if len(epochs) <= 12 else ""
                values = [row[field] for row in history]
                look = {"color": PALETTE[i], "linewidth": 1.8, "marker": marker, "markersize": 4}
                panel.plot(epochs, values, label=_NAMES.get(field), **look)
            if goal is not None:
                panel.axhline(goal, color=SOFT, linestyle=":", linewidth=1.2)
            panel.set(title=title, xlabel="epoch" if place > 1 else "")
            if place in (1, 2):
                # The mean code may lie far out in the first epochs, a hundred times as far as later.
                log_scale(panel)
            else:
                panel.set_ylim(bottom=min([0.4, *(row[fields[0]] for row in history)]) if place == 0 else 0)
            panel.xaxis.get_major_locator().set_params(integer=True)
            if len(fields) > 1:
                panel.legend(fontsize=9)
    return figure


def scores(found: Mapping[str, Any]) -> Figure:
    """Return the Frechet distance of the samples among the floor and the controls, as bars."""
    values = {"samples": found["frechet"], "training images (floor)": found["floor"]}
    values |= {name.replace("_", " "): value for name, value in found["controls"].items()}
    return bars(
        values, title="How far from the test images", x_label="Frechet distance of classifier features",
        colours={name: PALETTE[1] if name == "samples" else PALETTE[0] for name in values},
        texts={name: f"{value:.1f}" for name, value in values.items()},
    )  # fmt: skip
