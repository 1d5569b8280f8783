"""Output mappings: which of a classifier's outputs stand for which class."""

from __future__ import annotations

import pytest
import torch
from fakes import tiny_classifier

from coldframe.errors import InputError
from coldframe.methods.heads import Head, by_frequency


def test_by_frequency_is_greedy_and_one_to_one() -> None:
    counts = torch.tensor([[5, 9, 0, 1], [4, 8, 0, 0]])
    # The largest count first: class 0 takes output 1; class 1, left with 0, 2 and 3, takes output 0.
    assert by_frequency(counts, 1).tolist() == [[1], [0]]
    # Nobody has a second one before all have a first, and none is used twice.
    assert by_frequency(counts, 2).tolist() == [[1, 3], [0, 2]]
    assert sorted(by_frequency(torch.zeros(3, 6, dtype=torch.int64), 2).flatten().tolist()) == list(range(6))


def test_mappings_of_a_tiny_classifier() -> None:
    backbone = tiny_classifier()
    features = torch.randn(4, backbone.feature_dim, generator=torch.Generator().manual_seed(0))
    own = backbone.head(features)
    assert own is not None
    names = ("a", "b", "c")

    identity = Head("identity", backbone, "{}")
    identity.prepare(names, 0)
    torch.testing.assert_close(identity(features), own[:, :3])

    frequency = Head("frequency", backbone, "{}", sources=2)
    frequency.prepare(names, 0)
    assert frequency.mapped and not frequency.renewed
    frequency.assign(lambda: torch.tensor([6, 6, 5, 4, 4, 4]), torch.tensor([0, 0, 0, 1, 1, 2]))
    found = frequency.tensors["sources"]
    assert found[0].tolist()[:1] == [6] and found[1].tolist()[:1] == [4] and 5 in found[0].tolist()
    torch.testing.assert_close(frequency(features)[:, 0], own[:, found[0]].mean(1))
    assert set(frequency.tensors) == {"sources"}

    full = Head("full", backbone, "{}")
    full.prepare(names, 0)
    assert full.tensors["head.weight"].shape == (3, 7)
    torch.testing.assert_close(full(features), own @ full.tensors["head.weight"].T)

    auto = Head("auto", backbone, "{}")
    auto.prepare(names, 0)
    assert auto.now == "iterative" and auto.renewed
    auto.prepare([str(k) for k in range(9)], 0)
    assert auto.now == "linear" and auto.tensors["head.weight"].shape == (9, backbone.feature_dim)


def test_refusals() -> None:
    backbone = tiny_classifier()
    with pytest.raises(InputError, match="14 outputs or more for 7 classes with 2 sources each, found 7"):
        Head("iterative", backbone, "{}", sources=2).prepare([str(k) for k in range(7)], 0)
    with pytest.raises(InputError, match="no text tower"):
        Head("text", backbone, "{}")
    with pytest.raises(InputError, match="1 or more source classes"):
        Head("frequency", backbone, "{}", sources=0)
    with pytest.raises(InputError, match="expected a mapping"):
        Head("random", backbone, "{}")  # type: ignore[arg-type]
