"""The gradient checker finds every module right, and finds the mistakes people make."""

from __future__ import annotations

import numpy as np
import pytest

from coldframe.errors import InputError
from coldframe.foundations.mlp import ELU, MLP, BatchNorm, CrossEntropy, Layer, Linear, Softmax, check_gradients
from coldframe.foundations.mlp.gradients import GradientCheck

RNG = np.random.default_rng(4)
X = RNG.standard_normal((5, 6))


def shifted() -> BatchNorm:
    layer = BatchNorm(6)
    layer.parameters["weight"][:] = RNG.standard_normal(6)
    layer.parameters["bias"][:] = RNG.standard_normal(6)
    return layer


@pytest.mark.parametrize("module", [Linear(6, 4), ELU(), ELU(0.4), Softmax(), shifted(), MLP(6, [], 3, input_gradient=True),
                                    MLP(6, [8, 5], 3, batch_norm=True, input_gradient=True), MLP(6, [7], 3)])  # fmt: skip
def test_every_module_is_right_biases_included(module: Layer) -> None:
    found = check_gradients(module, X)
    assert found.worst < 1e-6 and found.passed
    assert set(found.errors) - {"input"} == set(module.parameters)


def test_batch_norm_is_right_when_it_no_longer_trains() -> None:
    layer = shifted()
    layer.training = False
    assert check_gradients(layer, X).worst < 1e-6


def test_a_loss_is_checked_with_its_labels() -> None:
    p = Softmax().forward(X)
    assert check_gradients(CrossEntropy(), p, np.array([0, 5, 2, 2, 1])).worst < 1e-6


class Forgetful(Linear):
    """Leaves out the sum over the batch for the bias."""

    def backward(self, gradient: np.ndarray) -> np.ndarray | None:
        dx = super().backward(gradient)
        self.gradients["bias"][:] = gradient[0]
        return dx


class Piling(Linear):
    """Adds to the gradients that are there."""

    def backward(self, gradient: np.ndarray) -> np.ndarray | None:
        before = self.gradients["weight"].copy()
        dx = super().backward(gradient)
        self.gradients["weight"] += before
        return dx


def test_mistakes_are_found_by_name() -> None:
    found = check_gradients(Forgetful(6, 4), X)
    assert [name for name, error in found.errors.items() if error > 1e-6] == ["bias"] and not found.passed
    assert "bias" in str(found) and "wrong" in str(found)
    assert check_gradients(Piling(6, 4), X).errors["weight"] > 0.1


def test_the_module_and_the_input_are_left_alone() -> None:
    layer, x = shifted(), X.copy()
    before = {name: value.copy() for name, value in (layer.parameters | layer.gradients | layer.buffers).items()}
    check_gradients(layer, x)
    assert np.array_equal(x, X)
    after = layer.parameters | layer.gradients | layer.buffers
    assert all(np.array_equal(value, before[name]) for name, value in after.items())


def test_float32_is_refused() -> None:
    with pytest.raises(InputError, match="expected float64 to check gradients, found float32 in weight"):
        check_gradients(Linear(6, 4, dtype=np.float32), X)


def test_an_error_at_the_tolerance_is_wrong_and_the_table_says_which() -> None:
    found = GradientCheck({"weight": 9.9e-7, "bias": 1e-6}, 1e-6)
    assert not found.passed and found.worst == 1e-6 and GradientCheck({"weight": 9.9e-7}, 1e-6).passed
    assert str(found) == f"{'weight':20s} 9.9e-07\n{'bias':20s} 1.0e-06  wrong"


def test_as_many_numbers_as_asked_for_are_nudged_and_a_gradient_that_is_none_is_infinitely_wrong() -> None:
    class Counting(Linear):
        calls = 0

        def forward(self, x: np.ndarray) -> np.ndarray:
            Counting.calls += 1
            return super().forward(x)

        def backward(self, gradient: np.ndarray) -> np.ndarray | None:
            super().backward(gradient)
            self.gradients["bias"][1] = np.nan
            return None

    found = check_gradients(Counting(6, 4), X, most=3)
    assert found.errors.keys() == {"weight", "bias"} and Counting.calls == 3 + 2 * 3 + 2 * 3
    full = check_gradients(Counting(6, 4), X)
    assert full.errors["bias"] == np.inf and full.errors["weight"] < 1e-6 and full.worst == np.inf
