"""What a decoder says of a pixel: a distribution over L grey levels. Three of them, each a proper distribution that sums to 1.

All of them measure in nats, and none needs noise added to the pixels, so that their bits per dimension can be compared.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, Protocol, cast, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from coldframe.errors import InputError, nearest
from coldframe.foundations.generative.digits import check_levels

LikelihoodName = Literal["categorical", "bernoulli", "logistic"]
MODERATE = 80.0
"""Logits within it have exponentials, and sums of them, that float32 holds."""
LEAST_LOG_SCALE = -7.0
"""A scale of e^-7 puts all mass of a logistic into one of 256 bins; smaller ones only make gradients overflow."""


class Likelihood(Protocol):
    """A distribution over grey levels for every pixel, given P numbers per pixel that a decoder computes."""

    @property
    def levels(self) -> int:
        """Return L."""

    @property
    def outputs(self) -> int:
        """Return P, the numbers per pixel that the decoder gives."""

    def nats(self, raw: Tensor, x: Tensor) -> Tensor:
        """Return -log p(x), summed over pixels, of raw [B, P, H, W] and levels x [B, H, W]: [B]."""

    def log_probabilities(self, raw: Tensor) -> Tensor:
        """Return log p of every grey level, raw [B, P, H, W] -> [B, L, H, W]."""

    def constant(self, shares: Tensor) -> Tensor:
        """Return the P numbers, the same for every pixel, that fit levels with these shares [L], all above 0."""


@dataclass(frozen=True)
class Categorical:
    """One logit a grey level: the softmax of L numbers. It assumes nothing of the order of the levels."""

    levels: int = 16

    def __post_init__(self) -> None:
        check_levels(self.levels)

    @property
    def outputs(self) -> int:
        return self.levels

    def nats(self, raw: Tensor, x: Tensor) -> Tensor:
        # The view is free when raw is in channels_last, which is how the decoder computes.
        return cast(Tensor, _CrossEntropy.apply(raw.permute(0, 2, 3, 1).flatten(1, 2), x.flatten(1).long()))

    def log_probabilities(self, raw: Tensor) -> Tensor:
        return raw.log_softmax(dim=1)

    def constant(self, shares: Tensor) -> Tensor:
        return shares.log()


@dataclass(frozen=True)
class Bernoulli:
    """Black or white: one logit a pixel, for pictures of two levels."""

    levels: int = 2

    def __post_init__(self) -> None:
        if self.levels != 2:
            raise InputError(f"expected 2 grey levels for a Bernoulli likelihood, found {self.levels}; give --levels 2")

    @property
    def outputs(self) -> int:
        return 1

    def nats(self, raw: Tensor, x: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(raw[:, 0], x.to(raw.dtype), reduction="none").flatten(1).sum(dim=1)

    def log_probabilities(self, raw: Tensor) -> Tensor:
        return torch.cat([F.logsigmoid(-raw), F.logsigmoid(raw)], dim=1)

    def constant(self, shares: Tensor) -> Tensor:
        return (shares[1:] / shares[:1]).log()


@dataclass(frozen=True)
class DiscretisedLogistic:
    """A logistic density cut into L bins: mean and log scale a pixel; the outer bins reach to infinity.

    With bin edges a > b in units of the scale, sigmoid(a) - sigmoid(b) = sigmoid(a) sigmoid(-b) (1 - exp(b - a)), whose
    logarithm is exact far out in the tails as well. Source: Kingma et al. 2016, Improving variational inference with inverse
    autoregressive flow.
    """

    levels: int = 16

    def __post_init__(self) -> None:
        check_levels(self.levels)

    @property
    def outputs(self) -> int:
        return 2

    def nats(self, raw: Tensor, x: Tensor) -> Tensor:
        return -self._log_bin(raw, x).flatten(1).sum(dim=1)

    def log_probabilities(self, raw: Tensor) -> Tensor:
        each = torch.arange(self.levels, device=raw.device).view(-1, 1, 1, 1)
        return torch.stack([self._log_bin(raw, x.expand(len(raw), *raw.shape[2:])) for x in each], dim=1)

    def constant(self, shares: Tensor) -> Tensor:
        # By moments: a logistic distribution of scale s has the standard deviation s pi / sqrt(3).
        values = torch.linspace(-1, 1, self.levels, dtype=shares.dtype, device=shares.device)
        mean = (shares * values).sum()
        scale = (shares * (values - mean).square()).sum().sqrt() * math.sqrt(3) / math.pi
        return torch.stack([mean, scale.log()])

    def _log_bin(self, raw: Tensor, x: Tensor) -> Tensor:
        last = self.levels - 1
        mean, log_scale = raw[:, 0], raw[:, 1].clamp(min=LEAST_LOG_SCALE)
        value = x.to(raw.dtype) * (2 / last) - 1  # black is -1, white is 1
        upper, lower = value - mean + 1 / last, value - mean - 1 / last
        inverse = torch.exp(-log_scale)
        log_left = F.logsigmoid(upper * inverse).masked_fill(x == last, 0.0)
        log_right = F.logsigmoid(-lower * inverse).masked_fill(x == 0, 0.0)
        inner = torch.log(-torch.expm1(-(2 / last) * inverse))
        return log_left + log_right + inner.masked_fill((x == 0) | (x == last), 0.0)


_LIKELIHOODS: dict[str, Any] = {"categorical": Categorical, "bernoulli": Bernoulli, "logistic": DiscretisedLogistic}


def likelihood(name: str, levels: int | None = None) -> Likelihood:
    """Return a likelihood by name.

    Args:
        name: ``categorical``, ``bernoulli`` or ``logistic``.
        levels: L; by default 16, and 2 for ``bernoulli``.

    Raises:
        InputError: the name is unknown, or the likelihood has no such number of levels.
    """
    if name not in _LIKELIHOODS:
        raise InputError(f"unknown likelihood {name!r}{nearest(name, get_args(LikelihoodName))}")
    return cast(Likelihood, _LIKELIHOODS[name]() if levels is None else _LIKELIHOODS[name](levels))


def expected_grey(kind: Likelihood, raw: Tensor) -> Tensor:
    """Return the expected grey value of every pixel, sum over k of p_k k / (L - 1): raw [B, P, H, W] -> [B, H, W] in [0, 1]."""
    values = torch.linspace(0, 1, kind.levels, device=raw.device, dtype=raw.dtype)
    return torch.einsum("blhw,l->bhw", kind.log_probabilities(raw).exp(), values).clamp(0, 1)


def draw(kind: Likelihood, raw: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Return grey levels drawn pixel by pixel: raw [B, P, H, W] -> uint8 [B, H, W]."""
    p = kind.log_probabilities(raw).exp().movedim(1, -1)  # [B, H, W, L]
    return torch.multinomial(p.flatten(0, 2), 1, generator=generator).view(p.shape[:3]).to(torch.uint8)


