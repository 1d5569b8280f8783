"""``train gcn``: numbers on Cora, the files it writes, and its sentences."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from coldframe.errors import InputError
from coldframe.foundations.graphs import study as study_room
from coldframe.foundations.graphs.planetoid import Citations
from coldframe.foundations.graphs.study import gcn


@pytest.fixture
def on_tiny(tiny: Citations, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study_room, "load_planetoid", lambda name: tiny)


@pytest.mark.usefixtures("on_tiny")
def test_the_folder_holds_numbers_figures_and_a_page_that_stands_alone(tmp_path: Path) -> None:
    found = gcn("all", seeds=2, epochs=5, failures=True, smoothing=True, out=tmp_path / "out")
    written = json.loads((tmp_path / "out" / "results.json").read_text())
    assert written == json.loads(json.dumps(found.results()))
    seeds = [row for row in written["rows"] if "ci95" not in row]
    means = [row for row in written["rows"] if "ci95" in row]
    assert len(seeds) == 8 and [row["method"] for row in means] == ["mean", "gcn", "gat", "mlp"]
    assert all(0 <= row["top1"] <= 1 and row["n"] == 50 and row["split"] == "test" for row in seeds)
    mean = sum(row["top1"] for row in seeds[:2]) / 2
    assert means[0]["mean"]["top1"] == pytest.approx(mean) and means[0]["ci95"]["top1"][0] <= mean
    assert written["machine"]["device"] == "cpu" and written["command"].startswith("coldframe train gcn --layer all")
    figures = {path.name for path in (tmp_path / "out").iterdir()} - {"results.json", "report.html"}
    assert figures == {f"{name}.{end}" for name in ("curves", "embedding", "smoothing", "failures") for end in ("png", "svg")}
    page = (tmp_path / "out" / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 4 and "://" not in page and "mean convolution" in page
    assert "Relabelling" in str(found) and "Depth, GCN" in str(found)


@pytest.mark.usefixtures("on_tiny")
def test_settings_reach_the_network() -> None:
    found = gcn("gcn", seeds=1, epochs=2, hidden=4, depth=3, dropout=0.0, lr=0.1)
    network = found.fits["gcn"][0].network
    assert [tuple(layer.W.shape) for layer in network.layers] == [(4, 12), (4, 4), (3, 4)] and network.dropout.p == 0


@pytest.mark.parametrize("wrong", [{"layer": "gcm"}, {"data": "corra"}, {"seeds": 0}, {"epochs": 0}])
def test_settings_that_mean_nothing_are_one_sentence(wrong: dict) -> None:
    with pytest.raises(InputError, match=r"unknown|expected 1 or more"):
        gcn(**wrong)


@pytest.mark.shared_data
@pytest.mark.usefixtures("shared_data")
def test_cora_is_learned_in_a_second() -> None:
    found = gcn("gcn", seeds=2, epochs=100)
    assert all(run.test > 0.77 for run in found.fits["gcn"])
    assert found.results()["published"][0]["top1"] == 0.815


@pytest.mark.slow
@pytest.mark.shared_data
@pytest.mark.usefixtures("shared_data")
def test_cora_over_ten_seeds() -> None:
    means = {row["method"]: row["mean"]["top1"] for row in gcn("all").results()["rows"] if "ci95" in row}
    assert means["mean"] >= 0.79 and means["gcn"] >= 0.80 and means["gat"] >= 0.81 and means["mlp"] < 0.62


def test_what_must_be_in_memory_is_counted(tiny: Citations, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights with gradients and Adam's two means, and what each layer but the last gives, in bytes of float32."""
    asked: list[tuple[str, int, float]] = []
    monkeypatch.setattr(study_room, "check_fits", lambda name, value, needs, **about: asked.append((name, value, needs(value))))
    study_room._check_memory(tiny, 5, 4)
    assert asked == [
        ("a hidden width", 5, 4 * (4 * (12 * 5 + 5 * 3) + 90 * 5)),
        ("a depth", 4, 4 * (4 * (12 * 5 + 2 * 25 + 5 * 3) + 90 * 5 * 3)),
    ]  # fmt: skip
