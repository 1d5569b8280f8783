"""The command line: one file a verb, imported when the verb is used."""

from __future__ import annotations

import os
import sys

VERBS: dict[str, tuple[str, str]] = {
    "compare": ("coldframe.cli.compare:compare", "Run ways to adapt a frozen model on your images; table, verdict, report."),
    "fit": ("coldframe.cli.fit:fit", "Fit one method, evaluate it, save what it learned."),
    "evaluate": ("coldframe.cli.evaluate:evaluate", "Measure a saved run on data."),
    "predict": ("coldframe.cli.predict:predict", "Top-k classes of image files, by a model or a saved run."),
    "zero-shot": ("coldframe.cli.zero_shot:zero_shot", "Classify by class names alone, or ask anything of images."),
    "models": ("coldframe.cli.models:models", "List models that can be loaded, and what is on this disk."),
    "datasets": ("coldframe.cli.datasets:datasets", "List kinds of data, or describe one data set."),
}
"""Verb -> (where its function lives, its line in the help)."""


def main(argv: list[str] | None = None) -> None:
    """Run the command line. Errors of the house are one sentence on stderr and exit status 2."""
    from cyclopts import App

    from coldframe.errors import ColdframeError

    app = App(name="coldframe", help="Adapt a frozen vision model to your images, and see what each way gains and costs.")
    for name, (place, line) in VERBS.items():
        app.command(place, name=name, help=line)
    try:
        app(argv)
    except ColdframeError as error:
        print(f"coldframe: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        print("coldframe: stopped; what was finished is kept, run the same command again to go on", file=sys.stderr)
        raise SystemExit(130) from None
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None
