"""Layers in NumPy: the same numbers as PyTorch's, forwards and backwards, and what extreme values do."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from coldframe.errors import DataError, InputError
from coldframe.foundations.mlp import ELU, CrossEntropy, Linear, Softmax
from coldframe.foundations.mlp.layers import check_labels

RNG = np.random.default_rng(1)


def test_linear_starts_as_kaiming_says() -> None:
    hidden, first = Linear(2000, 200), Linear(2000, 200, gain=1.0)
    assert hidden.parameters["weight"].std() == pytest.approx((2 / 2000) ** 0.5, rel=0.01)
    assert first.parameters["weight"].std() == pytest.approx((1 / 2000) ** 0.5, rel=0.01)
    assert not hidden.parameters["bias"].any()
    drawn = np.random.default_rng(0).standard_normal((2, 3))  # without a generator every layer starts alike
    assert np.array_equal(Linear(3, 2, gain=3.0).parameters["weight"], drawn)


@pytest.mark.parametrize("alpha", [1.0, 0.3])
def test_elu_is_pytorchs(alpha: float) -> None:
    x = np.array([[-800.0, -1.0, 0.0, 1e-9, 2.0, 900.0]])
    other = torch.from_numpy(x).requires_grad_()
    expected = torch.nn.functional.elu(other, alpha)
    expected.sum().backward()
    layer = ELU(alpha)
    assert np.allclose(layer.forward(x), expected.detach().numpy(), atol=1e-15)
    assert np.allclose(np.delete(layer.backward(np.ones_like(x)), 2), np.delete(other.grad.numpy(), 2), atol=1e-15)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_softmax_and_cross_entropy_stay_finite_and_right_where_a_probability_underflows(dtype: type) -> None:
    x, labels = np.array([[1e4, 0.0, 0.0], [3.0, 3.0, -1e4]], dtype), np.array([1, 2])
    softmax, loss = Softmax(), CrossEntropy()
    p = softmax.forward(x)
    assert np.isfinite(loss.forward(p, labels))
    assert np.allclose(softmax.backward(loss.backward(p, labels)), (p - np.eye(3)[labels]) / 2, atol=1e-6)


def test_cross_entropy_is_pytorchs_and_keeps_nothing() -> None:
    x, labels = RNG.standard_normal((5, 4)), np.array([0, 3, 1, 1, 2])
    p, loss = Softmax().forward(x), CrossEntropy()
    assert loss.forward(p, labels) == pytest.approx(
        float(torch.nn.functional.cross_entropy(torch.from_numpy(x), torch.from_numpy(labels))), abs=1e-14
    )
    loss.backward(p, labels)
    assert vars(loss) == {}


def test_the_input_gradient_is_left_out_on_request() -> None:
    layer = Linear(3, 2, input_gradient=False)
    layer.forward(np.ones((4, 3)))
    assert layer.backward(np.ones((4, 2))) is None and layer.gradients["weight"].tolist() == [[4.0] * 3] * 2


def test_gradients_and_weights_change_in_place() -> None:
    layer = Linear(3, 2)
    held = layer.gradients["weight"]
    layer.forward(np.ones((1, 3)))
    layer.backward(np.ones((1, 2)))
    assert held is layer.gradients["weight"] and held.tolist() == [[1.0] * 3] * 2


@pytest.mark.parametrize("labels", [np.array([0, 4]), np.array([-1, 0]), np.array([0]), np.array([0.0, 1.0])])
def test_labels_out_of_range_are_one_sentence(labels: np.ndarray) -> None:
    p = np.full((2, 4), 0.25)
    for call in (CrossEntropy().forward, CrossEntropy().backward):
        with pytest.raises(DataError, match=r"expected (labels from 0 to 3, found|2 whole-number labels, found)"):
            call(p, labels)


def test_images_must_be_flat() -> None:
    with pytest.raises(InputError, match=r"expected a batch of shape \[B, 12\], found \[2, 3, 2, 2\]"):
        Linear(12, 2).forward(np.zeros((2, 3, 2, 2)))


def test_batches_of_another_width_or_rank_and_no_labels() -> None:
    for shape in ((2, 11), (3, 12, 2), (12,)):
        with pytest.raises(InputError, match=r"expected a batch of shape \[B, 12\], found"):
            Linear(12, 2).forward(np.zeros(shape))
    check_labels(np.zeros(0, np.int64), 0, 3)
    check_labels(np.array([0, 2]), 2, 3)
