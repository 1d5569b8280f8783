"""Ridge regression by sums over images equals the solution in memory, and its leave-one-out that of N fits."""

from __future__ import annotations

import pytest
import torch
from kept_rows import D, K, Kept, drawn
from torch.nn import functional

from coldframe.measures import loo
from coldframe.methods import rows
from coldframe.methods.ridge_sums import RidgeSums
from coldframe.methods.rows import Rows


@pytest.mark.parametrize("texts", [True, False])
def test_ridge_leaves_images_out_as_in_memory(texts: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "_PIECE_BYTES", 4 * D * 32)
    x, y, _ = drawn()
    x = functional.normalize(x.double(), dim=-1)
    words = functional.normalize(torch.randn(K, D, dtype=torch.float64), dim=-1) if texts else torch.zeros(0)
    t = functional.one_hot(y, K).double() - (x @ words.T if texts else 0)
    read = Rows.of([Kept(x.float())]).then(lambda piece: functional.normalize(piece.double(), dim=-1))
    sums = RidgeSums.of(read, y, K, words)
    found, expected = sums.scores(x, y, words, [0.01, 3.0], own=True), loo.ridge(x, t, [0.01, 3.0])
    assert float((found - expected).abs().max()) < 1e-6
    whole = sums.scores(x, y, words, [3.0], own=False)[0]
    linear = sums.linear(3.0)
    assert torch.allclose(whole, linear(x), atol=1e-9)
    centred = x - x.mean(0)
    weight = torch.linalg.solve(centred.T @ centred + 3 * torch.eye(D), centred.T @ (t - t.mean(0))).T
    assert float((linear.weight - weight).abs().max()) < 1e-6
