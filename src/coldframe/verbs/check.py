"""What is wrong with a data set: repeats within and across splits, doubtful labels, odd pictures, shortcuts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from coldframe.backbones.base import Backbone
from coldframe.cold import ColdPass
from coldframe.data.base import Dataset, Images, Split
from coldframe.data.folder import Files
from coldframe.data.joined import everything
from coldframe.data.stems import leaking, stem_of, taken
from coldframe.data.targets import refuse_several
from coldframe.errors import InputError, MissingPackage
from coldframe.evaluation.copies import copied
from coldframe.evaluation.copies import said as said_of_copies
from coldframe.evaluation.predictions import relative
from coldframe.measures.outliers import outliers, to_label
from coldframe.measures.repeats import BLANK, near_pairs, neighbour_accuracy
from coldframe.methods.ridge import Ridge
from coldframe.registry import EMBEDDED
from coldframe.types import FEATURES
from coldframe.verbs.looking import Looked, look

_MOST_SHORTCUT = 4000
_GRAIN = 10.0
"""Standard deviation of pixels, of 255, under which a picture may be blank: what a sensor adds to a wall or a lens cap."""


@dataclass(frozen=True)
class Fault:
    """One finding about one picture.

    Args:
        row: its number among all pictures: train, then val, then test.
        kind: a few words.
        score: from 0 to 1; more is worse.
        says: what was found, in words.
        other: the number of another picture that it is about, or -1.
    """

    row: int
    kind: str
    score: float
    says: str
    other: int = -1


@dataclass
class Checked:
    """All pictures of a data set, and what was found."""

    data: Dataset
    images: Images
    labels: NDArray[np.int64]
    splits: list[str]
    faults: list[Fault] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    next: list[str] = field(default_factory=list)

    def called(self, row: int) -> str:
        """Return the name of a picture: its path below the data's folder, where it is a file there."""
        return relative(self.images.name(row), self.data.spec)

    def of(self, kind: str) -> list[Fault]:
        """Return the findings of a kind, the worst first."""
        return sorted((fault for fault in self.faults if fault.kind == kind), key=lambda fault: -fault.score)


def check(
    data: Dataset, *, model: str | None = EMBEDDED, device: str = "cpu", cold: ColdPass | None = None,
    unlabelled: Sequence[Path] = (), count: int = 20,
) -> Checked:  # fmt: skip
    """Check a data set.

    Args:
        data: three splits; drawn ones are checked like official ones.
        model: whose features say which labels are doubtful; None leaves these out.
        device: where the model runs.
        cold: how features are kept.
        unlabelled: files without labels, of which those that would teach most are named.
        count: how many of them.

    Raises:
        InputError: unlabelled files without a model.
        MissingPackage: a model is given and the extra ``check`` is not installed.
    """
    refuse_several(data)
    whole = everything(data)
    found = Checked(data, whole.images, whole.labels, [part.name for part in data.splits for _ in range(len(part))])
    looked = look(found.images)
    _repeats(found, looked)
    _odd(found, looked)
    _balance(found)
    _shortcut(found, looked)
    _leaks(found)
    cold = cold or ColdPass()
    if unlabelled and model is None:
        raise InputError("expected a model to say which pictures to label next, found none; leave --model none out")
    if model is not None:
        _model(found, *_labels(found, model, device, cold), cold, unlabelled, count)
    return found


