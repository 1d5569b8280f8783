"""The files of a saved run: what they say, and whether they belong together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from coldframe import files
from coldframe.backbones.base import Backbone
from coldframe.errors import InputError, ModelError
from coldframe.files import formats, reading
from coldframe.files.own import own
from coldframe.measures.conformal import KINDS
from coldframe.measures.temperature import LEAST, MOST
from coldframe.methods.base import CALIBRATION, THRESHOLDS, VALIDATED, Method
from coldframe.methods.calibrated import HeldOut
from coldframe.registry import METHODS, resolve

LATER = {"balance": "none"}
"""Settings that older saved runs do not name, with what these did."""


def restore(method: Method, folder: Path, classes: Sequence[str]) -> None:
    """Let a method of the same settings take over what a saved run learned. Raises :class:`ModelError` where it is damaged.

    Settings that it leaves open become those that the run took.
    """
    about = about_of(folder)
    settled = about.choices.get("settled")
    if isinstance(settled, dict):
        checked = method.again(**{name: value for name, value in settled.items() if isinstance(name, str)}).config()
        method.take({name: checked[name] for name in settled if name in checked})
    method.choices = about.choices
    method.restore(classes, state_of(about, folder), folder)


def about_of(folder: Path) -> formats.Adaptation:
    """Return what ``adaptation.json`` says. Raises :class:`FileError` where it is damaged."""
    return reading.read(folder / "adaptation.json", formats.Adaptation, remedy="fit it again")


def state_of(about: formats.Adaptation, folder: Path) -> dict[str, Tensor]:
    """Return the tensors of a saved run. Raises :class:`ModelError` where they are not those that it lists."""
    state, _ = files.read_safetensors(folder / "adaptation.safetensors")
    if {name: list(tensor.shape) for name, tensor in state.items()} != about.state:
        raise ModelError(f"{folder} is damaged: adaptation.safetensors does not hold what adaptation.json lists; fit it again")
    return state


def thresholds_in(about: formats.Adaptation) -> list[float]:
    """Return from which probability each label is given [K]; empty where each image has one label.

    Raises:
        ModelError: the file holds something else.
    """
    found = about.choices.get(THRESHOLDS)
    if found is None:
        return []
    fine = isinstance(found, list) and all(isinstance(value, float | int) and 0 <= value <= 1 for value in found)
    if not fine or len(found) != len(about.classes):
        said = f"expected thresholds of {len(about.classes)} labels, each in [0, 1], in adaptation.json, found others"
        raise ModelError(f"{said}; fit it again")
    return [float(value) for value in found]


def validated_of(folder: Path) -> HeldOut | None:
    """Return a run's answers to its validation images; None where it keeps none. Raises :class:`ModelError` where damaged."""
    path = folder / VALIDATED
    if not files.is_file(path):
        return None
    found, _ = files.read_safetensors(path)
    sure, right = found.pop("probability", None), found.pop("right", None)
    known = {kind: scores for kind, scores in found.items() if kind in KINDS}
    whole = sure is not None and right is not None and sure.ndim == 1 and sure.shape == right.shape
    if not whole or sure is None or right is None or not sure.is_floating_point() or known.keys() != found.keys() or any(
        scores.shape != sure.shape or not scores.is_floating_point() for scores in known.values()
    ):
        raise ModelError(f"{path} is damaged: expected a probability and whether it was right for each image; fit it again")
    return HeldOut(sure, right.bool(), known)


def own_class(name: str) -> type[Method]:
    """Return the class that ``FILE.py:NAME`` stands for. Raises :class:`InputError` where it is no method with its own name."""
    kind = own(name)
    if not (isinstance(kind, type) and issubclass(kind, Method)):
        raise InputError(f"expected {name} to be a class derived from coldframe.methods.Method, found another thing")
    if getattr(kind, "name", None) is None or kind.name in METHODS:
        raise InputError(f"expected a name of its own on the class {name}, found that of a method of coldframe's or none")
    return kind


def _own_kind(name: str) -> type[Method] | None:
    """Return the class of the user's own, imported in this process, that has the name; None where there is none."""
    waiting: list[type[Method]] = list(Method.__subclasses__())
    while waiting:
        kind = waiting.pop()
        if name not in METHODS and vars(kind).get("name") == name:
            return kind
        waiting += kind.__subclasses__()
    return None


def unfitted(about: formats.Adaptation, backbone: Backbone, folder: Path) -> Method:
    """Return the method with its settings, without what it learned. Raises :class:`ModelError` for settings of no method."""
    try:
        kind: type[Method] = _own_kind(about.method) or resolve(METHODS, about.method, "method")
        config = {name: value for name, value in LATER.items() if name in kind.settings()} | dict(about.config)
        missing = [name for name in kind.settings() if name not in config]
        if missing:
            raise InputError(f"expected the setting {missing[0]} of {about.method}, found none")
        method = kind(backbone, **config)
    except InputError as error:
        raise ModelError(f"{folder / 'adaptation.json'} is damaged: {error}; fit it again") from error
    thresholds_in(about)
    found = about.choices.get(CALIBRATION)
    if found is not None:
        divisor = found.get("temperature") if isinstance(found, dict) else None
        if isinstance(divisor, bool) or not isinstance(divisor, int | float) or not LEAST / 2 <= divisor <= 2 * MOST:
            raise ModelError(f"{folder / 'adaptation.json'} is damaged: expected a temperature above 0; fit it again")
    method.choices = about.choices
    return method
