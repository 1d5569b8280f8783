"""Batch normalisation in NumPy is PyTorch's: outputs, gradients and running averages."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from coldframe.errors import InputError
from coldframe.foundations.mlp import BatchNorm

RNG = np.random.default_rng(2)


def test_outputs_gradients_and_running_averages_are_pytorchs() -> None:
    ours, other = BatchNorm(4), torch.nn.BatchNorm1d(4).double()
    for _ in range(3):
        x, dy = 3 + 2 * RNG.standard_normal((6, 4)), RNG.standard_normal((6, 4))
        theirs = torch.from_numpy(x).requires_grad_()
        other.zero_grad()
        y = other(theirs)
        y.backward(torch.from_numpy(dy))
        assert np.allclose(ours.forward(x), y.detach().numpy(), atol=1e-12)
        assert np.allclose(ours.backward(dy), theirs.grad.numpy(), atol=1e-12)
        assert np.allclose(ours.gradients["weight"], other.weight.grad.numpy(), atol=1e-12)
        assert np.allclose(ours.gradients["bias"], other.bias.grad.numpy(), atol=1e-12)
    assert np.allclose(ours.buffers["running_mean"], other.running_mean.numpy(), atol=1e-14)
    assert np.allclose(ours.buffers["running_var"], other.running_var.numpy(), atol=1e-14)
    ours.training = other.training = False
    x = RNG.standard_normal((1, 4))
    assert np.allclose(ours.forward(x), other(torch.from_numpy(x)).detach().numpy(), atol=1e-14)


def test_a_batch_of_one_is_one_sentence_in_training_only() -> None:
    layer = BatchNorm(4)
    with pytest.raises(InputError, match="expected a batch of 2 or more for batch normalisation in training, found 1"):
        layer.forward(np.zeros((1, 4)))
    layer.training = False
    assert layer.forward(np.zeros((1, 4))).shape == (1, 4)
