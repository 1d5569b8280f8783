"""Ranking backbones: left-out accuracy with an interval, a fair sample, refusals in one sentence."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from fakes import TinyBackbone, coloured

from coldframe.cold import ColdPass, Store
from coldframe.data.base import Dataset
from coldframe.errors import InputError
from coldframe.measures.significance import wilson
from coldframe.verbs.rank import rank, sample


def test_candidates_are_ordered_by_left_out_accuracy(tmp_path: Path) -> None:
    cold = ColdPass(Store(tmp_path))
    found, left = rank(["timm:test_resnet/random", "pocket", "nothing"], "mini:cifar10", images=60, cold=cold)
    assert [line.model for line in found] == ["pocket", "timm:test_resnet/random"]
    best = found[0]
    assert best.model == "pocket" and best.n == 60 and best.low < best.top1 < best.high and best.latency_ms > 0
    assert best.top1 > 0.5 and [line.top1 for line in found] == sorted((line.top1 for line in found), reverse=True)
    assert any(sentence.startswith("nothing left out: ") for sentence in left)
    with pytest.raises(InputError, match="at least one candidate"):
        rank([], "mini:cifar10", cold=cold)
    with pytest.raises(InputError, match="can be loaded"):
        rank(["nothing"], "mini:cifar10", cold=cold)


def test_the_sample_takes_classes_in_turn() -> None:
    split = coloured(30, 0, "train")
    rare = split.subset(np.array([0, 3, 6, 9, 12, 15, 18, 21, 1, 4, 2]))  # eight red, two green, one blue
    few = sample(rare, 6, seed=0)
    assert sorted(few.labels.tolist()) == [0, 0, 0, 1, 1, 2]
    assert len(sample(rare, 100, seed=0)) == 11
    assert sample(rare, 6, seed=0).labels.tolist() == few.labels.tolist()


def test_of_equal_candidates_the_faster_comes_first_and_a_name_twice_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    times, told = iter([3.0004, 1.0]), list[str]()
    monkeypatch.setattr("coldframe.verbs.rank.load_backbone", lambda name, **_: TinyBackbone())
    monkeypatch.setattr("coldframe.verbs.rank.measures.latency", lambda *_, **__: SimpleNamespace(median=next(times)))
    monkeypatch.setattr("coldframe.verbs.rank.load_dataset", lambda spec, **_: Dataset(spec, *(coloured(30, 0, "train"),) * 3))
    found, left = rank(["slow", "fast", "slow"], "d", images=12, cold=ColdPass(Store(tmp_path)), told=told.append)
    assert [line.model for line in found] == ["fast", "slow"] and left == [] and told == ["slow", "fast"]
    slow = found[1]
    share = wilson(round(slow.top1 * 12), 12)
    assert (slow.n, slow.latency_ms, slow.low, slow.high) == (12, 3.0, share.low, share.high)
    assert slow.parameters == TinyBackbone().parameter_count and slow.as_dict()["n"] == 12
