"""Fitted methods under noise and corruptions: what ``evaluate`` asks of one run and ``compare`` of all fits at once.

All methods of one backbone see the same disturbed batch, and what they share runs once on it: the frozen part is run from the
pixels on and tapped at each method's own cut.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args

import numpy as np
from torch import Tensor

from coldframe import __version__, files
from coldframe.data.base import Split
from coldframe.data.corruptions import GROUPS, LEVELS, NAMES
from coldframe.errors import InputError, nearest
from coldframe.measures.robustness import (
    ClassifyAll,
    CorruptionScores,
    NoiseCurve,
    Progress,
    Space,
    checked_deviations,
    corruption_scores,
    noise_curves,
)
from coldframe.methods.base import Method
from coldframe.report.parts import Curve
from coldframe.types import Row, digest_of

Who = TypeVar("Who", str, tuple[str, int])
DEVIATIONS = (0.0, 0.05, 0.1, 0.2)
"""What ``robustness=True`` measures."""


@dataclass(frozen=True)
class Asked:
    """How methods are disturbed.

    Args:
        noise: standard deviations of Gaussian noise; empty for none.
        space: where the noise is added: ``"normalised"`` images, as the founding course does, or ``"pixel"`` values.
        corruptions: whether the fifteen corruptions are measured at all five severities.
        images: most test images to disturb, drawn evenly over classes; None disturbs all.
        seed: of the noise, the corruptions and the draw of images.
    """

    noise: tuple[float, ...] = ()
    space: Space = "normalised"
    corruptions: bool = False
    images: int | None = None
    seed: int = 0

    @classmethod
    def of(
        cls,
        noise: float | Sequence[float] | None = None,
        *,
        space: Space = "normalised",
        corruptions: bool = False,
        robustness: bool = False,
        images: int | None = None,
    ) -> Asked:
        """Return what loose arguments ask for; ``robustness`` stands for noise and corruptions as they are usual.

        Raises:
            InputError: a standard deviation below 0, an unknown space, or fewer than one image.
        """
        wanted = (noise,) if isinstance(noise, int | float) else tuple(noise or (DEVIATIONS if robustness else ()))
        if images is not None and images < 1:
            raise InputError(f"expected at least one image to disturb, found {images}")
        if space not in get_args(Space):
            raise InputError(f"unknown space of noise {space!r}{nearest(str(space), get_args(Space))}")
        return cls(checked_deviations(wanted) if wanted else (), space, corruptions or robustness, images)

    def __bool__(self) -> bool:
        return bool(self.noise) or self.corruptions

    @property
    def named(self) -> str:
        """The standard deviation of ``noise_top1`` as text; empty without noise."""
        return f"{NoiseCurve(self.space, self.noise, (), 0).named:g}" if self.noise else ""

    def notes(self, split: Split) -> list[str]:
        """Return the sentences that a reader of the numbers must know."""
        n = len(sample(split, self.images, self.seed))
        of = f"all {n:,} test images" if n == len(split) else f"{n:,} of {len(split):,} test images, drawn evenly over classes"
        said = []
        if self.noise:
            where = "to normalised images, as the founding course does" if self.space == "normalised" else (
                "to pixels in [0, 1], which are then cut to [0, 1]"
            )  # fmt: skip
            said.append(f"noise of N(0, {self.named}²) was added {where}; {of}, the same noise for every method")
        if self.corruptions:
            said.append(
                f"'corrupted' is the mean over {len(NAMES)} corruptions at {len(LEVELS)} severities (after ImageNet-C, frost "
                f"grown instead of photographed) of {of}, the same for every method"
            )
        return said


@dataclass(frozen=True)
class Found:
    """What one method does on disturbed images; each part None where it was not asked for."""

    noise: NoiseCurve | None = None
    corruptions: CorruptionScores | None = None

    def fields(self) -> Row:
        """Return what the row of ``results.json`` gains."""
        row: Row = {}
        if self.noise is not None:
            by = {f"{d:g}": top1 for d, top1 in zip(self.noise.deviations, self.noise.top1, strict=True)}
            row |= {"noise_top1": self.noise.noise_top1, "noise_n": self.noise.n}
            row["noise"] = {"space": self.noise.space, "n": self.noise.n, "top1": by}
        if self.corruptions is not None:
            row["corruption_top1"] = self.corruptions.mean
            row["corruptions"] = {"n": self.corruptions.n, "top1": self.corruptions.by_corruption}
        return row

    def lines(self) -> list[str]:
        """Return the same for a terminal."""
        said = []
        if self.noise is not None:
            pairs = zip(self.noise.deviations, self.noise.top1, strict=True)
            said.append(f"noise ({self.noise.space})  " + "   ".join(f"{d:g}: {top1:.2%}" for d, top1 in pairs))
        if self.corruptions is not None:
            by = self.corruptions.by_corruption
            said.append(f"corruptions  mean {self.corruptions.mean:.2%}")
            for group, names in GROUPS.items():
                said.append(f"  {group:8}  " + "   ".join(f"{name} {by[name]:.1%}" for name in names if name in by))
        return said


def deviations(texts: Sequence[str] | None) -> list[float]:
    """Return standard deviations given as texts: ``0,0.05`` or one at a time.

    Example:
        >>> deviations(["0,0.05", "0.1"])
        [0.0, 0.05, 0.1]
    """
    found = []
    for text in (part.strip() for whole in texts or () for part in whole.split(",")):
        try:
            found.append(float(text))
        except ValueError:
            raise InputError(f"expected standard deviations of noise such as 0,0.05,0.1, found {text!r}") from None
    return found


def sample(split: Split, most: int | None, seed: int = 0) -> Split:
    """Return at most ``most`` items, as evenly over the classes as they come, in their own order."""
    if most is None or most >= len(split):
        return split
    order = np.random.default_rng(seed).permutation(len(split))
    rank, seen = np.empty(len(split), dtype=np.int64), dict.fromkeys(range(len(split.classes)), 0)
    for row in order.tolist():
        label = int(split.labels[row])
        rank[row], seen[label] = seen[label], seen[label] + 1
    place = np.argsort(order)
    return split.subset(np.sort(np.lexsort((place, rank))[:most]))


def jointly(methods: Mapping[Who, Method]) -> ClassifyAll[Who]:
    """Return one callable for methods of one backbone: the frozen part runs once, each goes on from its own cut."""
    backbone = next(iter(methods.values())).backbone
    whole = {who for who, method in methods.items() if type(method).__call__ is not Method.__call__}
    cuts = {method.cut for who, method in methods.items() if who not in whole}

    def classify(images: Tensor) -> dict[Who, Tensor]:
        taps = backbone.taps(images, cuts) if cuts else {}
        return {who: method(images) if who in whole else method.warm(taps[method.cut]) for who, method in methods.items()}

    return classify


def measure(methods: Mapping[Who, Method], split: Split, asked: Asked, progress: Progress | None = None) -> dict[Who, Found]:
    """Measure fitted methods on disturbed images of a split.

    Args:
        methods: fitted, by any name; those of one backbone and preprocessing are measured together.
        split: with the classes that were learned.
        asked: what to measure.
        progress: called with (steps done, steps in all); a step is a batch of one kind of disturbance.
    """
    chosen = sample(split, asked.images, asked.seed)
    groups: dict[tuple[int, str], dict[Who, Method]] = {}
    for who, method in methods.items():
        method.check_classes(split.classes)
        key = (id(method.backbone.module), digest_of(method.backbone.preprocess.as_dict()))
        groups.setdefault(key, {})[who] = method
    found: dict[Who, Found] = {}
    told = _Told(len(groups) * (bool(asked.noise) + asked.corruptions), progress)
    for members in groups.values():
        backbone = next(iter(members.values())).backbone
        settings: dict[str, Any] = {
            "seed": asked.seed,
            "device": backbone.device,
            "dtype": backbone.dtype,
            # A CPU is fastest in small pieces, as in the cold pass.
            "batch_size": 8 if backbone.device.type == "cpu" else 64,
        }
        classify, noise, corruptions = jointly(members), {}, {}
        if asked.noise:
            noise = noise_curves(
                classify, chosen, backbone.preprocess, asked.noise, space=asked.space, progress=told.next(), **settings
            )
        if asked.corruptions:
            corruptions = corruption_scores(classify, chosen, backbone.preprocess, progress=told.next(), **settings)
        found |= {who: Found(noise.get(who), corruptions.get(who)) for who in members}
    return found


class _Told:
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
    asked: Asked,
    progress: Progress | None = None,
) -> dict[str, list[Curve]]:
    """Measure the fits of a comparison and write what is found into their rows.

    What is finished is kept in the folder of each fit and read from there the next time.

    Args:
        rows: with ``method`` and ``seed``; they gain ``noise_top1``, ``corruption_top1`` and what these are made of.
        fits: by method and seed, each with its folder; None keeps nothing.
        split: the test images.
        asked: what to measure.
        progress: see :func:`measure`.

    Returns:
        The lines of the robustness figures by method, means over seeds.
    """
    if not asked:
        return {}
    name = f"robustness-{digest_of([__version__, asdict(asked)])[:8]}.json"
    kept = {who: folder / name for who, (_, folder) in fits.items() if folder is not None}
    found = {who: _read(path) for who, path in kept.items() if path.exists()}
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


def _read(path: Path) -> Found:
    value = files.read_json(path)
    noise, corruptions = value["noise"], value["corruptions"]
    if noise is not None:
        noise = NoiseCurve(noise["space"], tuple(noise["deviations"]), tuple(noise["top1"]), noise["n"])
    if corruptions is not None:
        corruptions = CorruptionScores({name: tuple(row) for name, row in corruptions["top1"].items()}, corruptions["n"])
    return Found(noise, corruptions)


def curves(found: Sequence[Found]) -> list[Curve]:
    """Return the lines of the robustness figures of one method, means over its seeds."""
    lines = []
    noise = [one.noise for one in found if one.noise is not None]
    if noise and len(noise[0].deviations) > 1:
        space = "normalised images" if noise[0].space == "normalised" else "pixels in [0, 1]"
        mean = np.mean([curve.top1 for curve in noise], axis=0).tolist()
        lines.append(Curve("Gaussian noise", list(noise[0].deviations), mean, f"standard deviation, added to {space}"))
    corruptions = [one.corruptions for one in found if one.corruptions is not None]
    if corruptions:
        mean = np.mean([scores.by_severity for scores in corruptions], axis=0).tolist()
        lines.append(Curve("Corruptions", [float(level) for level in LEVELS], mean, "severity, mean over 15 corruptions"))
    return lines
