"""Adversarial examples of image files, and what is left of them after everyday changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor

from coldframe.attacks import PGD, Adversarial, Attack, Model, Survival, everyday, survival
from coldframe.attacks.checks import LEVELS, SMALLEST, radius
from coldframe.backbones.base import Backbone
from coldframe.data.base import OnError
from coldframe.data.decode import load_pixels
from coldframe.data.folder import Files
from coldframe.data.places import MOST_FILES, Seen, find_files, readable
from coldframe.errors import DataError, InputError, nearest
from coldframe.evaluation.classifiers import opened
from coldframe.machine.room import check_fits
from coldframe.machine.spreading import spread
from coldframe.methods import Method

PIECE = 8
"""Images attacked at once: larger batches miss the caches of a CPU."""
CONFIDENCE = 0.95
"""Probability of the target at which an image is left alone."""


@dataclass(frozen=True)
class Attacked:
    """What became of image files.

    Args:
        files: their paths.
        classes: names of the model's classes.
        images: the clean images at the model's resolution, [B, 3, S, S] in [0, 1].
        labels: the class that the model puts first, taken as the true one, [B].
        label_probability: its probability, [B].
        targets: wanted classes [B], or None.
        found: what the attack found.
        odds: the class that comes first on the adversarial images, and its probability: ([B], [B]).
        survived: the same after each change of :data:`coldframe.attacks.changes.CHANGES`.
    """

    files: tuple[Path, ...]
    classes: tuple[str, ...]
    images: Tensor
    labels: Tensor
    label_probability: Tensor
    targets: Tensor | None
    found: Adversarial
    odds: tuple[Tensor, Tensor]
    survived: tuple[Survival, ...]
    left_out: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Prepared:
    """A model, and the images that it is attacked with: everything that can be refused has been.

    Args:
        model: images in [0, 1] -> logits.
        names: of its classes.
        backbone: its backbone.
        files: paths of the images.
        images: at the model's resolution [B, 3, S, S] in [0, 1].
        labels: the class that the model puts first [B].
        label_probability: its probability [B].
        targets: wanted classes [B], or None.
    """

    model: Model
    names: tuple[str, ...]
    backbone: Backbone
    files: tuple[Path, ...]
    images: Tensor
    labels: Tensor
    label_probability: Tensor
    targets: Tensor | None


Opened = tuple[Model, tuple[str, ...], Backbone]
"""What :func:`coldframe.evaluation.classifiers.opened` returns."""


def class_index(text: str, names: Sequence[str]) -> int:
    """Return the number of a class given by number or by name."""
    if text.lstrip("-").isdigit():
        number = int(text)
        if not 0 <= number < len(names):
            raise InputError(f"expected a class from 0 to {len(names) - 1}, found {number}; choose one of these or a name")
        return number
    if text not in names:
        raise InputError(f"the model has no class {text!r}{nearest(text, names) or '; give its number'}")
    return list(names).index(text)


def attack_files(
    source: str | Backbone | Method,
    places: Sequence[str | Path],
    attack: Attack,
    targets: Sequence[str] = (),
    *,
    device: str = "cpu",
    download: bool = False,
    on_error: OnError = "raise",
    seen: Seen | None = None,
    most: int = MOST_FILES,
) -> Attacked:
    """Attack image files.

    Args:
        source: a saved run's folder, a model id or a backbone with a classifier, or a fitted method.
        places: files, folders and globs.
        attack: what is done to each, at the model's resolution.
        targets: numbers or names of classes, one for all or one for each file; none for any wrong class.
        device: where to run.
        download: whether weights may be fetched.
        on_error: what to do with files that do not decode: ``"raise"``, before any work, or ``"skip"``.
        seen: called while places are searched; see :data:`coldframe.data.places.Seen`.
        most: files, at most.

    Raises:
        InputError: classes or options that cannot be used.
        DataError: a file that cannot be.
    """
    files, left = pictures(places, targets, on_error=on_error, seen=seen, most=most)
    ready = prepared(opened(source, device=device, download=download), files, targets)
    return replace(attacked(ready, attack), left_out=left)


def pictures(
    places: Sequence[str | Path],
    targets: Sequence[str] = (),
    *,
    on_error: OnError = "raise",
    seen: Seen | None = None,
    most: int = MOST_FILES,
) -> tuple[tuple[Path, ...], dict[str, str]]:
    """Return the files that are attacked, and those that are left out with a few words why; see :func:`attack_files`."""
    kept, left = readable(find_files(places, most=most, seen=seen), on_error)
    files = tuple(kept)
    if len(targets) not in (0, 1, len(files)):
        raise InputError(f"expected one target, or one for each of the {len(files)} images, found {len(targets)}")
    held = Files(files)
    for number, file in enumerate(files):
        size = held.open(number).size
        if min(size) < SMALLEST:
            least, found_size = f"{SMALLEST} x {SMALLEST}", f"{size[0]} x {size[1]}"
            raise DataError(f"expected pictures of at least {least} pixels, found {found_size} in {file}; leave it out")
    return files, left


def prepared(subject: Opened, files: tuple[Path, ...], targets: Sequence[str] = ()) -> Prepared:
    """Return images at a model's resolution with the classes that it puts first; targets are as in :func:`attack_files`."""
    model, names, backbone = subject
    side = backbone.preprocess.size  # bytes, the images as numbers, those found, and their change
    check_fits("a number of images", len(files), lambda n: n * 3 * side**2 * (1 + 4 + 4 + 4), of=f"of {side} pixels")
    pixels = torch.from_numpy(load_pixels(Files(files), list(range(len(files))), backbone.preprocess))
    images = pixels.to(backbone.device).float().div(LEVELS)
    with torch.no_grad():
        clean = torch.cat([model(piece).float().softmax(-1) for piece in images.split(PIECE)])  # type: ignore[no-untyped-call]
    label_probability, labels = clean.max(-1)
    wanted = None
    if targets:
        numbers = [class_index(text, names) for text in targets]
        wanted = torch.tensor(numbers if len(numbers) == len(files) else numbers * len(files), device=labels.device)
        for file, label, target in zip(files, labels.tolist(), wanted.tolist(), strict=True):
            if label == target:
                same = f"{names[label]} ({label})"
                raise InputError(f"expected a target other than the true class, found {same} for {file}; choose another")
    return Prepared(model, names, backbone, files, images, labels, label_probability, wanted)


