"""Linear classifiers on fixed features, solved to the end along a path of regularisers.

Both solvers work in the eigenbasis of the features' covariance, found once for the whole path. There ridge regression
is one division per regulariser, and the logistic loss is nearly round, so that L-BFGS needs few steps.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from coldframe.errors import ModelError
from coldframe.measures.temperature import golden_section

TOLERANCE = 1e-4
"""Share of the loss that a solution may miss of its minimum."""
_CHECKED, _RESCALED = 20, 60
"""Steps after which what is left is looked at, and evaluations after which the coordinates are scaled anew."""
_STALLED = 1e-9
"""A smaller fall of the loss over so many evaluations, as a share of it, is rounding."""
ROUNDING = 1e-12
"""Share of the largest eigenvalue under which another is rounding in float64."""
_ROWS = 8192
"""Features that are taken to float64 at a time."""


@dataclass(frozen=True)
class Linear:
    """A linear classifier: logits = x weight^T + bias, with weight [K, D] and bias [K].

    ``left`` is the share of the loss by which it may miss the minimum; 0 for closed forms.
    """

    weight: Tensor
    bias: Tensor
    left: float = 0.0

    def __call__(self, x: Tensor) -> Tensor:
        return x @ self.weight.T + self.bias

    def to(self, like: Tensor) -> Linear:
        """Return the classifier in the dtype and on the device of a tensor."""
        return replace(self, weight=self.weight.to(like), bias=self.bias.to(like))


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
        """Return the basis of features [N, D] in float64; the covariance is (1/N) sum (x - mean)(x - mean)^T.

        With fewer items than features it is found from their products [N, N], which have the same eigenvalues.

        Raises:
            ModelError: a feature is infinite or no number.
        """
        if x.device.type == "mps":
            x = x.cpu()  # which has float64
        if not bool(x.sum().isfinite()) and not bool(x.isfinite().all()):
            rows = (~x.isfinite().all(1)).nonzero().flatten()
            raise ModelError(
                f"expected finite features, found others in {len(rows)} of {len(x)} rows, the first in row {int(rows[0])}; "
                "check the weights of the model that they come from"
            )
        mean = torch.stack([part.double().sum(0) for part in torch.split(x, _ROWS)]).sum(0) / len(x)
        if len(x) < x.shape[1]:
            centred = x.double() - mean
            values, items = torch.linalg.eigh(centred @ centred.T / len(x))
            held = values > ROUNDING * values.max()
            vectors = centred.T @ (items[:, held] / (values[held] * len(x)).sqrt())  # [D, R]
            return cls(mean, vectors, values[held])
        covariance = torch.zeros(x.shape[1], x.shape[1], dtype=torch.float64, device=x.device)
        for part in torch.split(x, _ROWS):
            centred = part.double() - mean
            covariance.addmm_(centred.T, centred, alpha=1 / len(x))
        values, vectors = torch.linalg.eigh(covariance)
        held = min(len(x) - 1, x.shape[1])  # the others have no variance, so a penalised weight along them is 0
        return cls(mean, vectors[:, -held:], values[-held:].clamp_min(0)) if held > 0 else cls(mean, vectors, values * 0)

    def rotate(self, x: Tensor) -> Tensor:
        """Return centred features in the basis [N, R], in float64 where the basis lies."""
        return torch.cat([(part.to(self.mean) - self.mean) @ self.vectors for part in torch.split(x, _ROWS)])

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
    targets = functional.one_hot(y, classes).to(rotated)  # [N, K]
    frequency = targets.mean(0)
    cross = (targets - frequency).T @ rotated / len(x)  # [K, R]
    for l2 in l2s:
        yield basis.back(cross / (basis.values + l2), frequency).to(x)


def logistic_path(
    x: Tensor,
    y: Tensor,
    classes: int,
    l2s: Sequence[float],
    basis: Basis,
    *,
    tolerance: float = TOLERANCE,
    most_steps: int = 1500,
    start: Linear | None = None,
    dtype: torch.dtype = torch.float64,
    weights: Tensor | None = None,
) -> Iterator[Linear]:
    """Yield, for every l2, the minimiser of F = (1/N) sum w CE(W x + b, y) + (l2 / 2) ||W||^2; b is not penalised.

    With labels [N, K] of 0 and 1 in place of classes, CE is the sum over k of the binary cross-entropies.

    Each solution starts from the one before. In the eigenbasis with eigenvalues v the coordinates are scaled by
    1 / sqrt(c v + l2), c the mean curvature p (1 - p) of the softmax where it starts, which makes the loss nearly round; c is
    taken anew every few steps. A solution is taken when what is left to gain is a small share of F itself, whatever the
    scale of the features: F is l2-strongly convex in W, so F - min F <= ||dF/dW||^2 / (2 l2).

    Args:
        x: features [N, D].
        y: labels [N], or which of K labels each item has [N, K].
        classes: K.
        l2s: regularisers, best from large to small; scikit-learn's ``LogisticRegression(C)`` has C = 1 / (N l2).
        basis: of x, or of features like x: it decides the speed, not the solution.
        tolerance: largest gain that may be left, as a share of F.
        most_steps: evaluations of F for one regulariser; a solution that takes more says what is left in ``left``.
        start: a classifier to start from.
        weights: w of each item [N], or of each of its labels [N, K]; 1 when None.
        dtype: of the sums; in float32 a loss under 1e-4 or so is rounding, and the solution is taken where it stops falling.
    """
    rotated = basis.rotate(x).to(dtype)  # [N, R]
    truth, values = y.to(rotated.device), basis.values.to(dtype)
    truth = truth.to(dtype) if truth.ndim == 2 else truth
    weights = None if weights is None else weights.to(rotated)
    weight = torch.zeros(classes, rotated.shape[1], dtype=dtype, device=rotated.device)
    bias = torch.zeros(classes, dtype=dtype, device=rotated.device)
    if start is not None:
        raw = start.weight.to(basis.vectors)
        weight = (raw @ basis.vectors).to(dtype)
        bias = (start.bias.to(raw) + raw @ basis.mean).to(dtype)
    for l2 in l2s:
        spent, left, loss, before, done = 0, math.inf, 1.0, math.inf, False
        while not done:
            weight, bias, left, loss, calls = _descend(rotated, truth, weights, values, weight, bias, l2, tolerance)
            spent += calls
            done = left <= tolerance * loss or loss >= before * (1 - _STALLED) or spent >= most_steps
            before = loss
        found = basis.back(weight.to(basis.vectors), bias.to(basis.vectors)).to(x)
        yield replace(found, left=left / loss if loss > 0 else 0.0)  # nothing is under a loss of 0


def _loss(logits: Tensor, y: Tensor, weights: Tensor | None) -> Tensor:
    """Return the mean over items of the cross-entropy, or of the sum of binary ones, each with its weight."""
    if y.ndim == 1 and weights is None:
        return functional.cross_entropy(logits, y)
    each = (
        functional.cross_entropy(logits, y, reduction="none") if y.ndim == 1
        else functional.binary_cross_entropy_with_logits(logits, y, reduction="none")
    )  # fmt: skip
    return (each if weights is None else each * weights).sum() / len(y)


def _descend(
    x: Tensor, y: Tensor, weights: Tensor | None, values: Tensor, weight: Tensor, bias: Tensor, l2: float, tolerance: float
) -> tuple[Tensor, Tensor, float, float, int]:
    """Take some steps of L-BFGS from a classifier, scaled by the curvature there.

    Returns:
        The classifier, what is left to gain, the loss, and how often it was evaluated.
    """
    p = (x @ weight.T + bias).sigmoid() if y.ndim == 2 else (x @ weight.T + bias).softmax(-1)
    tiny = torch.finfo(x.dtype).tiny
    curvature = max(float((p * (1 - p)).mean()), tiny)
    scale, unit = (curvature * values + l2).rsqrt(), curvature**-0.5  # [R]
    scaled, shift = (weight / scale).requires_grad_(), (bias / unit).requires_grad_()
    optimiser = torch.optim.LBFGS(
        [scaled, shift], max_iter=_CHECKED, max_eval=2 * _CHECKED, history_size=10, tolerance_grad=0, tolerance_change=0,
        line_search_fn="strong_wolfe",
    )  # fmt: skip
    calls = 0

    def closure() -> Tensor:
        nonlocal calls
        calls += 1
        optimiser.zero_grad()
        plain = scaled * scale
        loss = _loss(x @ plain.T + shift * unit, y, weights) + 0.5 * l2 * plain.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    left = loss = math.inf
    while calls < _RESCALED:
        optimiser.step(closure)  # type: ignore[no-untyped-call]
        loss = float(closure())
        assert scaled.grad is not None and shift.grad is not None
        slope, tilt = scaled.grad / scale, shift.grad / unit
        # p (1 - p) is about the loss where the loss is small: the curvature of the bias, which no penalty bounds.
        left = float(slope.square().sum()) / (2 * l2) + float(tilt.square().sum()) / (2 * max(min(curvature, loss), tiny))
        if left <= tolerance * loss:
            break
    return (scaled * scale).detach(), (shift * unit).detach(), left, loss, calls


def temperature(logits: Tensor, y: Tensor) -> float:
    """Return the factor s > 0 on logits [N, K] that minimises their cross-entropy, found by golden section in log s."""

    def loss(log_scale: float) -> float:
        return float(functional.cross_entropy(logits * math.exp(log_scale), y))

    return math.exp(golden_section(loss, -4.0, 8.0, 40))
