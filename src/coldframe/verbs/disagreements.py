"""Two fitted methods on the same images: where one is right and the other wrong, as a page, a folder, and a test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ImageOps

from coldframe import files, measures
from coldframe.cold import ColdPass
from coldframe.data import load_dataset
from coldframe.data.base import OnError, Split
from coldframe.data.own_png import as_png
from coldframe.data.splits import check_readable
from coldframe.errors import InputError
from coldframe.files import slug
from coldframe.files.formats import Adaptation, Weights
from coldframe.files.reading import read
from coldframe.inspection import disagreements
from coldframe.methods import Method, load
from coldframe.report.disagreements import Answered, differing_page, sentences
from coldframe.report.figures.inspection import differing_figure
from coldframe.report.figures.style import save_figure
from coldframe.report.figures.thumbnail import thumbnail
from coldframe.results.rows import fit_of
from coldframe.verbs.watch import command_line

FOLDERS = ("only_a", "only_b")
_FIGURE = 12
"""Pictures of each kind in the figure."""


def runs(
    a: str | Path,
    b: str | Path,
    *,
    data: str | None = None,
    split: str = "test",
    seed: int | None = None,
    classes: Sequence[str] | None = None,
    most: int = 48,
    out: str | Path,
    device: str = "cpu",
    download: bool = False,
    cold: ColdPass | None = None,
    on_error: OnError = "raise",
) -> dict[str, Any]:
    """Compare two saved runs image by image; see :func:`compare_two`.

    Args:
        a: folder of a saved run.
        b: folder of another.
        data: a data spec; what run A was measured on when None.
        split: ``"train"``, ``"val"`` or ``"test"``.
        seed: of splits that the data does not fix; that of run A when None.
        classes: class names in place of the data's own.
        most: pictures of each kind.
        out: folder of the results.
        device: where to run.
        download: whether weights and data may be fetched.
        cold: the store.
        on_error: what to do with images that do not decode: ``"raise"``, before any work, or ``"skip"``.

    Raises:
        InputError: a folder without a saved run, a run that does not say its data, or runs on other classes.
    """
    first = load(a, device=device, download=download)
    names = read(Path(b) / "adaptation.json", Adaptation) if (Path(b) / "adaptation.json").is_file() else None
    same = names is not None and names.backbone == Weights(first.backbone.name, first.backbone.digest)
    second = load(b, first.backbone if same else None, device=device, download=download)
    known = _measured_on(Path(a))
    spec, drawn = data or known.get("data"), known.get("seed") if seed is None else seed
    if spec is None:
        raise InputError(f"expected the data that {a} was measured on in its result.json, found none; name it with --data")
    dataset = load_dataset(spec, seed=int(drawn or 0), classes=classes, download=download, on_error=on_error)
    chosen = dataset.split(split)
    check_readable(chosen)
    labels = names_of(first, second, (Path(a).name, Path(b).name))
    left = dict(dataset.reasons)
    return compare_two(first, second, chosen, names=labels, data=spec, most=most, out=out, cold=cold, left_out=left)


def _measured_on(folder: Path) -> dict[str, Any]:
    """Return the row that the fit wrote beside what it learned; empty where there is none."""
    kept = folder / "result.json"
    return fit_of(kept).row if kept.is_file() else {}


def names_of(a: Method, b: Method, folders: tuple[str, str]) -> tuple[str, str]:
    """Return what tells two methods apart: their models, their names or both, else the names of their folders."""
    if a.backbone.name != b.backbone.name and a.name == b.name:
        return a.backbone.name, b.backbone.name
    if a.backbone.name != b.backbone.name:
        return f"{a.name} on {a.backbone.name}", f"{b.name} on {b.backbone.name}"
    if a.name != b.name:
        return a.name, b.name
    if folders[0] != folders[1]:
        return f"{a.name} ({folders[0]})", f"{b.name} ({folders[1]})"
    return f"{a.name} (A)", f"{b.name} (B)"


def compare_two(
    a: Method,
    b: Method,
    split: Split,
    *,
    names: tuple[str, str],
    data: str,
    most: int = 48,
    out: str | Path,
    cold: ColdPass | None = None,
    left_out: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Write ``report.html``, ``disagreements.png``, ``results.json``, and the pictures in ``only_a/`` and ``only_b/``.

    Args:
        a: fitted.
        b: fitted, with the same classes; any backbone.
        split: the images, with the classes that were learned.
        names: what A and B are called.
        data: the data's spec.
        most: pictures of each kind that are shown and written, the most decided first.
        out: folder of the results.
        cold: the store.
        left_out: files that were left out, each with a few words why.

    Returns:
        The content of ``results.json``: counts, the paired difference, and a line for every image of the two kinds.
    """
    if most < 1:
        raise InputError(f"expected at least one picture of each kind, found most={most}")
    cold, out = cold or ColdPass(), Path(out)
    for method in (a, b):
        method.check_classes(split.classes)
    odds = [method.predict_proba(split, cold=cold).numpy() for method in (a, b)]  # two [N, K]
    found = disagreements(odds[0], odds[1], split.labels)
    paired = measures.paired_bootstrap(found.right_a, found.right_b)
    classes = [(split.classes[k], n, x, y) for k, n, x, y in found.by_class(split.labels, len(split.classes))]
    lines = {folder: _lines(split, odds, rows) for folder, rows in zip(FOLDERS, (found.only_a, found.only_b), strict=True)}
    content = {
        "command": "inspect disagreements", "names": list(names), "data": data, "split": split.name, "n": len(split),
        "models": [a.backbone.name, b.backbone.name], "settings": [repr(a), repr(b)],
        "both": found.counts[0], "only_a_right": found.counts[1], "only_b_right": found.counts[2], "neither": found.counts[3],
        "difference": asdict(paired), "sentences": sentences(names, found.counts, paired), "images": lines,
        "machine": measures.machine(a.backbone.device),
    }  # fmt: skip
    content |= {"left_out": dict(left_out)} if left_out else {}
    shown = []
    for folder, rows in zip(FOLDERS, (found.only_a, found.only_b), strict=True):
        files.remove_folder(out / folder)
        shown.append([_shown(split, int(row), line, out / folder, i) for i, (row, line) in
                      enumerate(zip(rows[:most], lines[folder], strict=False), 1)])  # fmt: skip
    halves = [
        (f"{right} is right, {wrong} is wrong: {len(rows):,} of {len(split):,}",
         [_square(split, int(row)) for row in rows[:_FIGURE]],
         [(line["true"], line["a"], line["b"]) for line in lines[folder][:_FIGURE]])
        for right, wrong, rows, folder in (
            (names[0], names[1], found.only_a, FOLDERS[0]), (names[1], names[0], found.only_b, FOLDERS[1]))
    ]  # fmt: skip
    save_figure(differing_figure(halves, names), out / "disagreements", dpi=110)
    facts = [("A", repr(a)), ("B", repr(b)), ("data", f"{data}, {split.name}, {len(split):,} images"), *_digests(a, b)]
    headline = f"{data}, {split.name}: {len(split):,} images, {len(split.classes)} classes"
    page = differing_page(
        names, headline, found.counts, paired, classes, (shown[0], shown[1]), command_line(), facts
    )
    files.write_text(out / "report.html", page)
    files.write_json(out / "results.json", content)
    return content


