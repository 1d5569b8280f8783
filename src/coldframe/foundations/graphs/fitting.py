"""Training a node classifier on one graph: every step sees the whole graph, and the loss only the training nodes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from coldframe.foundations.graphs.planetoid import Citations
from coldframe.training import Group, Recipe, train


@dataclass
class Fit:
    """One trained network and what it reached.

    Args:
        network: at the epoch that was best on the validation nodes.
        test: accuracy on the test nodes, read once.
        val: accuracy on the validation nodes at that epoch.
        val_loss: cross-entropy of the validation nodes at that epoch.
        epoch: that epoch, from 1.
        seconds: training time.
        history: ``epoch, loss, val, val_loss`` of every epoch.
    """

    network: nn.Module
    test: float
    val: float
    val_loss: float
    epoch: int
    seconds: float
    history: list[dict[str, Any]] = field(default_factory=list)


def accuracy(network: nn.Module, data: Citations, nodes: torch.Tensor) -> float:
    """Return the share of ``nodes`` whose class the network names, in evaluation mode."""
    return accuracy_and_loss(network, data, nodes)[0]


def accuracy_and_loss(network: nn.Module, data: Citations, nodes: torch.Tensor) -> tuple[float, float]:
    """Return the share of ``nodes`` whose class the network names, and their mean cross-entropy, in evaluation mode."""
    network.eval()
    with torch.no_grad():
        scores = network(data.graph, data.features)[nodes]  # [n, K]
    labels = data.labels[nodes]
    return int((scores.argmax(dim=1) == labels).sum()) / len(nodes), float(F.cross_entropy(scores, labels))


def fit(
    network: nn.Module, data: Citations, *, epochs: int = 200, lr: float = 0.01, weight_decay: float = 5e-4, seed: int = 0
) -> Fit:
    """Train with Adam and L2; keep the epoch that is best on the validation nodes, of equals the one with the lowest
    loss there; read the test nodes once.

    Args:
        network: (graph, features) -> class scores [N, K].
        data: graph, features, labels and the official split.
        epochs: steps; each is the whole graph.
        lr: learning rate.
        weight_decay: L2 on all weights.
        seed: of the order of the training nodes, which does not matter here.
    """

    def loss(items: torch.Tensor, epoch: int) -> torch.Tensor:
        network.train()
        nodes = data.train[items]
        return F.cross_entropy(network(data.graph, data.features)[nodes], data.labels[nodes])

    named = dict(network.named_parameters())
    recipe = Recipe(epochs, len(data.train), lr, "adam", weight_decay=weight_decay, schedule="constant", seed=seed)
    result = train(
        named, loss, len(data.train), recipe,
        groups=[Group(list(named.values()))], validate=lambda: accuracy_and_loss(network, data, data.val),
    )  # fmt: skip
    test = accuracy(network, data, data.test)
    val, val_loss = float(result.best or 0.0), float(result.best_loss or 0.0)
    return Fit(network, test, val, val_loss, result.best_epoch, result.seconds, result.history)
