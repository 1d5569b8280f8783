"""Figures of a VAE."""

from __future__ import annotations

import pytest
import torch
from drawn import unchanged

from coldframe.foundations.generative.vae import VAE
from coldframe.foundations.generative.vae_drawing import bits_figure, kl_figure, shown


def test_the_manifold_is_drawn_for_two_dimensions_only() -> None:
    pictures = torch.randint(0, 256, (20, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    flat, deep = shown(VAE(2, channels=2), pictures), shown(VAE(3, channels=2), pictures)
    assert list(flat) == ["samples", "reconstructions", "interpolations", "manifold"]
    assert flat.keys() - deep.keys() == {"manifold"}
    assert list(shown(VAE(3, channels=2), pictures[:1])) == ["samples", "reconstructions"]


def test_lines_and_bars_show_the_numbers() -> None:
    lines = bits_figure([{"epoch": 1, "val": -0.9}, {"epoch": 2, "val": -0.7}], 0.95).axes[0].lines
    assert [line.get_ydata().tolist() for line in lines] == [[0.9, 0.7], [0.95, 0.95]]  # type: ignore[union-attr]
    axes = kl_figure((0.1, 2.0, 1.0)).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["z1", "z2", "z0"]


def test_lines_bars_and_sheets_are_drawn_as_they_were() -> None:
    unchanged(__file__, "bits", bits_figure([{"epoch": 1, "val": -0.9}, {"epoch": 2, "val": -0.7}], 0.95))
    unchanged(__file__, "kl", kl_figure((0.125, 2.0, 1.0)))
    model = VAE(3, channels=2)
    model.decode = lambda codes: torch.full((len(codes), 28, 28), 0.5)  # type: ignore[method-assign]
    model.reconstruct = lambda row: torch.full((len(row), 28, 28), 0.25)  # type: ignore[method-assign]
    pictures = torch.full((20, 28, 28), 51, dtype=torch.uint8)
    for name, (_, figure) in shown(model, pictures).items():
        unchanged(__file__, f"vae_{name}", figure)


def test_two_rows_of_sixteen_are_shown_again_and_eight_pairs_are_joined() -> None:
    model = VAE(3, channels=2)
    model.decode = lambda codes: torch.full((len(codes), 28, 28), 0.5)  # type: ignore[method-assign]
    model.reconstruct = lambda row: torch.full((len(row), 28, 28), 0.25)  # type: ignore[method-assign]
    pictures = (17 * (torch.arange(40) % 16)).to(torch.uint8).view(-1, 1, 1).expand(40, 28, 28)
    found = {name: figure.axes[0].images[0].get_array() for name, (_, figure) in shown(model, pictures).items()}
    assert found["reconstructions"].shape == (4 * 30 - 2, 16 * 30 - 2)
    middles = found["reconstructions"][14::30, 14::30]
    assert middles[0].tolist() == middles[2].tolist() == pytest.approx([k / 15 for k in range(16)], rel=1e-6)
    assert (middles[[1, 3]] == 0.25).all() and found["interpolations"].shape == (8 * 30 - 2, 12 * 30 - 2)
    assert found["samples"].shape == (10 * 30 - 2, 10 * 30 - 2)
