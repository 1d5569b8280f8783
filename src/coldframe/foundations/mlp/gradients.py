"""A gradient checker for any layer with a hand-written backward pass, one's own included."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from coldframe.errors import InputError
from coldframe.foundations.mlp.layers import Array


class Differentiable(Protocol):
    """What can be checked. Where it has dicts ``parameters`` and ``gradients``, these are checked as well."""

    def forward(self, x: Array, /, *arguments: Any) -> Any:
        """Return an array or a number."""

    # Returns Any, because a loss's backward takes its input where a layer's takes the gradient of the output.
    def backward(self, *arguments: Any) -> Any:
        """Return the gradient of the input, or None where it is not computed."""


@dataclass(frozen=True)
class GradientCheck:
    """What a check found.

    Args:
        errors: ``"input"`` and every parameter's name -> largest error |a - n| / max(1, |a|, |n|) of the analytic gradient a
            against the numeric one n.
        tolerance: what counts as equal.
    """

    errors: dict[str, float]
    tolerance: float

    @property
    def worst(self) -> float:
        """The largest error of all."""
        return max(self.errors.values())

    @property
    def passed(self) -> bool:
        """Whether every error is below the tolerance."""
        return all(error < self.tolerance for error in self.errors.values())

    def __str__(self) -> str:
        verdicts = {name: "" if error < self.tolerance else "  wrong" for name, error in self.errors.items()}
        return "\n".join(f"{name:20s} {self.errors[name]:.1e}{verdict}" for name, verdict in verdicts.items())


def check_gradients(
    module: Differentiable,
    x: Array,
    *arguments: Any,
    step: float = 1e-5,
    tolerance: float = 1e-6,
    most: int = 200,
    seed: int = 0,
) -> GradientCheck:
    """Compare a layer's backward pass with central differences (L(w + step) - L(w - step)) / (2 step), in float64.

    The output is made a number by a random projection, L = sum(r * forward(x)); ``backward`` is given r. A loss, whose forward
    returns a number, is called as ``backward(x, *arguments)``. The backward pass runs twice, so that gradients which add up are
    found. The module itself is not touched: a copy is.

    Args:
        module: a layer with ``forward(x, *arguments)`` and ``backward(gradient)``, and parameters in float64.
        x: its input [B, ...], float64. A point where the layer has a kink (0 of a ReLU) has no derivative to compare.
        arguments: what forward takes beside x, such as labels.
        step: half the distance of the two points.
        tolerance: largest error that passes.
        most: entries tried of each array, drawn by seed.
        seed: decides the projection and the entries.

    Returns:
        The errors by name.

    Raises:
        InputError: the input or a parameter is not float64, or a gradient's shape is not that of its array.

    Example:
        >>> from coldframe.foundations.mlp import Linear
        >>> check_gradients(Linear(3, 2), np.ones((4, 3))).passed
        True
    """
    module = copy.deepcopy(module)
    x = np.array(x)
    parameters: dict[str, Array] = getattr(module, "parameters", {})
    for name, value in {"input": x, **parameters}.items():
        if value.dtype != np.float64:
            raise InputError(f"expected float64 to check gradients, found {value.dtype} in {name}; build it with dtype float64")
    generator = np.random.default_rng(seed)
    output = module.forward(x, *arguments)
    projection = generator.standard_normal(np.shape(output)) if np.ndim(output) else None

    def loss() -> float:
        found = module.forward(x, *arguments)
        return float(found if projection is None else np.sum(projection * found))

    analytic: dict[str, Any] = {}
    for _ in range(2):
        module.forward(x, *arguments)
        dx = module.backward(x, *arguments) if projection is None else module.backward(projection)
        gradients: dict[str, Array] = getattr(module, "gradients", {})
        analytic = {name: np.array(gradients[name]) for name in parameters}
    if dx is not None:
        analytic["input"] = np.array(dx)
    errors = {}
    for name, array in {"input": x, **parameters}.items():
        if name not in analytic:
            continue
        if analytic[name].shape != array.shape:
            raise InputError(f"expected a gradient of shape {list(array.shape)} for {name}, found {list(analytic[name].shape)}")
        errors[name] = _largest_error(loss, array, analytic[name], step, most, generator)
    return GradientCheck(errors, tolerance)


def _largest_error(
    loss: Callable[[], float], array: Array, analytic: Array, step: float, most: int, generator: np.random.Generator
) -> float:
    worst = 0.0
    for place in generator.permutation(array.size)[:most]:
        index = np.unravel_index(place, array.shape)
        kept = array[index]
        array[index] = kept + step
        above = loss()
        array[index] = kept - step
        below = loss()
        array[index] = kept
        numeric, given = (above - below) / (2 * step), float(analytic[index])
        error = abs(given - numeric) / max(1.0, abs(given), abs(numeric))
        worst = max(worst, error if np.isfinite(error) else np.inf)
    return worst
