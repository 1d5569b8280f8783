"""Adversarial examples of image files, and what is left of them after everyday changes: figures, PNGs, results.json."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from coldframe.attacks import PGD, Adversarial, Attack, Survival, everyday, survival
from coldframe.attacks.checks import LEVELS, SMALLEST, radius
from coldframe.backbones.base import Backbone
from coldframe.data import own_png
from coldframe.data.base import OnError
from coldframe.data.decode import load_pixels
from coldframe.data.folder import Files
from coldframe.data.places import MOST_FILES, Seen, find_files, readable
from coldframe.errors import DataError, InputError, nearest
from coldframe.evaluation.classifiers import opened
from coldframe.files import write_bytes, write_json
from coldframe.machine.room import check_fits
from coldframe.machine.spreading import spread
from coldframe.measures import machine
from coldframe.methods import Method
from coldframe.report.figures.style import INK, PALETTE, as_png, new_figure, shorten, style

PIECE = 8
"""Images attacked at once: larger batches miss the caches of a CPU."""
SHOWN = 24
"""Images in the figures, at most; the other files and ``results.json`` have all."""
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
    model, names, backbone = opened(source, device=device, download=download)
    side = backbone.preprocess.size  # bytes, the images as numbers, those found, and their change
    check_fits("a number of images", len(files), lambda n: n * 3 * side**2 * (1 + 4 + 4 + 4), of=f"of {side} pixels")
    pixels = torch.from_numpy(load_pixels(held, list(range(len(files))), backbone.preprocess))
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

    def one(start: int) -> tuple[Adversarial, list[Survival]]:
        piece = slice(start, start + PIECE)
        goal = None if wanted is None else wanted[piece]
        part = attack(model, images[piece], labels[piece], goal)
        return part, survival(model, images[piece], part.images, labels[piece], goal)

    pieces = range(0, len(files), PIECE)
    done = spread(one, pieces) if images.device.type == "cpu" else [one(start) for start in pieces]
    parts, changed = [part for part, _ in done], [after for _, after in done]
    found = Adversarial(*(torch.cat([getattr(p, name) for p in parts]) for name in Adversarial.__dataclass_fields__))
    survived = tuple(_joined(rows) for rows in zip(*changed, strict=True))
    odds = (survived[0].predicted, survived[0].probability)
    return Attacked(files, tuple(names), images, labels, label_probability, wanted, found, odds, survived, left)


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


def rows(done: Attacked) -> list[dict[str, Any]]:
    """Return one row per file, plain values: classes, probabilities, sizes of the change, survival."""
    change = (done.found.images - done.images).mul(LEVELS)
    names, table = done.classes, []
    for i, file in enumerate(done.files):
        target = None if done.targets is None else int(done.targets[i])
        table.append({
            "file": str(file),
            "class": names[int(done.labels[i])], "probability": round(float(done.label_probability[i]), 6),
            "target": None if target is None else names[target],
            "fooled": bool(done.found.fooled[i]),
            "adversarial_class": names[int(done.odds[0][i])], "adversarial_probability": round(float(done.odds[1][i]), 6),
            "steps": int(done.found.steps[i]),
            "largest_change_of_255": round(float(change[i].abs().max())),
            "l2": round(float(change[i].div(LEVELS).norm()), 4),
            "survival": {s.change: _after(s, i, names, target) for s in done.survived},
        })  # fmt: skip
    return table


def _after(seen: Survival, i: int, names: Sequence[str], target: int | None) -> dict[str, Any]:
    """Return what the model sees in image ``i`` after one change, and in the clean image after the same one."""
    wanted = "true_probability" if target is None else "target_probability"
    return {
        "class": names[int(seen.predicted[i])],
        "probability": round(float(seen.probability[i]), 6),
        wanted: round(float(seen.target_probability[i]), 6),
        "survived": bool(seen.survived[i]),
        "clean_class": names[int(seen.clean_predicted[i])],
        "clean_probability": round(float(seen.clean_probability[i]), 6),
    }


def write(done: Attacked, folder: str | Path, settings: dict[str, Any]) -> list[Path]:
    """Write ``results.json``, the two figures (of the first 24 images) and one PNG a file; return their paths.

    The noise is drawn around grey, amplified so that its largest value becomes white or black; the factor stands above it.
    """
    folder = Path(folder)
    pictures, titles = [], []
    after: list[Tensor] = []
    after_titles: list[str] = []
    colours: list[str] = []
    for i, row in enumerate(rows(done)[:SHOWN]):
        noise = done.found.images[i] - done.images[i]
        scale = 0.5 / max(float(noise.abs().max()), 1 / LEVELS)
        pictures += [_last(done.images[i]), _last(0.5 + scale * noise), _last(done.found.images[i])]
        titles += [
            f"{shorten(row['class'])} {row['probability']:.1%}",
            f"noise, {scale:.0f} times as strong",
            f"{shorten(row['adversarial_class'])} {row['adversarial_probability']:.1%}",
        ]
        for s in done.survived:
            after.append(_last(s.images[i]))
            seen = row["survival"][s.change]
            now = f"{shorten(seen['class'], 18)} {seen['probability']:.0%}"
            before = f"{shorten(seen['clean_class'], 16)} {seen['clean_probability']:.0%}"
            after_titles.append(f"{s.change}: {'fools' if seen['survived'] else 'fails'}\n{now}\n(clean: {before})")
            colours.append(PALETTE[2] if seen["survived"] else PALETTE[1])
    written = [
        write_bytes(folder / f"adversarial_{i:02}_{file.stem}.png", _png(picture))
        for i, (file, picture) in enumerate(zip(done.files, done.found.uint8, strict=True))
    ]
    examples = _sheet(pictures, titles, 3, 2.3)
    changes = _sheet(after, after_titles, len(done.survived), 2.0, colours)
    written.append(write_bytes(folder / "examples.png", as_png(examples, 120)))
    written.append(write_bytes(folder / "survival.png", as_png(changes, 100)))
    content = {"settings": settings, "machine": machine(done.images.device), "images": rows(done)}
    content |= {"left_out": done.left_out} if done.left_out else {}
    written.append(write_json(folder / "results.json", content))
    return written


def _sheet(
    pictures: Sequence[Tensor], titles: Sequence[str], columns: int, size: float, colours: Sequence[str] = ()
) -> Figure:
    """Return pictures [H, W, 3] in a grid; line breaks in the titles stay where they are, so that rows can be compared.

    Args:
        pictures: row by row.
        titles: one each.
        columns: pictures in a row.
        size: inches of a side.
        colours: of each title; ink when empty.
    """
    lines = -(-len(pictures) // columns)
    tallest = max(title.count("\n") + 1 for title in titles)
    with style():
        figure = new_figure(columns * (size + 0.12), 0.1 + lines * (size + 0.16 + 0.18 * tallest))
        for number, (picture, title) in enumerate(zip(pictures, titles, strict=True), 1):
            axes = figure.add_subplot(lines, columns, number)
            axes.imshow(picture.clamp(0, 1).numpy(), interpolation="nearest")
            axes.set_axis_off()
            colour = colours[number - 1] if colours else INK
            axes.set_title(title, fontsize=8.5, fontweight="normal", loc="center", color=colour)
    return figure


def _last(image: Tensor) -> Tensor:
    """Move channels last: [3, H, W] -> [H, W, 3], on the CPU."""
    return image.permute(1, 2, 0).cpu()


def _png(picture: Tensor) -> bytes:
    """Return a picture [3, S, S] as a file that is read back as these very pixels, not resized and cropped once more."""
    return own_png.as_png(Image.fromarray(_last(picture).contiguous().numpy()), fitted=True)
