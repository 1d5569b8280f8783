"""Pretrained models, saved runs and fitted methods as what an attack works on: a callable from images in [0, 1] to logits."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from coldframe.attacks import Model
from coldframe.backbones import load_backbone
from coldframe.backbones.base import Backbone
from coldframe.errors import InputError
from coldframe.methods import Method, load


def own_logits(backbone: Backbone) -> Model:
    """Return a model's own classifier as a callable from images in [0, 1], [B, 3, S, S], to logits [B, K].

    Batch normalisations are folded first (:meth:`~coldframe.backbones.base.Backbone.folded`): an attack asks the same weights
    many times. The weights are those of the moment of the call.

    Raises:
        InputError: the model has no classifier of its own.
    """
    backbone = backbone.folded()

    def model(images: Tensor) -> Tensor:
        logits = backbone.head(backbone.run(backbone.normalise(images)))
        assert logits is not None
        return logits

    side = backbone.preprocess.size
    with torch.no_grad():
        none = backbone.head(backbone.run(torch.zeros(1, 3, side, side, device=backbone.device, dtype=backbone.dtype))) is None
    if none:
        raise InputError(f"{backbone.name} has no classifier of its own to attack; choose a model with one, such as lite0")
    return model


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

    def model(images: Tensor) -> Tensor:
        return method(method.backbone.normalise(images))

    return model


def opened(source: str | Backbone | Method, *, device: str = "cpu") -> tuple[Model, tuple[str, ...], Backbone]:
    """Return what is attacked as a callable, the names of its classes, and its backbone.

    Args:
        source: the folder of a saved run, a model id, a backbone or a fitted method.
        device: where what is loaded here runs.
    """
    if isinstance(source, str) and (Path(source) / "adaptation.json").is_file():
        source = load(source, device=device)
    if isinstance(source, Method):
        return logits_of(source), source.classes, source.backbone
    backbone = source if isinstance(source, Backbone) else load_backbone(source, device=device)
    return own_logits(backbone), backbone.classes, backbone
