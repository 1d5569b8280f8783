"""Batch normalisation in NumPy with its backward pass derived by hand."""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from coldframe.errors import InputError
from coldframe.foundations.mlp.layers import Array, Layer


class BatchNorm(Layer):
    """y = g (x - m) / sqrt(v + eps) + b, with m and v over the batch in training, and running averages of them afterwards.

    The mean and the variance depend on every row, so each row's gradient depends on all: with z = (x - m) / sqrt(v + eps) and
    dz = g dy,

        dx = (dz - mean(dz) - z mean(dz z)) / sqrt(v + eps)        dg = sum of dy z        db = sum of dy

    where means and sums run over the batch. ``mean(dz)`` is the path through m, ``z mean(dz z)`` the one through v: a constant
    added to x, or a factor on x, changes nothing, so its direction has no gradient. Running averages take the unbiased
    variance, as PyTorch's do.

    Args:
        width: D.
        eps: added to the variance.
        momentum: weight of the newest batch in the running averages.
        dtype: float64 or float32.

    Source: Ioffe and Szegedy, Batch Normalization (2015), section 3.
    """

    def __init__(self, width: int, *, eps: float = 1e-5, momentum: float = 0.1, dtype: DTypeLike = np.float64) -> None:
        super().__init__()
        self.add("weight", np.ones(width, dtype))  # [D]
        self.add("bias", np.zeros(width, dtype))  # [D]
        self.buffers = {"running_mean": np.zeros(width, dtype), "running_var": np.ones(width, dtype)}
        self.eps = eps
        self.momentum = momentum

    def forward(self, x: Array) -> Array:
        mean, var = self.buffers["running_mean"], self.buffers["running_var"]
        if self.training:
            check_batch(len(x))
            mean, var = x.mean(axis=0), x.var(axis=0)
            self._update(mean, var * (len(x) / (len(x) - 1)))
        self._inverse = 1 / np.sqrt(var + self.eps)  # [D]
        self._z = (x - mean) * self._inverse  # [B, D]
        y: Array = self._z * self.parameters["weight"] + self.parameters["bias"]
        return y

    def _update(self, mean: Array, unbiased: Array) -> None:
        for name, new in (("running_mean", mean), ("running_var", unbiased)):
            self.buffers[name] *= 1 - self.momentum
            self.buffers[name] += self.momentum * new

    def backward(self, gradient: Array) -> Array:
        np.sum(gradient, axis=0, out=self.gradients["bias"])
        np.sum(gradient * self._z, axis=0, out=self.gradients["weight"])
        dz = gradient * self.parameters["weight"]
        if not self.training:
            return dz * self._inverse
        dx: Array = (dz - dz.mean(axis=0) - self._z * (dz * self._z).mean(axis=0)) * self._inverse
        return dx


def check_batch(size: int) -> None:
    """Refuse a training batch of one: its variance is 0 and every output would be the bias. Raises :class:`InputError`."""
    if size < 2:
        raise InputError(
            f"expected a batch of 2 or more for batch normalisation in training, found {size}; raise the batch size"
        )
