"""What a verb tells while it works, and the words for what it works on."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from coldframe.backbones.base import Backbone
from coldframe.cold import PassReport
from coldframe.data.base import Dataset
from coldframe.files import slug
from coldframe.methods.base import Method
from coldframe.results.parts import About
from coldframe.types import PIXELS, Row


class Watch:
    """What compare tells while it works. The base class keeps silent."""

    failures: tuple[str, ...] = ()
    """A sentence for each fit that could not be finished."""

    def failed(self, sentence: str) -> None:
        """A fit could not be finished; the others go on."""
        self.failures = (*self.failures, sentence)

    def start(self, model: str, data: str) -> None:
        """A model meets a data set: the lines that describe both."""

    def cold(self, done: int, total: int) -> None:
        """The cold pass has done so many images of so many."""

    def cold_done(self, report: PassReport) -> None:
        """The cold pass is over."""

    def planned(self, methods: Sequence[str], epochs: Mapping[str, int], seeds: int) -> None:
        """These methods will be fitted, in this order, each with every seed; for how many epochs, where they have them."""

    def promised(self, sentence: str) -> None:
        """What a budget has room for, or what became of it."""

    def fitting(self, method: str, seed: int) -> None:
        """A fit begins."""

    def epoch(self, method: str, seed: int, metrics: Mapping[str, Any]) -> None:
        """An epoch is over."""

    def row(self, row: Row) -> None:
        """A row is measured."""

    def disturbed(self, done: int, total: int) -> None:
        """So many of so many batches have been measured under noise and corruptions, after all fits."""


def folder_names(specs: Sequence[str]) -> dict[str, str]:
    """Return a folder name for each data spec, no two the same: ``mini-cifar10`` for ``mini:cifar10``."""
    found: dict[str, str] = {}
    for spec in specs:
        name, number = slug(spec), 1
        while name in found.values():
            number += 1
            name = f"{slug(spec)}-{number}"
        found[spec] = name
    return found


def command_line() -> str:
    """Return the command that runs, as it was typed."""
    return " ".join(["coldframe", *map(shlex.quote, sys.argv[1:])])


def describe_model(backbone: Backbone) -> str:
    """Return the line that describes a model: name, parameters, weights."""
    return f"{backbone.name}, {backbone.parameter_count / 1e6:.1f} M parameters ({backbone.weights})"


def describe_data(datasets: Sequence[Dataset]) -> str:
    """Return the line that describes a data set: name, sizes, classes."""
    first = datasets[0]
    sizes = f"{len(first.train):,} train, {len(first.val):,} val, {len(first.test):,} test, {len(first.classes)} classes"
    return f"{first.spec}: {sizes}"


def wanted(methods: Sequence[Method], *first: tuple[str, str]) -> list[tuple[str, str]]:
    """Return each (cut, view) once that the cold pass is to keep for some methods; pixels are read as they are."""
    every = [*first, *((cut, view) for method in methods for cut in method.cuts for view in method.views)]
    return [want for want in dict.fromkeys(every) if want[0] != PIXELS]


def circumstances(
    dataset: Dataset, methods: Mapping[str, Method], backbones: Sequence[Backbone] = (), **more: Any
) -> About:
    """Return what stands above and below a table.

    Args:
        dataset: the data.
        methods: by what their settings are called.
        backbones: whose weights were used; that of the methods when empty.
        more: the other parts of :class:`About`, or others in place of these.
    """
    backbones = backbones or [method.backbone for method in methods.values()][:1]
    facts = {
        "model": ", ".join(backbone.name for backbone in backbones),
        "parameters": backbones[0].parameter_count if len(backbones) == 1 else None,
        "splits": dataset.origin,
        "settings": {name: repr(method) for name, method in methods.items()},
        "digests": {f"weights of {backbone.name}": backbone.digest for backbone in backbones},
    }
    return About(**(facts | more))
