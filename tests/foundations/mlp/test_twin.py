"""The PyTorch twin takes the same steps, and weights go both ways."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from coldframe.errors import DataError, InputError, ModelError
from coldframe.foundations.mlp import MLP, SGD, load_from_torch, torch_step, torch_twin, train_step


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("hidden", [[], [16], [16, 8]])
def test_fifty_steps_are_equal(hidden: list[int], batch_norm: bool, momentum: float) -> None:
    network = MLP(12, hidden, 5, batch_norm=batch_norm, seed=7)
    twin = torch_twin(network)
    ours = SGD(network.parameters, network.gradients, 0.1, momentum, 1e-4)
    theirs = torch.optim.SGD(twin.parameters(), lr=0.1, momentum=momentum, weight_decay=1e-4)
    generator = np.random.default_rng(5)
    start = network.state()
    for _ in range(50):
        x, labels = generator.standard_normal((16, 12)), generator.integers(0, 5, 16)
        loss, right = train_step(network, ours, x, labels)
        other, other_right = torch_step(twin, theirs, torch.from_numpy(x), torch.from_numpy(labels))
        assert loss == pytest.approx(other, abs=1e-6) and right == other_right
    state = {name: value.numpy() for name, value in twin.state_dict().items() if "num_batches" not in name}
    assert state.keys() == network.state().keys()
    for name, value in network.state().items():
        assert np.abs(value - state[name]).max() < 1e-6
    assert all(np.abs(network.parameters[name] - start[name]).max() > 1e-3 for name in start if name.endswith("weight"))
    if batch_norm and hidden:
        # The bias before a batch normalisation cancels, so it has no gradient and stays 0.
        assert np.abs(network.parameters["0.bias"]).max() < 1e-12


def test_weights_go_back_and_give_the_same_answers() -> None:
    twin = torch_twin(MLP(12, [6], 5, batch_norm=True, seed=1))
    twin(torch.randn(8, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(0)))
    other = MLP(12, [6], 5, batch_norm=True, seed=2)
    load_from_torch(other, twin)
    other.training = False
    x = np.random.default_rng(0).standard_normal((3, 12))
    with torch.no_grad():
        expected = twin.eval()(torch.from_numpy(x)).softmax(dim=1).numpy()
    assert np.allclose(other.forward(x), expected, atol=1e-14)
    with pytest.raises(ModelError, match="build both networks alike"):
        load_from_torch(MLP(12, [7], 5, batch_norm=True), twin)


def test_bad_batches_are_one_sentence() -> None:
    twin = torch_twin(MLP(12, [6], 5, batch_norm=True))
    optimiser = torch.optim.SGD(twin.parameters(), lr=0.1)
    with pytest.raises(InputError, match="batch of 2 or more for batch normalisation"):
        torch_step(twin, optimiser, torch.zeros(1, 12, dtype=torch.float64), torch.tensor([0]))
    with pytest.raises(DataError, match="labels from 0 to 4, found 0 to 5"):
        torch_step(twin, optimiser, torch.zeros(2, 12, dtype=torch.float64), torch.tensor([0, 5]))