def _repeats(found: Checked, looked: Looked) -> None:
    first: dict[str, int] = {}
    pairs: dict[tuple[int, int], float] = {}
    for row, digest in enumerate(looked.digests):
        # Test pictures come last, so that their copies in train are what they repeat.
        if (other := first.setdefault(digest, row)) != row:
            pairs[other, row] = 1.0
    exact = set(pairs)
    seen = {row for pair in exact for row in pair}
    for i, j, r in near_pairs(looked.copies):
        if (i, j) not in pairs and looked.digests[i] != looked.digests[j]:
            pairs[i, j] = min(r, 0.9999)
            seen |= {i, j}
    names, across = found.data.classes, {True: set[int](), False: set[int]()}
    for (i, j), r in pairs.items():
        same = (i, j) in exact
        kind = "same pixels" if same else "nearly the same"
        if found.labels[i] != found.labels[j]:
            says = f"{names[found.labels[j]]} here, {names[found.labels[i]]} in {found.splits[i]}: {found.called(i)}"
            found.faults.append(Fault(j, "two labels" if same else "nearly the same, two labels", r, says, i))
        else:
            found.faults.append(Fault(j, kind, r, f"as in {found.splits[i]}: {found.called(i)}", i))
        if found.splits[j] == "test" and found.splits[i] != "test":
            across[same].add(j)
    test = found.splits.count("test")
    exact_count, near_count = len(across[True]), len(across[False] - across[True])
    if exact_count or near_count:
        said = f"{exact_count:,} of {test:,} test images repeat one outside test pixel by pixel, {near_count:,} nearly"
        found.lines.append(f"{said}: an accuracy counts them")
    inside = [(i, j) for i, j in pairs if found.splits[i] == found.splits[j]]
    repeated = {j for i, j in inside if (i, j) in exact}
    within, nearly = len(repeated), len({j for _, j in inside} - repeated)
    if within or nearly:
        found.lines.append(f"images that repeat another of their own split: {within:,} pixel by pixel, {nearly:,} nearly")
    twice = len(found.of("two labels"))
    if twice:
        found.lines.append("1 picture has two labels" if twice == 1 else f"{twice:,} pictures have two labels")


def _odd(found: Checked, looked: Looked) -> None:
    flat = looked.copies.reshape(len(looked.copies), -1).std(1) < BLANK
    for row in np.flatnonzero(flat & (looked.spread < _GRAIN)).tolist():  # fine texture is flat in a small copy alone
        spread = float(looked.spread[row])
        found.faults.append(Fault(row, "blank", 1 - spread / 255, f"pixels differ by {spread:.1f} of 255"))
    short = looked.sizes.min(1)
    limit = float(np.median(short)) / 4
    for row in np.flatnonzero(short < limit).tolist():
        width, height = looked.sizes[row]
        found.faults.append(Fault(row, "tiny", 1 - short[row] / limit, f"{width} x {height} pixels"))
    wide = looked.sizes[:, 0] > looked.sizes[:, 1]
    tall = looked.sizes[:, 0] < looked.sizes[:, 1]
    for few, many, word in ((tall, wide, "upright"), (wide, tall, "lying")):
        if 0 < few.sum() <= 0.05 * many.sum():
            for row in np.flatnonzero(few).tolist():
                found.faults.append(Fault(row, "turned", 0.5, f"{word}, where nearly all others are not"))
    for kind in ("blank", "tiny", "turned"):
        if count := len(found.of(kind)):
            found.lines.append(f"{_images_are(count)} {kind}")


def _images_are(count: int) -> str:
    return "1 image is" if count == 1 else f"{count:,} images are"


def _balance(found: Checked) -> None:
    counts = np.bincount(found.data.train.labels, minlength=len(found.data.classes))
    most, least = int(counts.argmax()), int(counts.argmin())
    if counts[most] >= 5 * max(1, counts[least]):
        names = found.data.classes
        said = f"{names[most]!r} has {counts[most]:,} training images, {names[least]!r} {counts[least]:,}"
        found.lines.append(f"classes are unequal: {said}")


def _shortcut(found: Checked, looked: Looked) -> None:
    n = len(found.labels)
    rows = np.linspace(0, n - 1, min(n, _MOST_SHORTCUT)).astype(int)
    labels = found.labels[rows]
    majority = float(np.bincount(labels).max() / len(rows))
    ratio = looked.sizes[:, :1] / looked.sizes[:, 1:]
    sizes = np.concatenate([looked.sizes, ratio], axis=1)
    for word, x in (("size alone names", sizes), ("border's colours alone name", looked.borders)):
        if np.ptp(x, axis=0).max() > 0:
            right = neighbour_accuracy(x[rows].astype(np.float64), labels)
            warn = ": a shortcut that a model will find" if right > majority + 0.5 * (1 - majority) else ""
            found.lines.append(f"the {word} {right:.1%} of {len(rows):,} images (largest class {majority:.1%}){warn}")


