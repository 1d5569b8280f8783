"""Pretrained models, saved runs and fitted methods as classifiers: callables from images to logits or to probabilities."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from coldframe.attacks import Model
from coldframe.backbones import load_backbone
from coldframe.backbones.base import Backbone
from coldframe.cold.engines import tapped
from coldframe.errors import InputError
from coldframe.measures.conformal import sets as conformal_sets
from coldframe.methods import Method, load
from coldframe.methods.run_folder import means_run, run_folder
from coldframe.methods.saving import about_of, thresholds_in
from coldframe.types import FEATURES

Classifier = Callable[[Tensor], Tensor]
"""uint8 images [B, 3, S, S] at the model's resolution -> probabilities [B, K]."""


FOLDED_FROM = 100
"""Images from which on folding batch normalisation takes less time than it saves: as much as lite0 takes for 25 images."""


def own_classifier(backbone: Backbone, images: int = FOLDED_FROM) -> tuple[Model, tuple[str, ...]]:
    """Return a model's own classifier, and the names of its classes; numbers stand for names that nobody gave.

    The classifier takes images, uint8 or in [0, 1], [B, 3, S, S], and returns logits [B, K]. Batch normalisations are folded
    first (:meth:`~coldframe.backbones.base.Backbone.folded`), unless the same weights will be asked for few images. The
    weights are those of the moment of the call.

    Args:
        backbone: the model.
        images: about how many images the classifier will be asked for.

    Raises:
        InputError: the model has no classifier of its own.
    """
    side = backbone.preprocess.size
    with torch.no_grad():
        blank = torch.zeros(1, 3, side, side, device=backbone.device, dtype=backbone.dtype)
        tried = backbone.head(backbone.run(blank))
    if tried is None:
        raise InputError(
            f"{backbone.name} has no classifier of its own; choose a model with one, such as lite0, "
            "fit one with 'coldframe fit linear-probe', or name classes with 'coldframe zero-shot'"
        )
    folded = backbone.folded() if images >= FOLDED_FROM else backbone

    def model(images: Tensor) -> Tensor:
        if torch.is_grad_enabled():
            features = folded.run(folded.normalise(images))
        else:
            features = tapped(folded, images, [FEATURES])[FEATURES]
        logits = folded.head(features)
        assert logits is not None
        return logits

    return model, tuple(backbone.classes) or tuple(f"class {index}" for index in range(tried.shape[-1]))


def logits_of(method: Method) -> Model:
    """Return a fitted method as a callable from images in [0, 1], [B, 3, S, S], to logits [B, K]; gradients reach the images.

    The whole network runs, from the method's own normalisation on; nothing stored is used.

    Raises:
        InputError: the method is not fitted, or its gradients say too little.

    Example:
        >>> PGD(4 / 255)(logits_of(probe), images, labels)  # doctest: +SKIP
    """
    method.check_classes(method.classes)
    if method.gradientless:
        raise InputError(f"{method.name} cannot be attacked: {method.gradientless}; choose another, such as linear-probe")
    if method.thresholds:
        raise InputError("expected one label per image to attack, found several; attacks change one answer: choose another run")

    def model(images: Tensor) -> Tensor:
        return method(method.backbone.normalise(images))

    return model


def opened(
    source: str | Backbone | Method, *, device: str = "cpu", download: bool = False
) -> tuple[Model, tuple[str, ...], Backbone]:
    """Return what is attacked as a callable, the names of its classes, and its backbone.

    Args:
        source: the folder of a saved run, a model id, a backbone or a fitted method.
        device: where what is loaded here runs.
        download: whether weights may be fetched.
    """
    if isinstance(source, str) and means_run(source):
        source = load(source, device=device, download=download)
    if isinstance(source, Method):
        return logits_of(source), source.classes, source.backbone
    backbone = source if isinstance(source, Backbone) else load_backbone(source, device=device, download=download)
    return *own_classifier(backbone), backbone


def set_limit(source: str | Path | Backbone, level: float, *, device: str = "cpu", download: bool = False) -> float:
    """Return the highest score of a class that is in a picture's set; see :mod:`coldframe.measures.conformal`, kind LAC.

    Raises:
        InputError: the source is no saved run, or keeps too few answers to images that had no part in learning.
    """
    if isinstance(source, Backbone) or not means_run(source):
        raise InputError("expected a saved run with --conformal, found a model; name one with --run")
    held = load(source, device=device, download=download).validated
    if held is None:
        raise InputError(f"expected validation answers in {source} to choose sets by, found none; fit it again with val")
    return held.limit("lac", level)


def in_set(probabilities: Tensor, limit: float) -> list[int]:
    """Return the classes in the set of one picture's probabilities [K], best first."""
    inside = torch.from_numpy(conformal_sets(probabilities[None], limit, "lac")[0])
    order = probabilities.argsort(descending=True, stable=True)
    return [int(k) for k in order if inside[k]]


def thresholds_of(source: str | Path | Backbone) -> list[float]:
    """Return from which probability a saved run gives each label [K]; empty where each image has one label."""
    if isinstance(source, Backbone) or not means_run(source):
        return []
    return thresholds_in(about_of(run_folder(source)))


def classifier(
    source: str | Path | Backbone, *, device: str = "cpu", download: bool = False, images: int = FOLDED_FROM
) -> tuple[Classifier, tuple[str, ...], Backbone]:
    """Return a classifier, its class names and its backbone from a saved run's folder, a model id or a backbone.

    ``images`` is about how many images it will be asked for, see :func:`own_classifier`.

    Raises:
        InputError: the model has no classifier of its own.
    """
    if not isinstance(source, Backbone) and means_run(source):
        method = load(source, device=device, download=download)
        return method.predict_proba, method.classes, method.backbone
    backbone = source if isinstance(source, Backbone) else load_backbone(str(source), device=device, download=download)
    logits, names = own_classifier(backbone, images)

    @torch.no_grad()
    def probabilities(images: Tensor) -> Tensor:
        return logits(images).float().softmax(-1).cpu()

    return probabilities, names, backbone
