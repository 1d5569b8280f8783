"""Linear classifiers on fixed features, solved to the end along a path of regularisers.

Both solvers work in the eigenbasis of the features' covariance, found once for the whole path. There ridge regression
is one division per regulariser, and the logistic loss is nearly round, so that L-BFGS needs few steps.

Features that do not fit into memory are :class:`coldframe.methods.rows.Rows`: the same steps, each of which reads them once.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

import torch
from torch import Tensor
from torch.nn import functional

from coldframe.errors import ModelError
from coldframe.measures.temperature import golden_section
from coldframe.methods.problems import InMemory, Read
from coldframe.methods.rows import Features, Rows, like, pieces

TOLERANCE = 1e-4
"""Share of the loss that a solution may miss of its minimum."""
ROUGHLY, CHECKED, _RESCALED = 5, 20, 60
"""Steps after which what is left is looked at, where much may be left and where little may, and evaluations after which the
coordinates are scaled anew."""
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

    def __call__(self, x: Features) -> Tensor:
        if isinstance(x, Rows):
            return torch.cat([piece @ self.weight.T + self.bias for piece in x.pieces()])
        return x @ self.weight.T + self.bias

    def to(self, like: Tensor) -> Linear:
        """Return the classifier in the dtype and on the device of a tensor."""
        return replace(self, weight=self.weight.to(like), bias=self.bias.to(like))

    def plus(self, other: Linear, sign: int = 1) -> Linear:
        """Return the classifier whose logits are the sum of both, or with ``sign`` -1 their difference."""
        added = other.to(self.weight)
        return replace(self, weight=self.weight + sign * added.weight, bias=self.bias + sign * added.bias)


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
    def of(cls, x: Features) -> Basis:
        """Return the basis of features [N, D] in float64; the covariance is (1/N) sum (x - mean)(x - mean)^T.

        With fewer items than features it is found from their products [N, N], which have the same eigenvalues. Features that
        are read in pieces are read twice.

        Raises:
            ModelError: a feature is infinite or no number.
        """
        x = x.then(_with_double) if isinstance(x, Rows) else _with_double(x)
        _check_finite(x)
        mean = torch.zeros(x.shape[1], dtype=torch.float64, device=like(x).device)
        for part in pieces(x, _ROWS):
            mean += part.double().sum(0)
        mean /= len(x)
        if isinstance(x, Tensor) and len(x) < x.shape[1]:
            centred = x.double() - mean
            values, items = torch.linalg.eigh(centred @ centred.T / len(x))
            held = values > ROUNDING * values.max()
            vectors = centred.T @ (items[:, held] / (values[held] * len(x)).sqrt())  # [D, R]
            return cls(mean, vectors, values[held])
        covariance = torch.zeros(x.shape[1], x.shape[1], dtype=torch.float64, device=mean.device)
        for part in pieces(x, _ROWS):
            centred = part.double() - mean
            covariance.addmm_(centred.T, centred, alpha=1 / len(x))
        values, vectors = torch.linalg.eigh(covariance)
        held = min(len(x) - 1, x.shape[1])  # the others have no variance, so a penalised weight along them is 0
        return cls(mean, vectors[:, -held:], values[-held:].clamp_min(0)) if held > 0 else cls(mean, vectors, values * 0)

    def turn(self, linear: Linear) -> tuple[Tensor, Tensor]:
        """Return weight [K, R] and bias [K] on rotated features that equal a classifier on raw ones."""
        raw = linear.weight.to(self.vectors)
        return raw @ self.vectors, linear.bias.to(raw) + raw @ self.mean

    def rotate(self, x: Tensor) -> Tensor:
        """Return centred features in the basis [N, R], in float64 where the basis lies."""
        return torch.cat([(part.to(self.mean) - self.mean) @ self.vectors for part in torch.split(x, _ROWS)])

    def back(self, weight: Tensor, bias: Tensor) -> Linear:
        """Return the classifier on raw features that equals one on rotated features."""
        raw = weight @ self.vectors.T  # [K, D]
        return Linear(raw, bias - raw @ self.mean)


def _with_double(x: Tensor) -> Tensor:
    return x.cpu() if x.device.type == "mps" else x  # which has no float64


def _check_finite(x: Features) -> None:
    found, first, bad = 0, 0, 0
    for part in (x,) if isinstance(x, Tensor) else x.pieces():
        if not bool(part.sum().isfinite()) and not bool(part.isfinite().all()):
            rows = (~part.isfinite().all(1)).nonzero().flatten()
            first = first if bad else found + int(rows[0])
            bad += len(rows)
        found += len(part)
    if bad:
        raise ModelError(
            f"expected finite features, found others in {bad} of {found} rows, the first in row {first}; "
            "check the weights of the model that they come from"
        )


def ridge_path(x: Features, y: Tensor, classes: int, l2s: Sequence[float], basis: Basis) -> Iterator[Linear]:
    """Yield, for every l2, the minimiser of (1/N) sum ||W x + b - onehot(y)||^2 + l2 ||W||^2; b is not penalised.

    Args:
        x: features [N, D].
        y: labels [N].
        classes: K.
        l2s: regularisers; scikit-learn's ``Ridge(alpha)`` has alpha = N l2.
        basis: of x.
    """
    if isinstance(x, Tensor):
        rotated = basis.rotate(x)
        targets = functional.one_hot(y, classes).to(rotated)  # [N, K]
        frequency = targets.mean(0)
        cross = (targets - frequency).T @ rotated / len(x)  # [K, R]
    else:
        counts = torch.bincount(y, minlength=classes).to(basis.mean)
        frequency = counts / len(x)
        cross = (class_sums(x, y, classes, basis.mean) @ basis.vectors) / len(x)
    for l2 in l2s:
        yield basis.back(cross / (basis.values + l2), frequency).to(like(x))


def class_sums(x: Features, y: Tensor, classes: int, mean: Tensor) -> Tensor:
    """Return the sum over the items of each class of x - mean [K, D], in float64."""
    sums = torch.zeros(classes, x.shape[1], dtype=torch.float64, device=mean.device)
    start = 0
    for part in pieces(x, _ROWS):
        sums.index_add_(0, y[start : start + len(part)].to(mean.device), part.to(mean) - mean)
        start += len(part)
    return sums


def logistic_path(
    x: Features,
    y: Tensor,
    classes: int,
    l2s: Sequence[float],
    basis: Basis,
    *,
    tolerance: float = TOLERANCE,
    most_steps: int = 1500,
    start: Linear | Sequence[Linear] | None = None,
    dtype: torch.dtype = torch.float64,
    weights: Tensor | None = None,
    checked: int = CHECKED,
    prior: Linear | None = None,
    intercept: bool = True,
) -> Iterator[Linear]:
    """Yield, for every l2, the minimiser of F = (1/N) sum w CE(W x + b, y) + (l2 / 2) ||W||^2; b is not penalised.

    With a prior (W0, b0) the penalty is (l2 / 2) ||W - W0||^2, and a large l2 gives W0 with the b that suits it.

    With labels [N, K] of 0 and 1 in place of classes, CE is the sum over k of the binary cross-entropies.

    Each solution starts from the one before, or from its own of ``start``. In the eigenbasis with eigenvalues v the coordinates
    are scaled by 1 / sqrt(c v + l2), c the mean curvature p (1 - p) of the softmax where it starts, which makes the loss nearly
    round; c is taken anew every few steps. A solution is taken when what is left to gain is a small share of F itself, whatever
    the scale of the features: F is l2-strongly convex in W, so F - min F <= ||dF/dW||^2 / (2 l2).

    Args:
        x: features [N, D].
        y: labels [N], or which of K labels each item has [N, K].
        classes: K.
        l2s: regularisers, best from large to small; scikit-learn's ``LogisticRegression(C)`` has C = 1 / (N l2).
        basis: of x, or of features like x: it decides the speed, not the solution.
        tolerance: largest gain that may be left, as a share of F.
        most_steps: evaluations of F for one regulariser; a solution that takes more says what is left in ``left``.
        start: a classifier to start from, or one for each regulariser.
        weights: w of each item [N], or of each of its labels [N, K]; 1 when None.
        checked: steps after which what is left is looked at; fewer suit a large tolerance.
        dtype: of the sums; in float32 a loss under 1e-4 or so is rounding, and the solution is taken where it stops falling.
        prior: what the weights are pulled to in place of 0; for features in memory.
        intercept: whether b is learned; if not, the basis has to be of features around 0, and b is the prior's, or 0.
    """
    values = basis.values.to(dtype)
    truth = y.to(values) if y.ndim == 2 else y.to(values.device)
    weights = None if weights is None else weights.to(values)
    problem: InMemory | Read
    if isinstance(x, Tensor):
        offset = None if prior is None else prior.to(x)(x).to(values)
        problem = InMemory(basis.rotate(x).to(dtype), truth, weights, offset)
    else:
        assert prior is None, "features that are read in pieces have no prior"
        problem = Read(x, truth, weights, basis.mean.to(dtype), basis.vectors.to(dtype))
    weight, bias = values.new_zeros(classes, len(values)), values.new_zeros(classes)
    starts: Sequence[Linear | None] = [start] if start is None or isinstance(start, Linear) else start
    for l2, begin in zip_longest(l2s, starts):
        if begin is not None:
            turned = basis.turn(begin if prior is None else begin.plus(prior, -1))
            weight, bias = turned[0].to(dtype), turned[1].to(dtype) * intercept
        spent, left, loss, before, done = 0, math.inf, 1.0, math.inf, False
        while not done:
            weight, bias, left, loss, calls = _descend(problem, values, weight, bias, l2, tolerance, checked, intercept)
            spent += calls
            done = left <= tolerance * loss or loss >= before * (1 - _STALLED) or spent >= most_steps
            before = loss
        found = basis.back(weight.to(basis.vectors), bias.to(basis.vectors)).to(like(x))
        found = found if prior is None else found.plus(prior)
        yield replace(found, left=left / loss if loss > 0 else 0.0)  # nothing is under a loss of 0


def _descend(
    problem: InMemory | Read, values: Tensor, weight: Tensor, bias: Tensor, l2: float, tolerance: float,
    checked: int = CHECKED, intercept: bool = True,
) -> tuple[Tensor, Tensor, float, float, int]:
    """Take some steps of L-BFGS from a classifier, scaled by the curvature there.

    Returns:
        The classifier, what is left to gain, the loss, and how often it was evaluated.
    """
    tiny = torch.finfo(values.dtype).tiny
    curvature = max(problem.curvature(weight, bias), tiny)
    scale, unit = (curvature * values + l2).rsqrt(), curvature**-0.5  # [R]
    scaled, shift = (weight / scale).requires_grad_(), (bias / unit).requires_grad_(intercept)
    optimiser = torch.optim.LBFGS(
        [scaled, shift] if intercept else [scaled], max_iter=checked, max_eval=2 * checked, history_size=10,
        tolerance_grad=0, tolerance_change=0, line_search_fn="strong_wolfe",
    )  # fmt: skip
    calls = 0

    def closure() -> Tensor:
        nonlocal calls
        calls += 1
        optimiser.zero_grad()
        plain = scaled * scale
        loss = problem.loss(plain, shift * unit) + 0.5 * l2 * plain.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    look = isinstance(problem, Read)  # a pass over the features costs more than the chance to need none
    while True:
        if not look:
            optimiser.step(closure)  # type: ignore[no-untyped-call]
        look = False
        loss = float(closure())
        assert scaled.grad is not None
        slope, tilt = scaled.grad / scale, bias.new_zeros(1) if shift.grad is None else shift.grad / unit
        # p (1 - p) is about the loss where the loss is small: the curvature of the bias, which no penalty bounds.
        left = float(slope.square().sum()) / (2 * l2) + float(tilt.square().sum()) / (2 * max(min(curvature, loss), tiny))
        if left <= tolerance * loss or calls >= _RESCALED:
            break
    return (scaled * scale).detach(), (shift * unit).detach(), left, loss, calls


def temperature(logits: Tensor, y: Tensor) -> float:
    """Return the factor s > 0 on logits [N, K] that minimises their cross-entropy, found by golden section in log s."""

    def loss(log_scale: float) -> float:
        return float(functional.cross_entropy(logits * math.exp(log_scale), y))

    return math.exp(golden_section(loss, -4.0, 8.0, 40))