class _CrossEntropy(torch.autograd.Function):
    """Cross-entropy with one exponential a logit; the gradient p - onehot is made in the memory of the exponentials.

    Torch's own takes the exponential in the forward pass and again in the backward pass, and its kernel is slow for rows of few
    numbers. Logits of moderate size need no maximum taken off; the others go through the softmax.
    """

    @staticmethod
    def forward(ctx: Any, rows: Tensor, x: Tensor) -> Tensor:
        """Rows [B, S, L], x [B, S] -> nats [B]."""
        low, high = rows.aminmax()
        if max(-float(low), float(high)) < MODERATE:
            p = rows.exp()
            sums = p @ p.new_ones(p.shape[-1])  # [B, S]
            nats = sums.log() - rows.gather(-1, x[..., None]).squeeze(-1)
        else:
            p, sums = rows.softmax(dim=-1), rows.new_ones(())
            nats = F.cross_entropy(rows.flatten(0, 1), x.flatten(), reduction="none").view_as(x)
        ctx.p, ctx.sums, ctx.x = p, sums, x
        return nats.sum(dim=1)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """Gradient [B] -> gradient of the rows."""
        if ctx.p is None:
            raise RuntimeError("the gradient of this cross-entropy was taken already; compute the loss again")
        p, sums, x, ctx.p = ctx.p, ctx.sums, ctx.x, None
        p.mul_((gradient[:, None] / sums)[..., None])
        p.scatter_add_(-1, x[..., None], (-gradient)[:, None, None].expand(*x.shape, 1))
        return p, None
