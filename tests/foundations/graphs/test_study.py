"""``train gcn``: numbers on Cora, the files it writes, and its sentences."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from drawn import same_text

from coldframe.errors import InputError
from coldframe.foundations.graphs import study as study_room
from coldframe.foundations.graphs.classifier import NodeClassifier
from coldframe.foundations.graphs.failures import Depth
from coldframe.foundations.graphs.fitting import Fit
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


@pytest.mark.usefixtures("on_tiny")
def test_every_layer_gets_its_published_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[Any, ...]] = []

    def fitted(network: Any, data: Citations, *, epochs: int, lr: float, weight_decay: float, seed: int) -> Fit:
        seen.append((network.name, network.layers[0].W.shape[0], network.dropout.p, lr, weight_decay, epochs, seed))
        return Fit(network, 0.5, 0.5, 1.0, 1, 0.25, [{"loss": 1.0, "val": 0.5}])

    asked: list[tuple[str, Any, int]] = []
    wide: list[tuple[int, int]] = []
    monkeypatch.setattr(study_room, "_check_memory", lambda data, hidden, depth: wide.append((hidden, depth)))
    monkeypatch.setattr(study_room, "fit", fitted)
    monkeypatch.setattr(
        study_room, "measure_failures", lambda data, *, seeds, epochs: asked.append(("failures", seeds, epochs))
    )
    monkeypatch.setattr(
        study_room,
        "measure_smoothing",
        lambda data, layers, *, seeds, epochs: asked.append(("smoothing", (layers, seeds), epochs)) or [],
    )
    gcn("all", seeds=1, epochs=3)
    assert wide == [(16, 2), (16, 2), (64, 2), (16, 2)]
    rest = (16, 0.5, 0.01, 5e-4, 3, 0)
    assert seen == [("mean", *rest), ("gcn", *rest), ("gat", 64, 0.6, 0.005, 5e-4, 3, 0), ("mlp", *rest)]
    gcn("all", seeds=4, epochs=3, failures=True, smoothing=True)
    gcn("mean", seeds=2, epochs=3, smoothing=True)
    assert asked == [("failures", 3, 3), ("smoothing", (("gcn", "mean"), 3), 3), ("smoothing", (("mean",), 2), 3)]


def test_what_is_said_is_what_it_was(tiny: Citations) -> None:
    def of(name: str, seeds: int) -> study_room.Study:
        data = replace(tiny, graph=replace(tiny.graph, name=name))
        fits = {layer: [Fit(NodeClassifier(layer, 12, 3), 0.5 + 0.1 * s, 0.6, 1.0, 3, 1.25) for s in range(seeds)]  # type: ignore[arg-type]
                for layer in ("mean", "gcn")}  # fmt: skip
        rows = [study_room._row(layer, name, s, run, data) for layer, runs in fits.items() for s, run in enumerate(runs)]
        command = study_room._command("all", name, seeds, 3, seeds > 1, seeds == 1)
        return study_room.Study(command, data, fits, rows, smoothing=[Depth("gcn", 2, [0.5, 0.7], [0.25, 0.35])])

    said = []
    for name, seeds in (("cora", 2), ("pubmed", 1)):
        found = of(name, seeds)
        results = found.results()
        said += [
            found.command,
            str(found),
            f"{ {key: value for key, value in found.rows[0].items() if value is not None} }",
            f"{[(row['method'], row['top1']) for row in results['published']]}",
            f"{len(results['rows'])} rows",
        ]
    same_text(__file__, "study", "\n".join(said) + "\n")
