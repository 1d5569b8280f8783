"""Nearest neighbours in blocks of similarities equal those in one matrix."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from fakes import TinyBackbone, split

from coldframe.cold import ColdPass, Store
from coldframe.methods import knn


@pytest.mark.parametrize("choose", ["val", "loo"])
def test_blocks_equal_one_matrix(choose: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backbone, cold = TinyBackbone(), ColdPass(Store(tmp_path))
    train, val = split(40, 0), split(23, 1, name="val")

    def fitted() -> tuple[list[dict[str, float]], torch.Tensor]:
        method = knn.NearestNeighbours(backbone, choose=choose)
        method.fit(train, val if choose == "val" else None, cold=cold)
        left_out = method.out_of_sample_logits(train, cold)
        assert left_out is not None
        return method.history, left_out

    path, logits = fitted()
    features = fitted_features(backbone, train, cold)
    whole = (features @ features.T).fill_diagonal_(-torch.inf)
    held = [similarity.shape for _, similarity in knn._similarities(features, features, alone=True)]
    assert held == [(40, 40)]
    monkeypatch.setattr(knn, "BLOCK", 7 * 40)  # seven rows at once
    blocks = list(knn._similarities(features, features, alone=True))
    assert [similarity.shape[0] for _, similarity in blocks] == [7] * 5 + [5]
    torch.testing.assert_close(torch.cat([similarity for _, similarity in blocks]), whole)
    again, blockwise = fitted()
    torch.testing.assert_close(blockwise, logits)
    assert [step["val_top1"] for step in again] == [step["val_top1"] for step in path]
    assert [step["val_loss"] for step in again] == pytest.approx([step["val_loss"] for step in path])


def fitted_features(backbone: TinyBackbone, train: object, cold: ColdPass) -> torch.Tensor:
    method = knn.NearestNeighbours(backbone)
    return method._unit(train, cold)[0]  # type: ignore[arg-type]
