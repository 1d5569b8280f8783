"""Linear classifiers on fixed features, solved to the end along a path of regularisers.

Both solvers work in the eigenbasis of the features' covariance, found once for the whole path. There ridge regression
is one division per regulariser, and the logistic loss is nearly round, so that L-BFGS needs few steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

TOLERANCE = 3e-4
_ROUNDING = 10.0
"""Times the machine epsilon: the share of the largest eigenvalue under which another is rounding."""


@dataclass(frozen=True)
class Linear:
    """A linear classifier: logits = x weight^T + bias, with weight [K, D] and bias [K]."""

    weight: Tensor
    bias: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        return x @ self.weight.T + self.bias


@dataclass(frozen=True)
class Basis:
    """The eigenbasis of centred features.

    Args:
        mean: [D].
        vectors: eigenvectors of the covariance in columns [D, R], R <= D of them with variance.
        values: eigenvalues [R], not negative.
    """

    mean: Tensor
    vectors: Tensor
    values: Tensor

    @classmethod
    def of(cls, x: Tensor) -> Basis:
        """Return the basis of features [N, D]; the covariance is (1/N) sum (x - mean)(x - mean)^T.

        With fewer items than features it is found from their products [N, N], which have the same eigenvalues.
        """
        mean = x.mean(0)
        centred = x - mean
        if len(x) < x.shape[1]:
            values, items = torch.linalg.eigh(centred @ centred.T / len(x))
            held = values > _ROUNDING * torch.finfo(x.dtype).eps * values.max()
            vectors = centred.T @ (items[:, held] / (values[held] * len(x)).sqrt())  # [D, R]
            return cls(mean, vectors, values[held])
        values, vectors = torch.linalg.eigh(centred.T @ centred / len(x))
        held = min(len(x) - 1, x.shape[1])  # the others have no variance, so a penalised weight along them is 0
        return cls(mean, vectors[:, -held:], values[-held:].clamp_min(0)) if held > 0 else cls(mean, vectors, values * 0)

    def rotate(self, x: Tensor) -> Tensor:
        """Return centred features in the basis [N, R]."""
        return (x - self.mean) @ self.vectors

    def back(self, weight: Tensor, bias: Tensor) -> Linear:
        """Return the classifier on raw features that equals one on rotated features."""
        raw = weight @ self.vectors.T  # [K, D]
        return Linear(raw, bias - raw @ self.mean)


def ridge_path(x: Tensor, y: Tensor, classes: int, l2s: Sequence[float], basis: Basis) -> Iterator[Linear]:
    """Yield, for every l2, the minimiser of (1/N) sum ||W x + b - onehot(y)||^2 + l2 ||W||^2; b is not penalised.

    Args:
        x: features [N, D].
        y: labels [N].
        classes: K.
        l2s: regularisers; scikit-learn's ``Ridge(alpha)`` has alpha = N l2.
        basis: of x.
    """
    rotated = basis.rotate(x)
    targets = functional.one_hot(y, classes).to(x.dtype)  # [N, K]
    frequency = targets.mean(0)
    cross = (targets - frequency).T @ rotated / len(x)  # [K, R]
    for l2 in l2s:
        yield basis.back(cross / (basis.values + l2), frequency)


def logistic_path(
    x: Tensor,
    y: Tensor,
    classes: int,
    l2s: Sequence[float],
    basis: Basis,
    *,
    tolerance: float = TOLERANCE,
    most_steps: int = 200,
    start: Linear | None = None,
) -> Iterator[Linear]:
    """Yield, for every l2, the minimiser of (1/N) sum CE(W x + b, y) + (l2 / 2) ||W||^2; b is not penalised.

    Each solution starts from the one before. In the eigenbasis with eigenvalues v the coordinates are scaled by
    1 / sqrt(c v + l2), c the curvature of the softmax at equal odds, which makes the loss nearly round.

    Args:
        x: features [N, D].
        y: labels [N].
        classes: K.
        l2s: regularisers, best from large to small; scikit-learn's ``LogisticRegression(C)`` has C = 1 / (N l2).
        basis: of x, or of features like x: it decides the speed, not the solution.
        tolerance: largest entry of the gradient, relative to 1 / K, at which a solution is taken.
        most_steps: of L-BFGS for one regulariser.
        start: a classifier to start from.
    """
    rotated = basis.rotate(x)  # [N, R]
    curvature = (1 - 1 / classes) / classes
    weight = torch.zeros(classes, rotated.shape[1], dtype=x.dtype, device=x.device)
    bias = torch.zeros(classes, dtype=x.dtype, device=x.device)
    if start is not None:
        weight = start.weight @ basis.vectors
        bias = start.bias + start.weight @ basis.mean
    for l2 in l2s:
        scale = (curvature * basis.values + l2).rsqrt()  # [R]
        scaled = (weight / scale).requires_grad_()
        shift = (bias / curvature**-0.5).requires_grad_()
        optimiser = torch.optim.LBFGS(
            [scaled, shift],
            max_iter=most_steps,
            max_eval=2 * most_steps,
            history_size=10,
            tolerance_grad=tolerance / classes,
            tolerance_change=tolerance**2,
            line_search_fn="strong_wolfe",
        )

        def closure(
            scaled: Tensor = scaled,
            shift: Tensor = shift,
            scale: Tensor = scale,
            l2: float = l2,
            optimiser: torch.optim.Optimizer = optimiser,
        ) -> Tensor:
            optimiser.zero_grad()
            plain = scaled * scale
            loss = functional.cross_entropy(rotated @ plain.T + shift * curvature**-0.5, y)
            loss = loss + 0.5 * l2 * plain.square().sum()
            loss.backward()  # type: ignore[no-untyped-call]
            return loss

        optimiser.step(closure)  # type: ignore[no-untyped-call]
        weight = (scaled * scale).detach()
        bias = (shift * curvature**-0.5).detach()
        yield basis.back(weight, bias)


def temperature(logits: Tensor, y: Tensor) -> float:
    """Return the factor s > 0 on logits [N, K] that minimises their cross-entropy, found by golden section in log s."""
    low, high, ratio = -4.0, 8.0, (5**0.5 - 1) / 2
    a, b = high - ratio * (high - low), low + ratio * (high - low)

    def loss(log_scale: float) -> float:
        return float(functional.cross_entropy(logits * float(torch.tensor(log_scale).exp()), y))

    at_a, at_b = loss(a), loss(b)
    for _ in range(40):
        if at_a < at_b:
            high, b, at_b = b, a, at_a
            a = high - ratio * (high - low)
            at_a = loss(a)
        else:
            low, a, at_a = a, b, at_b
            b = low + ratio * (high - low)
            at_b = loss(b)
    return float(torch.tensor((low + high) / 2).exp())
