"""The head over all blocks: its problem is solved to the conditions of a minimum, and nothing is added where that is best."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from fakes import split, tiny_clip
from torch.nn import functional

from coldframe.cold import ColdPass, Store
from coldframe.methods import method_class
from coldframe.methods.group_lasso import path
from coldframe.types import POOLED


@pytest.mark.parametrize(("n", "width"), [(40, 90), (90, 20)])
def test_each_penalty_is_solved_to_the_conditions_of_a_minimum(n: int, width: int) -> None:
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(n, width, generator=draw).double() * 3 + 1
    x[:, 0] = 2.0  # a constant column is of no use, and no division by zero
    y = (x[:, 1] + x[:, 2] * x[:, 3].sign() > 1).long() + (x[:, 4] > 2).long()
    prior = torch.randn(n, 3, generator=draw).double()
    z = (x - x.mean(0)) / x.std(0, correction=0).clamp_min(1e-9)
    z[:, 0] = 0
    shares = (1.0, 0.5, 0.2)
    top = 0.0
    for share, found in zip(shares, path(x, prior, y, shares), strict=True):
        error = ((prior + found(x)).softmax(-1) - functional.one_hot(y, 3)) / n
        slope, used = error.T @ z, found.used  # [K, P]
        assert float(error.sum(0).abs().max()) < 2e-3
        if share == 1.0:
            top = float(slope.norm(dim=0).max())
            assert int(used.sum()) <= 1 and float(found.weight.abs().max()) < 1e-3
            continue
        assert 0 < int(used.sum()) < width
        assert float(slope[:, ~used].norm(dim=0).max()) <= share * top * 1.01
        pull = -share * top * found.weight / found.weight.norm(dim=0)
        torch.testing.assert_close(slope[:, used], pull[:, used], rtol=0.03, atol=0.01 * top)


def test_the_largest_penalty_adds_next_to_nothing_and_few_columns_are_saved(tmp_path: Path) -> None:
    plain, train, cold = tiny_clip(), split(24), ColdPass(Store(tmp_path))
    start = method_class("zero-shot")(plain).fit(train, cold=cold).logits(train, cold=cold)
    most = method_class("all-blocks")(plain, penalty=1.0).fit(train, cold=cold)
    shift = most.logits(train, cold=cold) - start  # a bias alone
    torch.testing.assert_close(shift, shift[:1].expand_as(shift), rtol=0, atol=1e-4)
    less = method_class("all-blocks")(plain, penalty=0.3).fit(train, cold=cold)
    width = plain.run(torch.zeros(1, 3, 16, 16), stop=POOLED).shape[1]
    assert 0 < len(less.state()["used"]) < width and less.choices["columns"].endswith(f"of {width}")
    assert less.state()["columns"].shape == (3, len(less.state()["used"]))
    y = torch.from_numpy(train.labels)
    loss = [float(functional.cross_entropy(each.logits(train, cold=cold), y)) for each in (most, less)]
    assert loss[1] < loss[0]
