"""The command line: one file a verb, imported when the verb is used."""

from __future__ import annotations

import os
import sys
from typing import Any

VERBS: dict[str, tuple[str, str]] = {
    "compare": ("coldframe.cli.compare:compare", "Run ways to adapt a frozen model on your images; table, verdict, report."),
    "fit": ("coldframe.cli.fit:fit", "Fit one method, evaluate it, save what it learned."),
    "evaluate": ("coldframe.cli.evaluate:evaluate", "Measure a saved run on data."),
    "predict": ("coldframe.cli.predict:predict", "Top-k classes of image files, by a model or a saved run."),
    "zero-shot": ("coldframe.cli.zero_shot:zero_shot", "Classify by class names alone, or ask anything of images."),
    "sweep": ("coldframe.cli.sweep:sweep", "A grid of settings on one shared cold pass, resumed by itself, with heat maps."),
    "benchmark": ("coldframe.cli.benchmark:benchmark", "Latency, memory, size and accuracy of models, in one picture."),
    "attack": ("coldframe.cli.attack:attack", "Adversarial examples of image files, and what they survive."),
    "extract": ("coldframe.cli.extract:extract", "Features of many images as npy files, in shards that resume and merge."),
    "inspect": ("coldframe.cli.inspect:app", "Feature maps, attention and filters of a model; where two runs disagree."),
    "train": ("coldframe.cli.train:app", "Train a network built to be understood."),
    "sample": ("coldframe.cli.sample:sample", "Pictures from a trained generative model."),
    "manifold": ("coldframe.cli.manifold:manifold", "What the two latent dimensions of a generative model hold, as a grid."),
    "graph": ("coldframe.cli.graph:app", "Matrices, walks and identities of a graph."),
    "models": ("coldframe.cli.models:models", "List models that can be loaded, and what is on this disk."),
    "datasets": ("coldframe.cli.datasets:datasets", "List kinds of data, or describe one data set."),
    "cache": ("coldframe.cli.cache:cache", "Show or clear the store of cold activations."),
}
"""Verb -> (where its function lives, its line in the help)."""
_ABOUT = "Adapt a frozen vision model to your images, and see what each way gains and costs."


def main(argv: list[str] | None = None) -> None:
    """Run the command line. Errors of the house are one sentence on stderr and exit status 2."""
    from coldframe.errors import ColdframeError

    words = sys.argv[1:] if argv is None else argv
    try:
        if not words or words[0] in ("--help", "-h", "help"):
            print(top_help())
        else:
            _dispatch(words)
    except ColdframeError as error:
        print(f"coldframe: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        print("coldframe: stopped; what was finished is kept, run the same command again to go on", file=sys.stderr)
        raise SystemExit(130) from None
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None


def top_help() -> str:
    """Return the help of the command itself, written here because importing a parser for it takes half a second."""
    width = max(map(len, VERBS))
    lines = [f"  {name:{width}}  {line}" for name, (_, line) in VERBS.items()]
    return "\n".join([
        "Usage: coldframe VERB [OPTIONS]", "", _ABOUT, "", "Verbs:", *lines, "",
        "coldframe VERB --help lists the options of a verb; coldframe --version prints the version.",
    ])  # fmt: skip


def _dispatch(words: list[str]) -> None:
    from coldframe import __version__
    from coldframe.errors import InputError, nearest

    if words[0] == "--version":
        print(__version__)
        return
    if words[0] not in VERBS:
        raise InputError(f"unknown verb {words[0]!r}{nearest(words[0], VERBS) or '; coldframe --help lists the verbs'}")
    from cyclopts import App, CycloptsError

    from coldframe.allocator import keep_freed_memory

    # Threads that spin long while they wait slow a busy machine down many times; read when torch is imported.
    os.environ.setdefault("GOMP_SPINCOUNT", "20000")
    keep_freed_memory()

    app = App(name="coldframe", help=_ABOUT, version=__version__)
    for name, (place, line) in VERBS.items():
        own_help: dict[str, Any] = {"help_flags": []} if name == "fit" else {}  # its help is that of the method named
        app.command(place, name=name, help=line, **own_help)
    try:
        app(words, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        raise InputError(f"{' '.join(str(error).split())} (coldframe {words[0]} --help lists the options)") from error
