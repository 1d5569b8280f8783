"""The constructors and settings of the networks built to be understood take no number that cannot be used."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from coldframe.errors import ColdframeError
from coldframe.foundations.convnet.fitting import BETTER, COURSE
from coldframe.foundations.generative import adversarial_fitting, vae_fitting
from coldframe.foundations.generative.adversarial import AAE
from coldframe.foundations.generative.vae import VAE
from coldframe.foundations.graphs.attention import GraphAttention
from coldframe.foundations.graphs.classifier import AdjacencyMLP, NodeClassifier
from coldframe.foundations.graphs.convolution import GCNConv, MeanConv
from coldframe.foundations.mlp import fitting
from coldframe.foundations.mlp.layers import Linear
from coldframe.foundations.mlp.network import MLP, SGD
from coldframe.recipes.pocket import muon as pocket
from coldframe.training import muon
from coldframe.training.optimisers import Group, build
from coldframe.training.recipe import Recipe

NO_NUMBER = (math.nan, math.inf, -math.inf, -1, 1e300, 10**30, True, "3", None, [], 1j)
NO_COUNT = (*NO_NUMBER, 0, 2.5)
"""What no whole number of something can be."""


def weights() -> list[torch.Tensor]:
    return [torch.zeros(2, 2, requires_grad=True)]


COUNTS: dict[str, Callable[[Any], object]] = {
    "MLP inputs": lambda n: MLP(n, [2], 2), "MLP hidden": lambda n: MLP(2, [n], 2), "MLP classes": lambda n: MLP(2, [2], n),
    "Linear inputs": lambda n: Linear(n, 2), "Linear outputs": lambda n: Linear(2, n),
    "mlp epochs": lambda n: fitting.Settings(epochs=n), "mlp batch": lambda n: fitting.Settings(batch=n),
    "cnn epochs": lambda n: replace(COURSE, epochs=n), "cnn batch": lambda n: replace(COURSE, batch=n),
    "cnn width": lambda n: replace(BETTER, widths=(n,)), "cnn views": lambda n: replace(COURSE, test_views=n),
    "GCN inputs": lambda n: GCNConv(n, 2), "GCN outputs": lambda n: GCNConv(2, n), "mean inputs": lambda n: MeanConv(n, 2),
    "GAT heads": lambda n: GraphAttention(2, 2, heads=n), "node hidden": lambda n: NodeClassifier("gcn", 2, 2, hidden=n),
    "node depth": lambda n: NodeClassifier("gcn", 2, 2, depth=n), "node classes": lambda n: NodeClassifier("gcn", 2, n),
    "adjacency nodes": lambda n: AdjacencyMLP(n, 2, 2), "adjacency hidden": lambda n: AdjacencyMLP(2, 2, 2, hidden=n),
    "VAE latent": lambda n: VAE(latent=n), "VAE channels": lambda n: VAE(channels=n), "AAE latent": lambda n: AAE(latent=n),
    "vae latent": lambda n: vae_fitting.Settings(latent=n), "vae batch": lambda n: vae_fitting.Settings(batch=n),
    "aae batch": lambda n: adversarial_fitting.Settings(batch=n), "recipe epochs": lambda n: Recipe(n),
    "recipe batch": lambda n: Recipe(1, n),
}  # fmt: skip
RATES: dict[str, Callable[[Any], object]] = {
    "mlp lr": lambda x: fitting.Settings(lr=x), "mlp momentum": lambda x: fitting.Settings(momentum=x),
    "SGD lr": lambda x: SGD({}, {}, x), "SGD momentum": lambda x: SGD({}, {}, 0.1, x),
    "SGD decay": lambda x: SGD({}, {}, 0.1, 0, x),
    "cnn lr": lambda x: replace(COURSE, lr=x), "cnn warmup": lambda x: replace(COURSE, warmup=x),
    "cnn smoothing": lambda x: replace(COURSE, label_smoothing=x), "cnn decay": lambda x: replace(COURSE, weight_decay=x),
    "node dropout": lambda x: NodeClassifier("gcn", 2, 2, dropout=x), "GAT dropout": lambda x: GraphAttention(2, 2, dropout=x),
    "vae beta": lambda x: vae_fitting.Settings(beta=x), "vae free bits": lambda x: vae_fitting.Settings(free_bits=x),
    "vae lr": lambda x: vae_fitting.Settings(lr=x), "aae lr": lambda x: adversarial_fitting.Settings(lr=x),
    "aae second lr": lambda x: adversarial_fitting.Settings(discriminator_lr=x),
    "aae momentum": lambda x: adversarial_fitting.Settings(momentum=x),
    "aae weight": lambda x: adversarial_fitting.Settings(weight=x),
    "aae noise": lambda x: adversarial_fitting.Settings(noise=x),
    "pocket's Muon lr": lambda x: pocket.Muon(weights(), x), "pocket's Muon momentum": lambda x: pocket.Muon(weights(), 0.1, x),
    "pocket's Muon decay": lambda x: pocket.Muon(weights(), 0.1, 0.9, x), "Muon lr": lambda x: muon.Muon(weights(), x),
    "Muon momentum": lambda x: muon.Muon(weights(), 0.1, x), "recipe lr": lambda x: Recipe(1, lr=x),
    "optimiser lr": lambda x: build("adamw", [Group(weights())], x),
}  # fmt: skip


@pytest.mark.parametrize("name", COUNTS)
def test_no_other_count_is_taken(name: str) -> None:
    refuses(COUNTS[name], NO_COUNT)


@pytest.mark.parametrize("name", RATES)
def test_no_other_number_is_taken(name: str) -> None:
    refuses(RATES[name], NO_NUMBER)


def refuses(make: Callable[[Any], object], values: tuple[Any, ...]) -> None:
    taken = []
    for value in values:
        try:
            make(value)
        except ColdframeError as error:
            assert "expected" in str(error) and "\n" not in str(error) and len(str(error)) < 300
        else:
            taken.append(value)
    assert not taken


def test_numbers_of_numpy_are_plain_numbers() -> None:
    made = fitting.Settings(np.int64(3), np.int32(4), np.float32(0.5))
    assert repr(made) == repr(fitting.Settings(3, 4, 0.5)) and type(made.epochs) is int and type(made.lr) is float
    assert MLP(np.int64(2), [np.int64(3)], np.int64(2)).hidden == (3,)
