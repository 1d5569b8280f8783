"""One neuron in front of batch normalisation: its bias cancels, and so does the length of its weights.

A neuron x_i = w . h_i + b over a batch of B inputs has the mean m = w . mean(h) + b and the variance v = w^T C w, C being the
covariance of the inputs. So

    z_i = (x_i - m) / sqrt(v) = w . (h_i - mean(h)) / sqrt(w^T C w).

- b stands nowhere on the right: **the bias cancels**. Its gradient is 0; beta, added after, does its work.
- a w for w, with a > 0, gives a above and a below: **the scale of w cancels** (a < 0 turns the sign). With eps under the root
  that is true up to eps / v, and exactly again when eps is scaled by a^2.
- The loss is the same along the ray a w, so its gradient has no part along w (w . dL/dw = 0), and dL/d(a w) = (1 / a) dL/dw. A
  step of plain gradient descent is therefore at a right angle to w, lengthens it, and turns it by about lr / |w|^2 times the
  gradient at w / |w|. Weight decay on w changes no output: it shortens w, which raises that **effective learning rate**
  lr / |w|^2.

Source: Ioffe and Szegedy, Batch Normalization (2015), sections 3.2 and 3.3; van Laarhoven, L2 Regularization versus Batch and
Weight Normalization (2017).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from coldframe.foundations.mlp.layers import Array
from coldframe.foundations.mlp.normalisation import BatchNorm, check_batch


def neuron(h: Array, w: Array, b: float = 0.0, *, eps: float = 0.0) -> Array:
    """Return z_i = (x_i - mean(x)) / sqrt(var(x) + eps) with x_i = w . h_i + b, for inputs h [B, D] and weights w [D].

    Example:
        >>> h, w = np.array([[0.0, 1.0], [2.0, 1.0], [1.0, 4.0]]), np.array([1.0, -1.0])
        >>> bool(np.allclose(neuron(h, w), neuron(h, 7 * w, b=100.0)))
        True
    """
    check_batch(len(h))
    x = h @ w + b  # [B]
    z: Array = (x - x.mean()) / np.sqrt(x.var() + eps)
    return z


@dataclass(frozen=True)
class Gradients:
    """Gradients of L = sum_i r_i z_i through the neuron.

    Args:
        w: of the weights [D].
        b: of the bias; 0 up to rounding.
    """

    w: Array
    b: float


def neuron_gradients(h: Array, w: Array, r: Array, b: float = 0.0, *, eps: float = 0.0) -> Gradients:
    """Return the gradients of L = sum_i r_i z_i with respect to w and b, by the hand-written backward pass.

    Args:
        h: inputs [B, D].
        w: weights [D].
        r: what the loss does with each output [B].
        b: bias.
        eps: added to the variance.
    """
    norm = BatchNorm(1, eps=eps)
    norm.forward((h @ w + b)[:, None])
    dx = norm.backward(r[:, None])[:, 0]  # [B]
    return Gradients(h.T @ dx, float(dx.sum()))


def turn(h: Array, w: Array, r: Array, lr: float, decay: float = 0.0) -> tuple[float, float]:
    """Take one step w <- w - lr (dL/dw + decay w); return the angle it turns w by, in radians, and the new length of w."""
    new = w - lr * (neuron_gradients(h, w, r).w + decay * w)
    length = float(np.linalg.norm(new))
    # From the part at a right angle, because the cosine of a small angle is 1 in floating point.
    along = new @ w / np.linalg.norm(w)
    across = np.linalg.norm(new - along * w / np.linalg.norm(w))
    return float(np.arctan2(across, along)), length
