"""The proofs of the neuron: bias and scale cancel, in the output and in the gradient."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from coldframe.errors import InputError
from coldframe.foundations.batch_norm import neuron, neuron_gradients, turn

RNG = np.random.default_rng(0)
H, W, R = RNG.standard_normal((9, 5)), RNG.standard_normal(5), RNG.standard_normal(9)


def test_the_output_is_the_formula() -> None:
    covariance = np.cov(H.T, bias=True)
    assert np.allclose(neuron(H, W, 3.0), (H - H.mean(axis=0)) @ W / np.sqrt(W @ covariance @ W), atol=1e-13)


@pytest.mark.parametrize("b", [-100.0, 0.5, 1e4])
def test_the_bias_cancels(b: float) -> None:
    assert np.allclose(neuron(H, W, b, eps=1e-5), neuron(H, W, eps=1e-5), atol=1e-10)
    assert abs(neuron_gradients(H, W, R, b, eps=1e-5).b) < 1e-9


@pytest.mark.parametrize("a", [1e-3, 7.0, 1e4])
def test_the_scale_of_w_cancels(a: float) -> None:
    assert np.allclose(neuron(H, a * W, 2.0), neuron(H, W, 2.0), atol=1e-12)
    assert np.allclose(neuron(H, -a * W), -neuron(H, W), atol=1e-12)
    assert np.allclose(neuron(H, a * W, eps=1e-3 * a**2), neuron(H, W, eps=1e-3), atol=1e-12)
    assert np.allclose(neuron_gradients(H, a * W, R).w, neuron_gradients(H, W, R).w / a, rtol=1e-8)


def test_with_epsilon_it_cancels_up_to_epsilon_over_the_variance() -> None:
    eps, var = 1e-3, (H @ W).var()
    difference = np.abs(neuron(H, W, eps=eps) / neuron(H, W) - 1).max()
    assert difference == pytest.approx(eps / (2 * var), rel=1e-3)


def test_the_gradient_is_autograds_and_has_no_part_along_w() -> None:
    w = torch.from_numpy(W).requires_grad_()
    x = torch.from_numpy(H) @ w
    ((x - x.mean()) / x.var(correction=0).sqrt() @ torch.from_numpy(R)).backward()
    found = neuron_gradients(H, W, R).w
    assert np.allclose(found, w.grad.numpy(), atol=1e-12)
    assert abs(found @ W) < 1e-12


def test_a_step_turns_w_by_the_effective_learning_rate_and_decay_only_shortens_it() -> None:
    angle, length = turn(H, W, R, lr=1e-3)
    assert length > np.linalg.norm(W)
    assert turn(H, 3 * W, R, lr=9e-3)[0] == pytest.approx(angle, rel=1e-9)
    decayed, shorter = turn(H, W, R, lr=1e-3, decay=0.1)
    assert shorter < length and decayed == pytest.approx(angle / (1 - 1e-3 * 0.1), rel=1e-5)


def test_a_batch_of_one_is_one_sentence() -> None:
    with pytest.raises(InputError, match="expected a batch of 2 or more"):
        neuron(H[:1], W)
