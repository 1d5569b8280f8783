"""Top-k predictions for image files, by a pretrained model's own head or by a saved adaptation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from coldframe.backbones.base import Backbone
from coldframe.cold.finite import check_finite
from coldframe.data.base import OnError
from coldframe.data.decode import load_pixels
from coldframe.data.folder import Files
from coldframe.data.places import MOST_FILES, Seen, find_files, readable
from coldframe.errors import InputError
from coldframe.evaluation.classifiers import FOLDED_FROM, classifier, in_set, set_limit, thresholds_of


@dataclass(frozen=True)
class Prediction:
    """The most probable classes of one file, best first.

    Args:
        file: its path.
        classes: names.
        probabilities: fractions, in the same order.
        labels: where pictures have several labels, those that this one is given; None where each has one.
        set: the classes one of which is the true one in a wanted share of cases, best first; None where none was asked for.
    """

    file: str
    classes: tuple[str, ...]
    probabilities: tuple[float, ...]
    set: tuple[str, ...] | None = None
    labels: tuple[str, ...] | None = None


MOST_DRAWN = 24
"""Pictures in one figure of predictions."""


def predict(
    source: str | Path | Backbone,
    places: Sequence[str | Path],
    *,
    top: int = 5,
    device: str = "cpu",
    batch_size: int = 32,
    download: bool = False,
    on_error: OnError = "raise",
    left: dict[str, str] | None = None,
    seen: Seen | None = None,
    most: int = MOST_FILES,
    conformal: float | None = None,
) -> list[Prediction]:
    """Predict files.

    Args:
        source: folder of a saved run, model id or backbone.
        places: files, folders and globs.
        top: classes a file.
        device: where to run.
        batch_size: B.
        download: whether weights may be fetched.
        on_error: ``"raise"`` stops at a file that does not decode, before any work; ``"skip"`` leaves it out.
        left: gets the files that were left out, each with a few words why.
        seen: called while places are searched; see :data:`coldframe.data.places.Seen`.
        most: files, at most.
        conformal: wanted share of files whose true class is in their set; no sets when None. It holds for files of the same
            kind as the run's validation images.
    """
    if top < 1:
        raise InputError(f"expected top of 1 or more, found {top}")
    several = thresholds_of(source)
    if several and conformal is not None:
        raise InputError("expected a run of one label per image for conformal sets, found several; leave --conformal out")
    limit = None if conformal is None else set_limit(source, conformal, device=device, download=download)
    asked = len(places) if all(Path(place).is_file() for place in places) else FOLDED_FROM  # folders are looked into later
    call, names, backbone = classifier(source, device=device, download=download, images=asked)
    files, skipped = readable(find_files(places, most=most, seen=seen), on_error)
    if left is not None:
        left |= skipped
    images = Files(tuple(files))
    predictions = []
    for start in range(0, len(files), batch_size):
        chunk = range(start, min(start + batch_size, len(files)))
        pixels = torch.from_numpy(load_pixels(images, list(chunk), backbone.preprocess))
        probabilities = call(pixels)  # [B, K]
        check_finite(probabilities, backbone.name, "its class probabilities", files[start:].__getitem__)
        values, indices = probabilities.topk(min(top, len(names)))
        for row, index in enumerate(chunk):
            chosen = tuple(names[i] for i in indices[row].tolist())
            held = None if limit is None else tuple(names[i] for i in in_set(probabilities[row], limit))
            given = zip(names, probabilities[row].tolist(), several, strict=True) if several else ()
            labels = tuple(name for name, value, least in given if value >= least) if several else None
            predictions.append(Prediction(str(files[index]), chosen, tuple(values[row].tolist()), held, labels))
    return predictions


def draw(predictions: Sequence[Prediction], path: str | Path) -> list[Path]:
    """Draw the first ``MOST_DRAWN`` pictures with their most probable classes, as PNG and SVG; return both paths.

    Args:
        predictions: what :func:`predict` returned.
        path: name of the figure, with or without its ending.
    """
    # Drawing is imported where it is used: it takes as long as a prediction.
    from coldframe.report.figures.predictions import prediction_figure
    from coldframe.report.figures.style import save_figure, shorten, style

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
