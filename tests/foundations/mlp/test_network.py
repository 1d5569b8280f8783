"""Networks of any depth, logistic regression included, and the optimiser."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from coldframe.errors import InputError, ModelError
from coldframe.foundations.mlp import MLP, SGD, train_step


def test_layers_follow_the_widths() -> None:
    names = [type(layer).__name__ for layer in MLP(5, [4, 3], 2, batch_norm=True).layers]
    assert names == ["Linear", "BatchNorm", "ELU", "Linear", "BatchNorm", "ELU", "Linear", "Softmax"]
    assert [type(layer).__name__ for layer in MLP(5, [], 2).layers] == ["Linear", "Softmax"]
    assert MLP(5, [4, 3], 2).count() == 5 * 4 + 4 + 4 * 3 + 3 + 3 * 2 + 2


def test_it_learns_what_logistic_regression_cannot() -> None:
    x = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]] * 8)
    labels = np.array([0, 1, 1, 0] * 8)
    right = {}
    for name, hidden in (("deep", [16]), ("linear", [])):
        network = MLP(2, hidden, 2, seed=3)
        optimiser = SGD(network.parameters, network.gradients, lr=0.3, momentum=0.9)
        for _ in range(200):
            _, right[name] = train_step(network, optimiser, x, labels)
    assert right["deep"] == 32 and right["linear"] <= 24


@pytest.mark.parametrize(("momentum", "decay"), [(0.0, 0.0), (0.9, 0.0), (0.9, 0.01)])
def test_sgd_is_pytorchs(momentum: float, decay: float) -> None:
    weight = np.array([1.0, -2.0, 3.0])
    other = torch.tensor(weight.copy(), requires_grad=True)
    gradient = np.zeros(3)
    ours = SGD({"w": weight}, {"w": gradient}, 0.1, momentum, decay)
    theirs = torch.optim.SGD([other], lr=0.1, momentum=momentum, weight_decay=decay)
    for step in range(5):
        gradient[:] = np.cos(np.arange(3) + step)
        other.grad = torch.from_numpy(gradient.copy())
        ours.step()
        theirs.step()
    assert np.allclose(weight, other.detach().numpy(), atol=1e-14)


def test_state_goes_and_comes_back() -> None:
    one, two = (MLP(5, [4], 3, batch_norm=True, seed=seed) for seed in (0, 1))
    held = two.parameters["0.weight"]
    two.load(one.state())
    assert held is two.layers[0].parameters["weight"] and np.array_equal(held, one.parameters["0.weight"])
    with pytest.raises(ModelError, match=r"expected 0\.bias of shape \(7,\), found \(4,\)"):
        MLP(5, [7], 3, batch_norm=True).load(one.state())


@pytest.mark.parametrize("wrong", [{"lr": 0.0}, {"lr": 0.1, "momentum": 1.0}, {"lr": 0.1, "weight_decay": -1.0}])
def test_steps_that_mean_nothing_are_one_sentence(wrong: dict) -> None:
    with pytest.raises(InputError, match=r"expected (lr|momentum|weight_decay) "):
        SGD({}, {}, **wrong)


def test_widths_and_classes_must_be_there() -> None:
    with pytest.raises(InputError, match="hidden to be a whole number from 1 to 4,096, found 0"):
        MLP(5, [0], 2)
    with pytest.raises(InputError, match="2 or more classes, found 1"):
        MLP(5, [], 1)


def test_the_first_weights_are_half_as_varied_as_the_others_and_two_classes_are_enough() -> None:
    network = MLP(400, [300], 2, seed=3)
    first, last = network.parameters["0.weight"], network.parameters["2.weight"]
    assert first.std() == pytest.approx((1 / 400) ** 0.5, rel=0.01) and last.std() == pytest.approx((2 / 300) ** 0.5, rel=0.06)
    assert network.backward(np.zeros((1, 2))) is None if network.forward(np.zeros((1, 400))).size else False
    own = MLP(4, [3], 2, input_gradient=True)
    own.forward(np.zeros((1, 4)))
    assert own.backward(np.ones((1, 2))) is not None
    assert SGD({}, {}, 0.1, momentum=0.99).momentum == 0.99
