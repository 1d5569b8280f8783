"""The experiment on batch sizes: each network is what its name says, and a run of it gives a line a normalisation."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
import torch
from drawn import same_numbers, unchanged
from torch import nn

from coldframe.errors import InputError
from coldframe.foundations.batch_norm import batch_sizes
from coldframe.foundations.batch_norm.batch_sizes import OWN, Outcome, compare, figure, network, over_seeds, train_and_test


def groups(kind: str) -> list[int]:
    return [part.num_groups for part in network(kind) if isinstance(part, nn.GroupNorm)]  # type: ignore[arg-type]


def test_each_network_is_normalised_as_named() -> None:
    assert groups("layer") == [1] * 4 and groups("group") == [4] * 4 and groups("instance") == [8, 16, 16]
    assert groups("none") == groups("batch") == groups("weight") == []
    assert [type(part) for part in network("batch") if "Norm" in type(part).__name__] == [nn.BatchNorm2d] * 3 + [nn.BatchNorm1d]
    assert sum(nn.utils.parametrize.is_parametrized(part) for part in network("weight")) == 4
    x = torch.zeros(2, 3, 32, 32)
    assert all(network(kind)(x).shape == (2, 10) for kind in ("none", "batch", "weight"))  # type: ignore[arg-type]


def test_the_hidden_layer_tells_two_images_apart_by_sign_alone() -> None:
    norm = next(part for part in network("batch") if isinstance(part, nn.BatchNorm1d))
    h = torch.randn(2, 64, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(norm(h).abs(), torch.ones(2, 64), atol=1e-2)


def test_a_short_run_draws_a_line_a_normalisation() -> None:
    found = compare(sizes=(8, 64), seeds=1, epochs=1, images=128)
    assert len(found) == 12 and all(0 <= outcome.running <= 1 and 0 <= outcome.train <= 1 for outcome in found)
    assert all(outcome.own == outcome.running for outcome in found if outcome.normalisation != "batch")
    lines = figure(found).axes[0].lines
    names = [line.get_label() for line in lines if not str(line.get_label()).startswith("_")]
    assert names == ["none", "batch", OWN, "layer", "group", "instance", "weight"]
    dots = [len(points.get_offsets()) for points in figure([*found, *found]).axes[0].collections]
    assert dots == [2] * 7 * 2  # one a seed, at each of two sizes


def test_a_batch_of_one_is_refused_and_left_out_of_the_comparison() -> None:
    x, labels = torch.zeros(2, 3, 32, 32), torch.zeros(2, dtype=torch.int64)
    with pytest.raises(InputError, match="expected a batch of 2 or more for batch normalisation in training, found 1"):
        train_and_test("batch", 1, (x, labels, x, labels), epochs=1, lr=0.1, seed=0)
    kinds = [outcome.normalisation for outcome in compare(sizes=(1,), seeds=1, epochs=1, images=2)]
    assert kinds == ["none", "layer", "group", "instance", "weight"]


def test_steps_are_in_proportion_to_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    rates: list[float] = []
    sgd = torch.optim.SGD

    def build(parameters: Iterable[nn.Parameter], lr: float) -> torch.optim.SGD:
        rates.append(lr)
        return sgd(parameters, lr=lr)

    monkeypatch.setattr(torch.optim, "SGD", build)
    x, labels = torch.zeros(64, 3, 32, 32), torch.zeros(64, dtype=torch.int64)
    for batch in (2, 64):
        train_and_test("batch", batch, (x, labels, x, labels), epochs=1, lr=0.2, seed=0)
    assert rates == pytest.approx([0.2 / 32, 0.2])


def test_the_figure_shows_means_and_intervals_over_seeds() -> None:
    outcomes = [Outcome("layer", 1, seed, running, running, 0.5) for seed, running in ((0, 0.5), (1, 0.7), (2, 0.6))]
    assert list(figure(outcomes).axes[0].lines[0].get_ydata()) == pytest.approx([60.0])
    mean, half = over_seeds(outcomes, "running")["layer", 1]
    assert mean == pytest.approx(0.6) and half == pytest.approx(4.3027 * 0.1 / np.sqrt(3), rel=1e-3)


def test_what_means_nothing_is_one_sentence() -> None:
    with pytest.raises(InputError, match="unknown normalisation 'bach'; did you mean 'batch'"):
        network("bach")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="expected numbers of 1 or more"):
        compare(sizes=(0,))
    with pytest.raises(InputError, match="expected 64 images or more, which every batch size divides, found 10"):
        compare(sizes=(8, 64), images=10)


def test_the_figure_is_drawn_as_it_was() -> None:
    kinds = ("batch", "layer")
    outcomes = [Outcome(kind, size, seed, 0.1 * seed + 0.02 * size, 0.3, 0.5)  # type: ignore[arg-type]
                for kind in kinds for size in (1, 8) for seed in range(2) if (kind, size) != ("batch", 1)]  # fmt: skip
    unchanged(__file__, "batch_sizes", figure(outcomes))
    unchanged(__file__, "batch_sizes_of_one_seed", figure([each for each in outcomes if each.batch == 8 and not each.seed]))


def test_the_network_is_the_one_described() -> None:
    convolutions = (3 * 8 + 8 * 16 + 16 * 16) * 9 + 8 + 16 + 16
    rest = 16 * 4 * 4 * 64 + 64 + 64 * 10 + 10
    assert sum(value.numel() for value in network("none").parameters()) == convolutions + rest
    first, again, other = (network("batch", seed=seed)[0].weight for seed in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert isinstance(network("instance")[11], nn.Identity) and isinstance(network("layer")[11], nn.GroupNorm)


def test_a_short_training_ends_where_it_ended() -> None:
    generator = torch.Generator().manual_seed(0)
    x, labels = torch.randn(32, 3, 32, 32, generator=generator), torch.arange(32) % 4
    x += 2 * torch.eye(4)[labels][:, :3, None, None]
    found = {}
    for kind in ("none", "batch", "group", "weight"):
        end = train_and_test(kind, 8, (x, labels, x.flip(3), labels), epochs=3, lr=0.4, seed=1)  # type: ignore[arg-type]
        assert (end.normalisation, end.batch, end.seed) == (kind, 8, 1)
        found[kind] = [end.running, end.own, end.train]
    same_numbers(__file__, "course", found, 1e-6)


def test_every_size_gets_the_same_whole_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[object, ...]] = []

    def trained(kind: str, batch: int, data: tuple[torch.Tensor, ...], *, epochs: int, lr: float, seed: int) -> Outcome:
        seen.append((kind, batch, seed, epochs, lr, *(len(part) for part in data), data[1][:8].tolist(), data[0].shape[1:]))
        return Outcome(kind, batch, seed, 0.5, 0.5, 0.5)  # type: ignore[arg-type]

    monkeypatch.setattr(batch_sizes, "train_and_test", trained)
    compare(sizes=(2, 3), seeds=2, images=20)
    assert len(seen) == 6 * 2 * 2 and {each[5:9] for each in seen} == {(18, 18, 996, 996)}  # 6 divides all
    assert seen[0][:5] == ("none", 2, 0, 2, 0.2) and seen[0][10] == (3, 32, 32)
    assert all(each[9] == seen[0][9] for each in seen)
    same_numbers(__file__, "rows", {"first labels": seen[0][9]}, 1e-6)
    seen.clear()
    compare(sizes=(1, 7), seeds=1, epochs=1)
    assert len(seen) == 6 * 2 - 1 and {each[5:9] for each in seen} == {(1_974, 1_974, 994, 994)}
    for wrong in ({"sizes": ()}, {"seeds": 0}, {"epochs": 0}):
        with pytest.raises(InputError, match="expected numbers of 1 or more"):
            compare(**wrong)  # type: ignore[arg-type]
