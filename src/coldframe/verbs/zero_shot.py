"""Ask anything of images by texts: the data's own classes, or a question that its labels know nothing of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from coldframe import files
from coldframe.backbones import load_backbone
from coldframe.backbones.base import Backbone
from coldframe.cold import ColdPass
from coldframe.data import load_dataset
from coldframe.data.base import OnError, Split
from coldframe.data.folder import Files
from coldframe.data.joined import everything
from coldframe.data.places import find_files, readable, unlabelled
from coldframe.errors import InputError
from coldframe.evaluation.row import evaluate
from coldframe.measures.tags import map_interval, mean_average_precision
from coldframe.methods import templates
from coldframe.methods.zero_shot import Probabilities, ZeroShot
from coldframe.types import Row


@dataclass
class Answer:
    """What a model says of images.

    Args:
        texts: one text per class, with the first template.
        shares: fraction of the images whose most probable class it is, by class.
        confidence: mean probability of the most probable class.
        probabilities: ``softmax`` over the texts, or ``sigmoid`` of each by itself.
        row: the measured row, where the classes are the data's own; else empty.
        figure: where the picture is; None where none was asked for.
        left_out: images that do not decode, each with a few words why.
    """

    texts: list[str]
    shares: dict[str, float]
    confidence: float
    n: int
    probabilities: str = "softmax"
    row: Row = field(default_factory=dict)
    figure: Path | None = None
    left_out: dict[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain values."""
        about = {"texts": self.texts, "shares": self.shares, "confidence": self.confidence, "n": self.n}
        about["probabilities"] = self.probabilities
        about |= {"left_out": self.left_out} if self.left_out else {}
        return about | ({"row": self.row} if self.row else {}) | ({"figure": str(self.figure)} if self.figure else {})


def ask(
    data: str,
    model: str | Backbone,
    *,
    template: str | Sequence[str] | None = None,
    classes: Sequence[str] | None = None,
    split: str = "test",
    shots: int | None = None,
    probabilities: Probabilities = "auto",
    show: int = 0,
    seed: int = 0,
    out: Path | None = None,
    device: str = "cpu",
    download: bool = False,
    cold: ColdPass | None = None,
    on_error: OnError = "raise",
) -> Answer:
    """Classify the images of a split by texts.

    Args:
        data: a data spec.
        model: a vision-language model.
        template: one text with ``{}``, several, an ensemble's name, or a ``.json`` file of texts by class; the photo template
            when None.
        classes: own classes; the data's when None, and then accuracy is measured.
        split: ``train``, ``val``, ``test``, or ``all`` images; a folder of images without class folders is read as a whole.
        shots: training images per class, of which ``train`` then consists; all when None.
        probabilities: ``softmax`` over the texts, ``sigmoid`` of each by itself, or ``auto``: a sigmoid for own classes where
            the model was trained with one (SigLIP), else a softmax.
        show: number of random images to draw, into ``out``.
        seed: of the random images.
        out: folder for ``results.json`` and the figure.
        device: where to run.
        download: whether weights and data may be fetched.
        cold: the store.
        on_error: what to do with images that do not decode: ``"raise"`` or ``"skip"``.

    Raises:
        InputError: pictures were asked for and no folder named, or the model has no text tower.
    """
    if show and out is None:
        raise InputError("expected --out DIR beside --show, found none; name the folder for the figure")
    if isinstance(template, Sequence) and not isinstance(template, str) and len(template) == 1:
        template = template[0]
    backbone = load_backbone(model, device=device, download=download) if isinstance(model, str) else model
    place = unlabelled(data)
    if place is not None and classes is None:
        raise InputError(f"expected --classes for images without labels in {place}, found none; name what to tell apart")
    if place is not None:
        paths, left = readable(find_files([place]), on_error)
        chosen = Split("all", Files(tuple(paths)), np.zeros(len(paths), dtype=np.int64), ("no label",))
    else:
        whole = split == "all"
        dataset = load_dataset(data, shots=shots, download=download, on_error=on_error, whole=whole, several=True)
        chosen, left = everything(dataset) if split == "all" else dataset.split(split), dict(dataset.reasons)
        classes = tuple(classes) if classes else None
    names = tuple(classes or chosen.classes)
    method = ZeroShot(backbone, template or templates.PHOTO).for_classes(names)
    kind = method.kind_of("softmax" if probabilities == "auto" and classes is None else probabilities)
    found = method.judged(chosen, kind, cold=cold)  # [N, K]
    best = found.max(-1)
    counts = torch.bincount(best.indices, minlength=len(names)) / max(1, len(chosen))
    each = templates.texts_of(method.template, names)
    first = "texts of each class" if templates.by_class(method.template) else templates.resolve(method.template)[0]
    answer = Answer(
        texts=[texts[0] for texts in each],
        shares=dict(zip(names, counts.tolist(), strict=True)),
        confidence=float(best.values.mean()),
        n=len(chosen),
        probabilities=kind,
        left_out=left,
    )
    if classes is None and chosen.tags is not None:
        # Of texts alone no threshold is chosen, so that mAP is all that is measured.
        found_map = mean_average_precision(found, chosen.tags)
        about = {"method": method.name, "model": backbone.name, "data": data, "split": chosen.name, "n": len(chosen)}
        ends = None if found_map is None else list(map_interval(found, chosen.tags))
        answer.row = about | {"map": found_map, "intervals": {"map": ends}, "trainable_parameters": 0}
    elif classes is None:
        answer.row = evaluate(method, chosen, data=data, cold=cold).row
    if out is not None:
        if show:
            answer.figure = _draw(method, chosen, found, show, seed, first, out, own=classes is not None)
        files.write_json(out / "results.json", answer.as_dict())
    return answer


def _draw(
    method: ZeroShot, split: Split, probabilities: torch.Tensor, show: int, seed: int, template: str, out: Path, *, own: bool
) -> Path:
    from coldframe.report.figures.predictions import prediction_figure

    rows = np.random.default_rng(seed).permutation(len(split))[:show]
    top = probabilities[torch.from_numpy(rows)].topk(min(5, len(method.classes)))
    tops = [
        [(method.classes[i], p) for i, p in zip(indices, values, strict=True)]
        for indices, values in zip(top.indices.tolist(), top.values.tolist(), strict=True)
    ]
    images = [np.asarray(split.images.open(int(row))) for row in rows]
    titles = [split.classes[split.labels[row]] if own else f"true: {split.classes[split.labels[row]]}" for row in rows]
    figure = prediction_figure(images, tops, titles, heading=f"“{template.replace('{}', '…')}”")
    for suffix in (".svg", ".png"):
        path = files.write_figure(out / f"predictions{suffix}", lambda place: figure.savefig(place, dpi=160))
    return path
