"""What is written of adversarial examples: rows, figures, PNGs, results.json."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from coldframe.attacks import Survival
from coldframe.attacks.checks import LEVELS
from coldframe.data import own_png
from coldframe.files import write_bytes, write_json
from coldframe.measures import machine
from coldframe.report.figures.style import INK, PALETTE, as_png, new_figure, shorten, style
from coldframe.verbs.attack import Attacked

SHOWN = 24
"""Images in the figures, at most; the other files and ``results.json`` have all."""


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
