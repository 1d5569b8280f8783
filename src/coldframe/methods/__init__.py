"""One file = one way to adapt. No method imports another."""

from __future__ import annotations

from pathlib import Path

from coldframe.backbones import load_backbone, shaped
from coldframe.backbones.base import Backbone
from coldframe.errors import InputError, ModelError, visible
from coldframe.files.own import is_own, named
from coldframe.methods import saving
from coldframe.methods.base import Method
from coldframe.methods.run_folder import run_folder
from coldframe.methods.saving import restore
from coldframe.registry import METHODS, resolve

__all__ = ["Method", "load", "method_class", "restore"]


def method_class(name: str) -> type[Method]:
    """Return the class of a method by its name, such as ``"linear-probe"``, or of your own file, ``"./mymethod.py:Lora"``."""
    if is_own(name):
        return saving.own_class(name)
    found: type[Method] = resolve(METHODS, name, "method")
    return found


def load(folder: str | Path, backbone: Backbone | None = None, *, device: str = "cpu", download: bool = False) -> Method:
    """Load a saved adaptation.

    Args:
        folder: where :meth:`Method.save` wrote it, or what ``compare`` wrote: then the method that it hands over in ``best``.
        backbone: the backbone when it is at hand already; else it is loaded by its name.
        device: where to put a backbone that is loaded here.
        download: whether its weights may be fetched.

    Raises:
        InputError: the folder holds no adaptation.
        ModelError: the backbone's weights are not those that the adaptation was learned on.
    """
    folder = run_folder(folder)
    about = saving.about_of(folder)
    if backbone is None:
        if is_own(about.backbone.name) and not named(about.backbone.name):
            said = f"{folder} was learned on a model of a file of your own, {visible(about.backbone.name)}"
            raise InputError(f"{said}, which is run only when you name it: add --own {visible(about.backbone.name)}")
        backbone = load_backbone(about.backbone.name, device=device, download=download)
    if backbone.digest != about.backbone.digest:
        raise ModelError(
            f"{folder} was learned on other weights of {visible(about.backbone.name)} than those loaded "
            f"({visible(about.backbone.digest[:8])} expected, {backbone.digest[:8]} found); use the same weights or fit again"
        )
    if isinstance(mode := about.preprocess.get("mode"), str) and about.config.get("resize") != "squash":
        backbone = shaped(backbone, mode)
    method = saving.unfitted(about, backbone, folder)
    method.restore(about.classes, saving.state_of(about, folder), folder)
    method.validated = saving.validated_of(folder)
    return method
