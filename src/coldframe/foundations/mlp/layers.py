"""The layers of a perceptron in NumPy, each with its forward pass and its backward pass written out by hand.

Contract of a layer: ``forward`` takes a batch and keeps what ``backward`` needs; ``backward`` takes the gradient of a scalar
loss with respect to the layer's output, writes the gradients of its parameters into ``gradients``, replacing what was there,
and returns the gradient with respect to its input. ``parameters``, ``gradients`` and ``buffers`` are plain dicts of arrays that
are changed in place, so that an optimiser, a checkpoint or a twin may hold on to them.

K classes, B images in a batch, D width.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from coldframe.errors import DataError, InputError
from coldframe.values import COUNT

Array = NDArray[Any]
"""Floats of one precision: float64 for checks, float32 for speed."""


class Layer:
    """What every layer has; a layer without parameters only adds the two passes."""

    def __init__(self) -> None:
        self.parameters: dict[str, Array] = {}
        self.gradients: dict[str, Array] = {}
        self.buffers: dict[str, Array] = {}
        self.training = True

    def add(self, name: str, value: Array) -> None:
        """Add a parameter with a gradient of the same shape, zero at first."""
        self.parameters[name] = value
        self.gradients[name] = np.zeros_like(value)

    def forward(self, x: Array) -> Array:
        """Return the output for a batch."""
        raise NotImplementedError

    def backward(self, gradient: Array) -> Array | None:
        """Write parameter gradients; return the gradient of the input, or None where the layer was told to skip it."""
        raise NotImplementedError


class Linear(Layer):
    """y = x W^T + b, with W ~ N(0, gain / D_in) and b = 0 (Kaiming normal).

    Backward: dW = dy^T x, db = sum over the batch of dy, dx = dy W.

    Args:
        inputs: D_in.
        outputs: D_out.
        gain: 2 after an activation that drops half of its input, 1 for the layer that sees the data.
        generator: source of W.
        dtype: float64 or float32.
        input_gradient: False leaves dx out, which a first layer does not need and which costs a third of its work.

    Source: He et al., Delving Deep into Rectifiers (2015), section 2.2.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        gain: float = 2.0,
        generator: np.random.Generator | None = None,
        dtype: DTypeLike = np.float64,
        input_gradient: bool = True,
    ) -> None:
        super().__init__()
        inputs, outputs = COUNT.check("inputs", inputs), COUNT.check("outputs", outputs)
        generator = np.random.default_rng(0) if generator is None else generator
        spread = (gain / inputs) ** 0.5
        self.add("weight", (spread * generator.standard_normal((outputs, inputs))).astype(dtype))  # [D_out, D_in]
        self.add("bias", np.zeros(outputs, dtype))  # [D_out]
        self.input_gradient = input_gradient

    def forward(self, x: Array) -> Array:
        weight = self.parameters["weight"]
        if x.ndim != 2 or x.shape[1] != weight.shape[1]:
            raise InputError(f"expected a batch of shape [B, {weight.shape[1]}], found {list(x.shape)}; flatten the images")
        self._x = x
        y: Array = x @ weight.T  # [B, D_out]
        y += self.parameters["bias"]
        return y

    def backward(self, gradient: Array) -> Array | None:
        np.matmul(gradient.T, self._x, out=self.gradients["weight"])  # [D_out, D_in]
        np.sum(gradient, axis=0, out=self.gradients["bias"])  # [D_out]
        if not self.input_gradient:
            return None
        dx: Array = gradient @ self.parameters["weight"]  # [B, D_in]
        return dx


class ELU(Layer):
    """y = x where x > 0, else alpha (exp(x) - 1). Backward: dx = dy where x > 0, else dy (y + alpha).

    Source: Clevert et al., Fast and Accurate Deep Network Learning by Exponential Linear Units (2016), equation 15.
    """

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__()
        self.alpha = alpha

    def forward(self, x: Array) -> Array:
        # exp(x) - 1 = 2 t / (1 - t) with t = tanh(x / 2). Nothing cancels where x <= 0, and NumPy computes tanh five times
        # faster than expm1. min(x, 0) keeps the side where it is not used at 0.
        t = np.minimum(x, 0)
        t *= 0.5
        np.tanh(t, out=t)
        below: Array = t / (1 - t)
        below *= 2 * self.alpha
        y: Array = np.maximum(x, 0)
        y += below
        below += self.alpha
        if self.alpha != 1:
            below[x > 0] = 1
        self._slope = below
        return y

    def backward(self, gradient: Array) -> Array:
        dx: Array = gradient * self._slope
        return dx


class Softmax(Layer):
    """p_k = exp(x_k - max x) / sum_j exp(x_j - max x). Backward: dx = p (dp - sum_k dp_k p_k).

    Subtracting the row maximum changes no probability and keeps exp from overflowing. A probability that underflows is raised
    to the smallest normal number, so that the loss stays finite and cross-entropy's 1 / p times p is still 1.
    """

    def forward(self, x: Array) -> Array:
        p = np.exp(x - x.max(axis=1, keepdims=True))  # [B, K]
        p /= p.sum(axis=1, keepdims=True)
        floored: Array = np.maximum(p, np.finfo(p.dtype).tiny)
        self._p = floored
        return floored

    def backward(self, gradient: Array) -> Array:
        inner = (gradient * self._p).sum(axis=1, keepdims=True)  # [B, 1]
        dx: Array = self._p * (gradient - inner)
        return dx


class CrossEntropy:
    """Loss = -(1 / B) sum_i log p[i, label_i]; backward: dp[i, label_i] = -1 / (B p[i, label_i]), 0 elsewhere.

    It keeps no state: both directions take the probabilities and the labels.
    """

    def forward(self, p: Array, labels: NDArray[np.int64]) -> float:
        """Return the mean loss of probabilities [B, K] at labels [B]."""
        check_labels(labels, *p.shape)
        return float(-np.log(p[np.arange(len(p)), labels]).mean(dtype=np.float64))

    def backward(self, p: Array, labels: NDArray[np.int64]) -> Array:
        """Return the gradient with respect to the probabilities [B, K]."""
        check_labels(labels, *p.shape)
        rows = np.arange(len(p))
        dp = np.zeros_like(p)
        dp[rows, labels] = -1.0 / (len(p) * p[rows, labels])
        return dp


def check_labels(labels: NDArray[np.int64], n: int, classes: int) -> None:
    """Refuse labels that are not n whole numbers from 0 to K - 1. Raises :class:`DataError`."""
    if labels.shape != (n,) or not np.issubdtype(labels.dtype, np.integer):
        raise DataError(f"expected {n} whole-number labels, found shape {list(labels.shape)} of {labels.dtype}")
    if n and not (labels.min() >= 0 and labels.max() < classes):
        raise DataError(
            f"expected labels from 0 to {classes - 1}, found {labels.min()} to {labels.max()}; number the classes from 0"
        )