def attacked(ready: Prepared, attack: Attack) -> Attacked:
    """Attack what is prepared, some images at a time."""
    model, images, labels, wanted = ready.model, ready.images, ready.labels, ready.targets

    def one(start: int) -> tuple[Adversarial, list[Survival]]:
        piece = slice(start, start + PIECE)
        goal = None if wanted is None else wanted[piece]
        part = attack(model, images[piece], labels[piece], goal)
        return part, survival(model, images[piece], part.images, labels[piece], goal)

    pieces = range(0, len(ready.files), PIECE)
    done = spread(one, pieces) if images.device.type == "cpu" else [one(start) for start in pieces]
    parts, changed = [part for part, _ in done], [after for _, after in done]
    found = Adversarial(*(torch.cat([getattr(p, name) for p in parts]) for name in Adversarial.__dataclass_fields__))
    survived = tuple(_joined(rows) for rows in zip(*changed, strict=True))
    odds = (survived[0].predicted, survived[0].probability)
    return Attacked(ready.files, tuple(ready.names), images, labels, ready.label_probability, wanted, found, odds, survived)


def _joined(parts: Sequence[Survival]) -> Survival:
    fields = [name for name in Survival.__dataclass_fields__ if name != "change"]
    return Survival(parts[0].change, *(torch.cat([getattr(part, name) for part in parts]) for name in fields))


def usual(eps: float | str, *, robust: bool = False, steps: int = 40, samples: int = 4, seed: int = 0) -> Attack:
    """Return the attack of the command line: signed steps, and with ``robust`` the mean over everyday changes.

    A text is a radius as people write it: ``0.03``, ``8/255``.
    """
    size = radius(eps) if isinstance(eps, str) else eps
    transforms = everyday() if robust else None
    return PGD(size, steps=steps, confidence=0.0 if robust else CONFIDENCE, transforms=transforms, samples=samples, seed=seed)
