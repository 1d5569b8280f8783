"""One thread: these graphs are small, and threads that wait for each other cost more than they give."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from coldframe.foundations.graphs import Citations, Graph, SparseFeatures


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Run each test on one thread, and give the threads back."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def tiny() -> Citations:
    """Return 90 papers of 3 subjects that mostly cite their own, with words that say a little about the subject."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(90) % 3
    chance = torch.where(labels[:, None] == labels[None], 0.2, 0.01)
    pairs = (torch.rand(90, 90, generator=generator) < chance).triu(1).nonzero()
    words = (torch.rand(90, 12, generator=generator) < 0.3 + 0.3 * (torch.arange(12) % 3 == labels[:, None])).float()
    features = SparseFeatures.of(words / words.sum(dim=1, keepdim=True).clamp(min=1))
    nodes = torch.arange(90)
    return Citations(Graph.of(pairs, 90, name="tiny"), features, labels, nodes[:15], nodes[15:40], nodes[40:])
