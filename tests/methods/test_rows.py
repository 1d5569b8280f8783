"""Features that are read again in each pass give what features in memory give."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from fakes import TinyBackbone, coloured
from kept_rows import D, K, Kept, N, drawn
from torch import Tensor

from coldframe.cold import ColdPass, Store
from coldframe.errors import InputError, ModelError
from coldframe.methods import rows, solvers
from coldframe.methods.linear_probe import LinearProbe
from coldframe.methods.ridge import Ridge
from coldframe.methods.rows import Rows


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "_PIECE_BYTES", 4 * D * 32)  # 32 rows, so that the last piece is shorter


def test_pieces_are_the_rows_in_order() -> None:
    x, _, read = drawn()
    assert read.shape == (N, D)
    assert [len(piece) for piece in read.pieces()] == [32, 32, 32, 24]
    assert torch.equal(torch.cat(list(read.then(lambda piece: piece * 2).pieces())), x * 2)
    mean, spread = read.moments()
    assert torch.allclose(mean, x.mean(0), atol=1e-6) and torch.allclose(spread, x.std(0, correction=0), atol=1e-6)
    assert rows.evenly(10, 4).tolist() == [0, 2, 5, 7] and rows.evenly(3, 4).tolist() == [0, 1, 2]


@pytest.mark.parametrize("kind", ["classes", "balanced", "several"])
def test_logistic_solutions_are_equal(kind: str) -> None:
    x, y, read = drawn()
    weights = torch.linspace(0.5, 1.5, N) if kind == "balanced" else None
    truth = torch.stack([y == 1, y < 2, y > 2, y == 0], 1) if kind == "several" else y
    l2s = [1e-1, 1e-3]
    held, read_again = (
        list(solvers.logistic_path(features, truth, K, l2s, solvers.Basis.of(features), tolerance=1e-12, weights=weights))
        for features in (x, read)
    )
    for one, other in zip(held, read_again, strict=True):
        assert float((one.weight - other.weight).abs().max()) < 1e-6
        assert float((one.bias - other.bias).abs().max()) < 1e-6
    assert float((held[0].weight - held[1].weight).abs().max()) > 0.1
    basis = solvers.Basis.of(read)
    again = next(solvers.logistic_path(read, truth, K, l2s[1:], basis, start=held[1], most_steps=1, weights=weights))
    assert float((again.weight - held[1].weight).abs().max()) < 1e-3, "it begins at the start"


def test_ridge_solutions_are_equal() -> None:
    x, y, read = drawn()
    paths = [solvers.ridge_path(features, y, K, [1.0, 1e-3], solvers.Basis.of(features)) for features in (x, read)]
    for one, other in zip(*paths, strict=True):
        assert float((one.weight - other.weight).abs().max()) < 1e-6
        assert torch.equal(one.weight.argmax(1), other.weight.argmax(1)) and torch.allclose(one.bias, other.bias, atol=1e-6)


@pytest.mark.parametrize("settings", [{"l2": 1e-2}, {"normalise": "standard"}, {"solver": "ridge"}, {}], ids=str)
def test_a_probe_learns_the_same(settings: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train, cold = coloured(90, 0, "train"), ColdPass(Store(tmp_path))
    held = LinearProbe(TinyBackbone(), **settings).fit(train, cold=cold)  # type: ignore[arg-type]
    monkeypatch.setattr(rows, "SHARE", 0)
    read = LinearProbe(TinyBackbone(), **settings).fit(train, cold=cold)  # type: ignore[arg-type]
    assert read.choices.pop("features").startswith("90 x 6, read from the store in each pass")
    assert read.choices["l2"] == held.choices["l2"]
    # With several regularisers the start of the last solution is one in float32, and both end within 1e-4 of the loss.
    apart = 1e-6 if settings in ({"l2": 1e-2}, {"solver": "ridge"}) else 1e-3
    scale = float(held.weight.abs().max())
    assert float((held.weight - read.weight).abs().max()) < apart * scale
    assert float((held.bias - read.bias).abs().max()) < apart * scale


def test_a_start_from_a_part_saves_passes_and_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train, val, passes = coloured(640, 0, "train"), coloured(60, 1, "val"), [0]
    monkeypatch.setattr(rows, "SHARE", 0)
    pieces = Rows.pieces

    def counted(self: Rows) -> Iterator[Tensor]:
        passes[0] += 1
        return pieces(self)

    monkeypatch.setattr(Rows, "pieces", counted)
    fits, taken = [], []
    for part in (4, 640):  # 53 images of each class, and one
        monkeypatch.setattr("coldframe.methods.linear_probe.PART", part)
        monkeypatch.setattr("coldframe.methods.linear_probe.LEAST", 1)
        passes[0] = 0
        fits.append(LinearProbe(TinyBackbone()).fit(train, val, cold=ColdPass(Store(tmp_path))))
        taken.append(passes[0])
    assert taken[0] < 0.8 * taken[1], "a start from one image takes as many passes"
    assert fits[0].choices["l2"] == fits[1].choices["l2"]
    assert float((fits[0].weight - fits[1].weight).abs().max()) < 1e-3 * float(fits[0].weight.abs().max())


@pytest.mark.parametrize("validated", [True, False])
def test_ridge_learns_the_same(validated: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train, val, cold = coloured(90, 0, "train"), coloured(30, 1, "val") if validated else None, ColdPass(Store(tmp_path))
    held = Ridge(TinyBackbone()).fit(train, val, cold=cold, refit=True)
    monkeypatch.setattr(rows, "SHARE", 0)
    monkeypatch.setattr("coldframe.methods.ridge.most_rows", lambda numbers: 60)
    read = Ridge(TinyBackbone()).fit(train, val, cold=cold, refit=True)
    assert read.choices["chosen on images"] == (30 if validated else 60) and "features" in read.choices
    assert read.choices["calibration"]["images"] == (30 if validated else 60)
    again = Ridge(TinyBackbone(), penalty=held.choices["penalty"]).fit(train, val, cold=cold, refit=True)
    assert float((held.weight / held.weight.norm() - again.weight / again.weight.norm()).abs().max()) < 1e-6
    if validated:
        assert read.choices["penalty"] == held.choices["penalty"]
        assert float((held.weight - read.weight).abs().max()) < 1e-5 * float(held.weight.abs().max())


def test_what_needs_all_in_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "SHARE", 0)
    train, cold = coloured(30, 0, "train"), ColdPass(Store(tmp_path))
    with pytest.raises(InputError, match="expected features that fit into memory for choose cv, found 30 x 6; leave it out"):
        Ridge(TinyBackbone(), choose="cv").fit(train, cold=cold)
    with pytest.raises(InputError, match="for augment flip"):
        Ridge(TinyBackbone(), augment="flip").fit(train, cold=cold)
    Ridge(TinyBackbone(), augment="flip").fit(train, coloured(12, 1, "val"), cold=cold)


def test_a_feature_that_is_no_number_is_named() -> None:
    x, _, _ = drawn()
    x[77, 2], x[100, 0] = float("nan"), float("inf")
    with pytest.raises(ModelError, match="found others in 2 of 120 rows, the first in row 77"):
        solvers.Basis.of(Rows.of([Kept(x)]))
