"""Finite weights that compute what is not finite: named by model, layer and image, wherever it is made."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from fakes import TinyBackbone, split

from coldframe.cold import ColdPass, Store
from coldframe.cold.extraction import Source, extract
from coldframe.cold.finite import check_finite
from coldframe.errors import ModelError
from coldframe.methods.linear_probe import LinearProbe
from coldframe.methods.solvers import Basis


def overflowing(layer: str) -> TinyBackbone:
    """Return a network with finite weights whose numbers overflow at one layer."""
    backbone = TinyBackbone()
    with torch.no_grad():
        if layer == "embed":
            backbone.net.embed.weight.fill_(3e38)
        else:
            backbone.net.norm.weight.fill_(3e38)
    return backbone


def test_the_first_image_is_named() -> None:
    x = torch.ones(4, 2, 3)
    check_finite(x, "m", "embed", str)
    check_finite(torch.full((4, 2), 3e38), "m", "embed", str)  # whose sum alone is infinite
    check_finite(torch.ones(2, dtype=torch.uint8), "m", "pixels", str)
    check_finite(torch.full((2, 3), 1e18), "m", "features", str)
    with pytest.raises(ModelError, match="finite values of m at features, found others for 1"):
        check_finite(torch.tensor([[1.0, 0.0], [1e25, -1e25]]), "m", "features", str)  # finite, and its length is not
    with pytest.raises(ModelError, match="found others for 1; its weights"):
        check_finite(torch.tensor([[1.0], [float("nan")]]), "m", "embed", str)
    x[2, 1, 0], x[3, 0, 0] = float("inf"), float("nan")
    with pytest.raises(ModelError, match="finite values of m at embed, found others for item 2 and 1 more"):
        check_finite(x, "m", "embed", lambda row: f"item {row}")


@pytest.mark.parametrize("layer", ["embed", "features"])
@pytest.mark.parametrize("budget", [None, 0])
def test_a_cold_pass_and_a_probe_refuse_them(layer: str, budget: int | None, tmp_path: Path) -> None:
    backbone = overflowing(layer)
    cold = ColdPass(Store(tmp_path), batch_size=4, workers=1, budget=budget)
    wants = [("embed", "plain"), ("features", "plain")]
    at = layer if budget is None else "features"
    with pytest.raises(ModelError, match=rf"finite values of tiny:0 at {at}, found others for picture 0"):
        if budget is None:
            cold.prepare(backbone, [split(6)], wants)
        LinearProbe(backbone, l2=1e-2).fit(split(6), cold=cold)
    assert not list(tmp_path.rglob("manifest.json"))


def test_extraction_refuses_them(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="at features, found others for picture 0"):
        extract(overflowing("features"), Source("noise", split(3).images), tmp_path / "out")
    assert not (tmp_path / "out" / "features.npy").exists()


def test_a_solver_refuses_them() -> None:
    x = torch.randn(5, 3)
    x[4, 0] = float("-inf")
    with pytest.raises(ModelError, match="finite features, found others in 1 of 5 rows, the first in row 4"):
        Basis.of(x)
