"""``coldframe manifold``: what the two latent dimensions of a trained generative model hold."""

from __future__ import annotations

from pathlib import Path

from coldframe.cli import common, numbers


def manifold(run: Path, *, n: numbers.Side = 20, out: Path | None = None) -> None:
    """Draw expected grey values on an n x n grid of the prior's percentiles, for a run with --latent 2.

    Writes manifold.png, manifold.svg, and manifold.npy with floats in [0, 1] of shape (n n) x 28 x 28.

    Args:
        run: folder of the run.
        n: pictures a side.
        out: folder for the files; by default manifold/ in the run's folder.
    """
    from coldframe.foundations.generative.sheets import write_manifold

    for path in write_manifold(run, n, out):
        common.say(path)
