"""Top-k predictions for image files, by a pretrained model's own head or by a saved adaptation."""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from coldframe.backbones import load_backbone
from coldframe.backbones.base import Backbone
from coldframe.cold.passes import tapped
from coldframe.data.decode import load_pixels
from coldframe.data.folder import SUFFIXES, Files
from coldframe.errors import DataError, InputError
from coldframe.files import expanded
from coldframe.methods import load
from coldframe.report.drawing import save_figure, shorten, style
from coldframe.report.predictions import prediction_figure
from coldframe.types import FEATURES

Classifier = Callable[[Tensor], Tensor]
"""uint8 images [B, 3, S, S] at the model's resolution -> probabilities [B, K]."""


@dataclass(frozen=True)
class Prediction:
    """The most probable classes of one file, best first.

    Args:
        file: its path.
        classes: names.
        probabilities: fractions, in the same order.
    """

    file: str
    classes: tuple[str, ...]
    probabilities: tuple[float, ...]


MOST_DRAWN = 24
"""Pictures in one figure of predictions."""


def find_files(places: Iterable[str | Path]) -> list[Path]:
    """Return the image files that paths, folders (searched below) and globs name, each once, in order.

    Raises:
        DataError: a place does not exist, or holds no image.
    """
    found: dict[Path, None] = {}
    for place in places:
        path = expanded(place)
        if path.is_file():
            hits = [path]
        elif path.is_dir():
            hits = sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
        else:
            hits = sorted(Path(hit) for hit in glob.glob(str(path), recursive=True) if Path(hit).is_file())  # noqa: PTH207
        if not hits:
            what = "no image in this folder" if path.is_dir() else "nothing"
            raise DataError(f"expected image files at {place}, found {what}; check the path")
        found |= dict.fromkeys(hits)
    return list(found)


def classifier(source: str | Path | Backbone, *, device: str = "cpu") -> tuple[Classifier, tuple[str, ...], Backbone]:
    """Return a classifier, its class names and its backbone from a saved run's folder, a model id or a backbone.

    Raises:
        InputError: the model has no classifier of its own.
    """
    if not isinstance(source, Backbone) and (Path(source) / "adaptation.json").is_file():
        method = load(source, device=device)
        return method.predict_proba, method.classes, method.backbone
    backbone = source if isinstance(source, Backbone) else load_backbone(str(source), device=device)
    side = backbone.preprocess.size

    @torch.no_grad()
    def own_head(images: Tensor) -> Tensor:
        logits = backbone.head(tapped(backbone, images, [FEATURES])[FEATURES])
        assert logits is not None
        return logits.float().softmax(-1).cpu()

    with torch.no_grad():
        blank = torch.zeros(1, 3, side, side, device=backbone.device, dtype=backbone.dtype)
        logits = backbone.head(backbone.run(blank))
    if logits is None:
        raise InputError(
            f"{backbone.name} has no classifier of its own; fit one with 'coldframe fit linear-probe', "
            "or name classes with 'coldframe zero-shot'"
        )
    names = backbone.classes or tuple(f"class {index}" for index in range(logits.shape[-1]))
    return own_head, tuple(names), backbone


def predict(
    source: str | Path | Backbone, places: Sequence[str | Path], *, top: int = 5, device: str = "cpu", batch_size: int = 32
) -> list[Prediction]:
    """Predict files.

    Args:
        source: folder of a saved run, model id or backbone.
        places: files, folders and globs.
        top: classes a file.
        device: where to run.
        batch_size: B.
    """
    if top < 1:
        raise InputError(f"expected top of 1 or more, found {top}")
    files = find_files(places)
    call, names, backbone = classifier(source, device=device)
    images = Files(tuple(files))
    predictions = []
    for start in range(0, len(files), batch_size):
        chunk = range(start, min(start + batch_size, len(files)))
        pixels = torch.from_numpy(load_pixels(images, list(chunk), backbone.preprocess))
        values, indices = call(pixels).topk(min(top, len(names)))
        for row, index in enumerate(chunk):
            chosen = tuple(names[i] for i in indices[row].tolist())
            predictions.append(Prediction(str(files[index]), chosen, tuple(values[row].tolist())))
    return predictions


def draw(predictions: Sequence[Prediction], path: str | Path) -> list[Path]:
    """Draw the first ``MOST_DRAWN`` pictures with their most probable classes, as PNG and SVG; return both paths.

    Args:
        predictions: what :func:`predict` returned.
        path: name of the figure, with or without its ending.
    """
    shown = predictions[:MOST_DRAWN]
    held = Files(tuple(Path(one.file) for one in shown))
    pictures = []
    for number in range(len(shown)):
        picture = held.open(number)
        picture.thumbnail((480, 480))
        pictures.append(np.asarray(picture))
    tops = [list(zip(one.classes, one.probabilities, strict=True)) for one in shown]
    with style():
        figure = prediction_figure(pictures, tops, [shorten(Path(one.file).name, 30) for one in shown])
    return save_figure(figure, path)