def _leaks(found: Checked) -> None:
    """Say what belongs together by its name or its camera and lies on both sides."""
    if found.data.train.groups is not None:
        return  # the loader says which groups splits share
    names = [found.images.name(row) for row in range(len(found.labels))]
    labels = found.labels.tolist()
    for what, keys, way in (
        ("names", [stem_of(name) for name in names], "if a stem is one patient, plate or video, give ?group={group}_*"),
        ("EXIF data", [taken(name) for name in names], "pictures of one minute may show one thing"),
    ):
        shared = leaking(keys, found.splits, labels)
        if shared:
            key = max(shared, key=lambda name: shared[name])
            kinds = "stems of names" if what == "names" else "minutes of one camera"
            said = f"{len(shared):,} {kinds} are in test and outside it, such as {key!r}"
            found.lines.append(f"{said} ({sum(shared.values()):,} test images in all): {way}")
            for row, mine in enumerate(keys):
                if mine in shared and found.splits[row] == "test":
                    found.faults.append(Fault(row, "group on both sides", 0.5, f"{what}: {mine}"))


def _model(found: Checked, backbone: Backbone, whole: Split, cold: ColdPass, pool: Sequence[Path], count: int) -> None:
    """Say what is unlike all others, what copies are worth, and which unlabelled pictures would teach most."""
    x = _unit(backbone, whole, cold)
    far = outliers(x)
    for row, score in far:
        found.faults.append(Fault(row, "outlier", score, "unlike all other pictures by its features"))
    if far:
        found.lines.append(f"{_images_are(len(far))} unlike all others by the features of {backbone.name}")
    data = found.data
    if len(data.test) and len(data.train):
        copies = copied(data, backbone, cold)
        if copies.any() and not copies.all():
            probe = Ridge(backbone, prior="none").fit(data.train, data.val, cold=cold)
            right = (probe.predict(data.test, cold=cold).numpy() == data.test.labels)[None]
            found.lines.append(said_of_copies(copies, right, f"ridge regression on {backbone.name}"))
    if pool:
        probe = Ridge(backbone, prior="none", choose="loo").fit(whole, cold=cold)
        held = Split("pool", Files(tuple(pool)), np.zeros(len(pool), dtype=np.int64), data.classes)
        chosen = to_label(probe.predict_proba(held, cold=cold), _unit(backbone, held, cold), x, count)
        found.next = [str(pool[row]) for row in chosen]
        found.lines.append(f"to label next, of {len(pool):,} pictures: {', '.join(Path(p).name for p in found.next[:3])} ...")


def _unit(backbone: Backbone, split: Split, cold: ColdPass) -> torch.Tensor:
    rows = torch.arange(len(split))
    return torch.nn.functional.normalize(cold.activations(backbone, split, FEATURES).gather(rows).float().cpu(), dim=-1)


def _labels(found: Checked, model: str, device: str, cold: ColdPass) -> tuple[Backbone, Split]:
    """Rank doubtful labels by confident learning on probabilities in which no image had a part in its own."""
    try:
        from cleanlab.filter import find_label_issues
    except ImportError as error:
        raise MissingPackage("check with a model needs cleanlab; install it with: pip install 'coldframe[check]'") from error
    from coldframe.backbones import load_backbone

    backbone = load_backbone(model, device=device)
    whole = Split("train", found.images, found.labels, found.data.classes)
    method = Ridge(backbone, prior="none", choose="loo").fit(whole, cold=cold)
    probabilities = method.out_of_sample.softmax(-1).double().cpu().numpy()
    probabilities /= probabilities.sum(1, keepdims=True)
    count = int(find_label_issues(found.labels, probabilities, n_jobs=1).sum())
    own = probabilities[np.arange(len(found.labels)), found.labels]
    order = np.argsort(own, kind="stable")
    rows = order[probabilities[order].argmax(1) != found.labels[order]][:count]
    top1 = float((probabilities.argmax(1) == found.labels).mean())
    for row in rows.tolist():
        guess = int(probabilities[row].argmax())
        name, other = found.data.classes[found.labels[row]], found.data.classes[guess]
        says = f"looks like {other} ({probabilities[row, guess]:.0%}), not {name} ({own[row]:.0%})"
        found.faults.append(Fault(row, "label", 1 - float(own[row]), says))
    said = f"{len(rows):,} labels are doubtful by confident learning on left-out probabilities of {model}"
    found.lines.append(f"{said}, which names {top1:.1%} of the images: the weaker the model, the more are falsely doubted")
    return backbone, whole
