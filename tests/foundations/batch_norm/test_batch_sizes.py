"""The experiment on batch sizes: each network is what its name says, and a run of it gives a line a normalisation."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from coldframe.errors import InputError
from coldframe.foundations.batch_norm.batch_sizes import Outcome, compare, figure, network


def groups(kind: str) -> list[int]:
    return [part.num_groups for part in network(kind) if isinstance(part, nn.GroupNorm)]  # type: ignore[arg-type]


def test_each_network_is_normalised_as_named() -> None:
    assert groups("layer") == [1, 1, 1] and groups("group") == [4, 4, 4] and groups("instance") == [8, 16, 16]
    assert groups("none") == groups("batch") == groups("weight") == []
    assert sum(isinstance(part, nn.BatchNorm2d) for part in network("batch")) == 3
    assert sum(nn.utils.parametrize.is_parametrized(part) for part in network("weight")) == 3
    x = torch.zeros(2, 1, 28, 28)
    assert all(network(kind)(x).shape == (2, 10) for kind in ("none", "batch", "weight"))  # type: ignore[arg-type]


def test_a_short_run_draws_a_line_a_normalisation() -> None:
    found = compare(sizes=(8, 64), epochs=1, images=128)
    assert len(found) == 12 and all(0 <= outcome.running <= 1 for outcome in found)
    assert all(outcome.own == outcome.running for outcome in found if outcome.normalisation != "batch")
    lines = figure(found).axes[0].lines
    assert [line.get_label() for line in lines] == [
        "none", "batch", "batch, own statistics", "layer", "group", "instance", "weight",
    ]  # fmt: skip


def test_the_figure_shows_means_over_seeds() -> None:
    outcomes = [Outcome("layer", 1, seed, running, running) for seed, running in ((0, 0.5), (1, 0.7))]
    assert list(figure(outcomes).axes[0].lines[0].get_ydata()) == pytest.approx([60.0])


def test_what_means_nothing_is_one_sentence() -> None:
    with pytest.raises(InputError, match="unknown normalisation 'bach'; did you mean 'batch'"):
        network("bach")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="expected numbers of 1 or more"):
        compare(sizes=(0,))
