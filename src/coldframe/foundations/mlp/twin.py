"""The same perceptron in PyTorch: built from the NumPy one, with its weights, and read back into it."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from coldframe.errors import ModelError
from coldframe.foundations.mlp.layers import ELU, Linear, check_labels
from coldframe.foundations.mlp.network import MLP
from coldframe.foundations.mlp.normalisation import BatchNorm, check_batch


def torch_twin(network: MLP, device: torch.device | str = "cpu") -> nn.Sequential:
    """Return an ``nn.Sequential`` with the weights of ``network``; it gives logits [B, K], whose softmax the network gives.

    Parameters have the same names in both, and the same precision. From equal weights, both take equal steps.

    Args:
        network: the NumPy network; a copy of its weights is taken.
        device: where the twin lives.

    Example:
        >>> [type(layer).__name__ for layer in torch_twin(MLP(4, [8], 3))]
        ['Linear', 'ELU', 'Linear']
    """
    layers: list[nn.Module] = []
    for layer in network.layers:
        if isinstance(layer, Linear):
            outputs, inputs = layer.parameters["weight"].shape
            layers.append(nn.Linear(inputs, outputs))
        elif isinstance(layer, BatchNorm):
            layers.append(nn.BatchNorm1d(len(layer.parameters["weight"]), eps=layer.eps, momentum=layer.momentum))
        elif isinstance(layer, ELU):
            layers.append(nn.ELU(layer.alpha))
    twin = nn.Sequential(*layers)
    state = {name: torch.from_numpy(value) for name, value in network.state().items()}
    counters = {name: value for name, value in twin.state_dict().items() if name.endswith("num_batches_tracked")}
    twin = twin.to(device, next(iter(state.values())).dtype)
    twin.load_state_dict(state | counters)
    return twin.train(network.training)


def load_from_torch(network: MLP, twin: nn.Module) -> None:
    """Copy the twin's weights and running averages into ``network``, in place.

    Raises:
        ModelError: the twin has other layers or widths.
    """
    found = twin.state_dict()
    network.load({n: v.detach().cpu().numpy() for n, v in found.items() if not n.endswith("num_batches_tracked")})


def torch_step(twin: nn.Sequential, optimiser: torch.optim.Optimizer, x: Tensor, labels: Tensor) -> tuple[float, int]:
    """Do on the twin what ``train_step`` does in NumPy: return the batch's mean loss and how many it had right."""
    if any(isinstance(layer, nn.BatchNorm1d) for layer in twin):
        check_batch(len(x))
    last = twin[-1]
    if not isinstance(last, nn.Linear):
        raise ModelError(f"expected a twin that ends in a linear layer, found {type(last).__name__}; build it with torch_twin")
    check_labels(labels.cpu().numpy().astype(np.int64), len(x), last.out_features)
    logits = twin(x)  # [B, K]
    loss = nn.functional.cross_entropy(logits, labels)
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimiser.step()
    return float(loss.detach()), int((logits.argmax(dim=1) == labels).sum())
