"""``coldframe sample``: pictures drawn from the prior of a trained generative model."""

from __future__ import annotations

from pathlib import Path

from coldframe.cli import common, numbers


def sample(run: Path, *, n: numbers.Pictures = 64, seed: numbers.Seed = 0, out: Path | None = None) -> None:
    """Draw pictures from a run of ``coldframe train vae`` or ``aae``: expected grey values of codes from the prior.

    Writes samples.png, samples.svg, and samples.npy with floats in [0, 1] of shape n x 28 x 28.

    Args:
        run: folder of the run.
        n: number of pictures.
        seed: of the codes.
        out: folder for the files; by default samples/ in the run's folder.
    """
    from coldframe.foundations.generative.sheets import write_samples

    for path in write_samples(run, n, seed, out):
        common.say(path)
