"""What a checkpoint of one's own says about itself: padding and preprocessing, behind its path or in a JSON file beside it.

``timm:mobilenetv2_100@model.safetensors?pad_type=same&mean=0.5&std=0.5&resize=256`` says it behind the path;
``model.json`` beside ``model.safetensors`` holds the same as ``{"pad_type": "same", "mean": 0.5, ...}``. What stands behind
the path wins.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast, get_args

from torch import nn

from coldframe.backbones.ids import ModelId
from coldframe.errors import ModelError, nearest, visible
from coldframe.files import read_json
from coldframe.types import Interpolation, Preprocess

KEYS = ("pad_type", "size", "resize", "mean", "std", "interpolation")
PADDINGS = ("same", "pytorch")


@dataclass(frozen=True)
class Options:
    """What was said of a checkpoint; None where nothing was.

    Args:
        pad_type: ``"same"`` for TensorFlow's padding, ``"pytorch"`` for PyTorch's.
        size: pixels on a side.
        resize: pixels of the shorter side before the crop.
        mean: channel means in units of [0, 1].
        std: channel standard deviations in units of [0, 1].
        interpolation: of the resize.
    """

    pad_type: str | None = None
    size: int | None = None
    resize: int | None = None
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None
    interpolation: Interpolation | None = None

    @property
    def settings(self) -> dict[str, Any]:
        """Settings of timm's network."""
        return {} if self.pad_type is None else {"pad_type": "same" if self.pad_type == "same" else ""}

    def padding(self, name: str, exists: Callable[[str], bool]) -> str:
        """Say which padding a local file runs with, where there are two that its tensors fit.

        Args:
            name: the network.
            exists: whether the zoo has a network.
        """
        if self.pad_type is not None:
            return f" (with {'TensorFlow' if self.pad_type == 'same' else 'PyTorch'}'s padding)"
        twin = f"tf_{name.partition('.')[0]}"
        advice = f"; if it came from TensorFlow, load timm:{twin} or add ?pad_type=same"
        return f" (with PyTorch's padding{advice})" if exists(twin) else ""

    def applied(self, usual: Preprocess) -> Preprocess:
        """Return a preprocessing with what was said in its place; a new size alone keeps the share of the crop."""
        size = self.size or usual.size
        resize = self.resize or round(usual.resize * size / usual.size)
        if resize < size:
            raise ModelError(f"expected resize of {size} or more, the size of the crop, found {resize}; raise it or lower size")
        return replace(
            usual, size=size, resize=resize, mean=self.mean or usual.mean, std=self.std or usual.std,
            interpolation=self.interpolation or usual.interpolation,
        )  # fmt: skip


def built(build: Callable[..., nn.Module], name: str, settings: Mapping[str, Any]) -> nn.Module:
    """Build a network with settings, or say that it has no such ones, or cannot have images of that size."""
    try:
        return build(name, **settings)
    except TypeError as error:
        raise ModelError(f"{name} has no setting {', '.join(settings)}; leave it out") from error
    except (AssertionError, ValueError, RuntimeError, ZeroDivisionError) as error:
        if "img_size" not in settings:
            raise
        raise no_size(name, settings["img_size"], error) from error


def no_size(name: str, size: int, error: Exception) -> ModelError:
    """Return the error of a network that does not take images of a size."""
    reason = visible(" ".join(str(error).split())[:120]).rstrip(".") or type(error).__name__
    return ModelError(f"{name} cannot have images of {size} pixels ({reason}); choose another size")


def options_of(model: ModelId) -> Options:
    """Return what is said of a model's checkpoint.

    Raises:
        ModelError: an unknown option, or a value that cannot be.
    """
    said: dict[str, Any] = {}
    if model.checkpoint is not None:
        beside = model.checkpoint.with_suffix(".json")
        if beside.is_file() and beside != model.checkpoint:
            found = read_json(beside)
            if not isinstance(found, Mapping):
                raise ModelError(f"expected an object of {', '.join(KEYS)} in {beside}, found {type(found).__name__}")
            said.update(_known(found, str(beside)))
    said.update(_known(dict(model.options), str(model)))
    return Options(**{key: _value(key, value) for key, value in said.items()})


def _known(found: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    for key in found:
        if key not in KEYS:
            raise ModelError(f"unknown option {key!r} in {where}{nearest(str(key), KEYS)}; the options are {', '.join(KEYS)}")
    return found


def _value(key: str, value: Any) -> Any:
    if key in ("mean", "std"):
        return _three(key, value)
    if key in ("size", "resize"):
        return _pixels(key, value)
    allowed = PADDINGS if key == "pad_type" else get_args(Interpolation)
    if value not in allowed:
        raise ModelError(f"expected {key} of {' or '.join(allowed)}, found {value!r}{nearest(str(value), allowed)}")
    return value


def _pixels(key: str, value: Any) -> int:
    if isinstance(value, bool) or not str(value).isdecimal() or not 1 <= int(value) <= 4096:
        raise ModelError(f"expected {key} as whole pixels from 1 to 4096, found {value!r}")
    return int(value)


def _three(key: str, value: Any) -> tuple[float, float, float]:
    parts = str(value).split(",") if not isinstance(value, list) else value
    try:
        numbers = [float(part) for part in parts]
    except (TypeError, ValueError):
        numbers = []
    numbers = numbers * 3 if len(numbers) == 1 else numbers
    least = 0.0 if key == "mean" else 1e-3
    if len(numbers) != 3 or not all(least <= number <= 1 for number in numbers):
        raise ModelError(f"expected {key} as one number or three with commas, each from {least:g} to 1, found {value!r}")
    return cast(tuple[float, float, float], tuple(numbers))
