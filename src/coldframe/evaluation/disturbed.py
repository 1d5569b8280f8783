"""Fitted methods are disturbed together, and what was found is kept with each fit.

All methods of one backbone see the same noisy or corrupted batch, and what they share runs once on it: the frozen part is run
from the pixels on and tapped at each method's own cut. An attack is made on each method by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from torch import Tensor

from coldframe import files
from coldframe.data.base import Split
from coldframe.data.sampling import evenly
from coldframe.evaluation.classifiers import logits_of
from coldframe.evaluation.disturbances import Disturbances
from coldframe.evaluation.robustness import DisturbedScores, curves
from coldframe.files.reading import read
from coldframe.measures.adversarial import attack_curve
from coldframe.measures.robustness import ClassifyAll, Progress, corruption_scores, noise_curves
from coldframe.methods.base import Method
from coldframe.results.parts import Curve
from coldframe.types import Row, digest_of
from coldframe.version import __version__

Who = TypeVar("Who", str, tuple[str, int])
_KEPT = 2
"""Of what is kept beside a fit: another number where it holds other things."""


def jointly(methods: Mapping[Who, Method]) -> ClassifyAll[Who]:
    """Return one callable for methods of one backbone: the frozen part runs once, each goes on from its own cut."""
    backbone = next(iter(methods.values())).backbone
    whole = {who for who, method in methods.items() if type(method).__call__ is not Method.__call__}
    cuts = {method.cut for who, method in methods.items() if who not in whole}

    def classify(images: Tensor) -> dict[Who, Tensor]:
        taps = backbone.taps(images, cuts) if cuts else {}
        return {who: method(images) if who in whole else method.warm(taps[method.cut]) for who, method in methods.items()}

    return classify


def measure(
    methods: Mapping[Who, Method], split: Split, asked: Disturbances, progress: Progress | None = None
) -> dict[Who, DisturbedScores]:
    """Measure fitted methods on disturbed images of a split.

    Args:
        methods: fitted, by any name; those of one backbone and preprocessing are measured together. Those whose gradients
            say little are not attacked.
        split: with the classes that were learned.
        asked: what to measure.
        progress: called with (steps done, steps in all); a step is a batch of one kind of disturbance.
    """
    chosen = evenly(split, asked.images, asked.seed)
    groups: dict[tuple[int, str], dict[Who, Method]] = {}
    for who, method in methods.items():
        method.check_classes(split.classes)
        key = (id(method.backbone.module), digest_of(method.backbone.preprocess.as_dict()))
        groups.setdefault(key, {})[who] = method
    found: dict[Who, DisturbedScores] = {}
    attacked = [who for who, method in methods.items() if asked.eps and not method.gradientless]
    told = _Progress(len(groups) * (bool(asked.noise) + asked.corruptions) + len(attacked), progress)
    for members in groups.values():
        backbone = next(iter(members.values())).backbone
        usual: dict[str, Any] = {"seed": asked.seed, "device": backbone.device}
        # A CPU is fastest in small pieces, as in the cold pass.
        passed = usual | {"dtype": backbone.dtype, "batch_size": 8 if backbone.device.type == "cpu" else 64}
        classify, noise, corruptions, attacks = jointly(members), {}, {}, {}
        if asked.noise:
            noise = noise_curves(
                classify, chosen, backbone.preprocess, asked.noise, space=asked.space, progress=told.next(), **passed
            )
        if asked.corruptions:
            corruptions = corruption_scores(classify, chosen, backbone.preprocess, progress=told.next(), **passed)
        for who in members:
            if who in attacked:
                attacks[who] = attack_curve(
                    logits_of(methods[who]), chosen, backbone.preprocess, asked.eps,
                    steps=asked.steps, restarts=asked.restarts, progress=told.next(), **usual,
                    batch_size=None if backbone.device.type == "cpu" else 64,
                )  # fmt: skip
        found |= {who: DisturbedScores(noise.get(who), corruptions.get(who), attacks.get(who)) for who in members}
    return found


class _Progress:
    """Turns the progress of several passes over the images into one."""

    def __init__(self, passes: int, progress: Progress | None) -> None:
        self._passes, self._progress, self._started = passes, progress, 0

    def next(self) -> Progress | None:
        if self._progress is None:
            return None
        before, tell = self._started, self._progress
        self._started += 1

        def told(done: int, total: int) -> None:
            tell(before * total + done, self._passes * total)

        return told


def add(
    rows: Sequence[Row],
    fits: Mapping[tuple[str, int], tuple[Method, Path | None]],
    split: Split,
    asked: Disturbances,
    progress: Progress | None = None,
) -> dict[str, list[Curve]]:
    """Measure the fits of a comparison and write what is found into their rows.

    What is finished is kept in the folder of each fit and read from there the next time.

    Args:
        rows: with ``method`` and ``seed``; they gain what :meth:`DisturbedScores.fields` returns.
        fits: by method and seed, each with its folder; None keeps nothing.
        split: the test images.
        asked: what to measure.
        progress: see :func:`measure`.

    Returns:
        The lines of the robustness figures by method, means over seeds.
    """
    if not asked:
        return {}
    name = f"robustness-{digest_of([__version__, _KEPT, asdict(asked)])[:8]}.json"
    kept = {who: folder / name for who, (_, folder) in fits.items() if folder is not None}
    remedy = "remove it to measure again"
    found = {who: read(path, DisturbedScores, remedy=remedy) for who, path in kept.items() if path.exists()}
    todo = {who: method for who, (method, _) in fits.items() if who not in found}
    if todo:
        fresh = measure(todo, split, asked, progress)
        for who, one in fresh.items():
            if who in kept:
                files.write_json(kept[who], asdict(one))
        found |= fresh
    for row in rows:
        row |= found[row["method"], row["seed"]].fields()
    methods = list(dict.fromkeys(method for method, _ in fits))
    return {method: curves([one for (name, _), one in found.items() if name == method]) for method in methods}