def _digests(a: Method, b: Method) -> list[tuple[str, str]]:
    return [(f"weights of {name}", digest) for name, digest in {m.backbone.name: m.backbone.digest for m in (a, b)}.items()]


def _lines(split: Split, odds: Sequence[NDArray[np.float32]], rows: NDArray[np.int64]) -> list[dict[str, Any]]:
    lines = []
    for row in rows.tolist():
        taken = [int(each[row].argmax()) for each in odds]
        lines.append({
            "image": split.images.name(row), "true": split.classes[split.labels[row]],
            "a": split.classes[taken[0]], "a_probability": round(float(odds[0][row, taken[0]]), 6),
            "b": split.classes[taken[1]], "b_probability": round(float(odds[1][row, taken[1]]), 6),
        })  # fmt: skip
    return lines


def _shown(split: Split, row: int, line: dict[str, Any], folder: Path, rank: int) -> Answered:
    """Write one picture to its folder, and return it for the page."""
    image = split.images.open(row)
    wrong = line["b"] if line["a"] == line["true"] else line["a"]
    name = f"{rank:03}_{slug(line['true'], most=40)}_taken_for_{slug(wrong, most=40)}.png"
    files.write_bytes(folder / name, as_png(image))  # its own size, so that the file is answered as the picture was
    answers = ((line["a"], line["a_probability"]), (line["b"], line["b_probability"]))
    return Answered(thumbnail(image), line["true"], *answers, Path(line["image"]).name)


def _square(split: Split, row: int) -> NDArray[np.uint8]:
    return np.asarray(ImageOps.fit(split.images.open(row), (160, 160)))
