"""Sweeps: every cell as if it were run alone, finished ones not run again, and a picture of the grid."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fakes import tiny_clip

from coldframe.cold import ColdPass, Store
from coldframe.data import load_dataset
from coldframe.errors import InputError
from coldframe.methods.deep_prompt import DeepPrompt
from coldframe.report.figures.heat_map import Panel, heat_map
from coldframe.verbs.fit import fit_and_evaluate
from coldframe.verbs.plan import Part, Plan, read
from coldframe.verbs.sweep import _published, sweep

PLAN = Plan(
    (
        Part("zero-shot"),
        Part(
            "deep-prompt",
            settings={"epochs": 1},
            grid={"tokens": [1, 2], "layer": [0, 1], "position+readout": [["front", "first"], ["back", "class"]]},
        ),
    ),
    ("mini:mnist",),
    shots=2,
    published=(
        {"data": "mini:mnist", "method": "deep-prompt", "tokens": 1, "layer": 0, "position": "front", "readout": "first",
         "top1": 0.5},
    ),
    title="A grid",
)


def test_a_sweep_is_its_runs_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cold, calls = ColdPass(Store(tmp_path / "store")), list[Any]()
    original = fit_and_evaluate

    def counted(*arguments: Any, **options: Any) -> Any:
        calls.append(arguments)
        return original(*arguments, **options)

    monkeypatch.setattr("coldframe.verbs.case.fit_and_evaluate", counted)
    done = sweep(PLAN, model=tiny_clip(), out=tmp_path / "out", cold=cold, command="coldframe sweep")
    assert len(done.lines) == 9 and len(calls) == 9
    assert [line.published for line in done.lines].count(0.5) == 1
    table = done.table()
    assert table[0][:8] == ["data", "method", "tokens", "layer", "position", "readout", "val (%)", "test (%)"]
    assert table[0][-1] == "published" and any(line[1:4] == ["zero-shot", "", ""] for line in table)
    (known,) = [line for line in table if line[2:6] == ["1", "0", "front", "first"]]
    assert known[1] == "deep-prompt" and known[-1] == "50.00"

    # One cell is what the method alone gives.
    data = load_dataset("mini:mnist", shots=2, seed=0)
    alone = DeepPrompt(tiny_clip(), tokens=2, layer=1, epochs=1, seed=0).fit(data.train, data.val, cold=cold)
    (line,) = [x for x in done.lines if x.cell.get("tokens") == 2 and x.cell["layer"] == 1 and x.cell["position"] == "back"]
    assert line.group.mean("top1") == pytest.approx(alone.score(data.test, cold=cold))

    # Again, nothing is run; files are there.
    again = sweep(PLAN, model=tiny_clip(), out=tmp_path / "out", cold=cold, command="coldframe sweep")
    assert len(calls) == 9 and again.table() == table
    done.save(tmp_path / "out")
    rows = json.loads((tmp_path / "out" / "results.json").read_text())["rows"]
    assert len(rows) == 9 and all(row["data"] == "mini:mnist" for row in rows)
    assert {path.name for path in (tmp_path / "out").iterdir()} >= {
        "heat-deep-prompt.png", "heat-deep-prompt.svg", "report.html", "mini-mnist", "results.json",
    }  # fmt: skip


def test_cells_stand_below_a_baseline_and_are_ranked_by_validation_images_alone(tmp_path: Path) -> None:
    plan = Plan((Part("knn", grid={"k": [1, 2, 5]}),), ("mini:mnist",), shots=4, seeds=2)
    done = sweep(plan, model=tiny_clip(), cold=ColdPass(Store(tmp_path / "store")), command="coldframe sweep")
    head, first, *rest = done.table()
    val, test = head.index("val (%)"), head.index("test (%)")
    assert first[1] == "zero-shot (baseline)" and first[val] != "-" and len(rest) == len(done.lines) == 3
    assert {row["method"] for row in done.results()["rows"]} > {"zero-shot"}
    lines = done.ranked("mini:mnist")
    known = [line.group.mean("val_top1") for line in lines]
    assert known == sorted(known, reverse=True) and [line[2] for line in rest] == [str(line.cell["k"]) for line in lines]
    # The last by validation becomes the first, whatever it says of test images.
    for row in lines[-1].group.rows:
        row["val_top1"], row["top1"] = 1.0, 0.0
    assert done.ranked("mini:mnist")[0] is lines[-1] and done.table()[2][test].startswith("0.0")


@pytest.mark.parametrize("spelling", [str.lower, str.upper, str])
def test_published_figures_stand_beside_the_data_they_belong_to(spelling: Any) -> None:
    plan = read("uva-a2-table3")
    (part,) = plan.parts
    found = [_published(plan, part, cell, "torchvision:" + spelling(f"Cifar{n}")) for n in (10, 100) for cell in part.cells()]
    assert len(found) == 36 and None not in found and (max(found[:18]), max(found[18:])) == (0.9659, 0.7998)
    assert _published(plan, part, part.cells()[0], "torchvision:MNIST") is None


def test_refusals() -> None:
    with pytest.raises(InputError, match="name some with --data"):
        sweep(Plan((Part("zero-shot"),), ()), model=tiny_clip())
    with pytest.raises(InputError, match="found 'token'; did you mean 'tokens'"):
        sweep(Plan((Part("deep-prompt", settings={"token": 1}),), ("mini:mnist",)), model=tiny_clip())


def test_a_baseline_is_a_row_of_its_own_under_the_grid() -> None:
    panel = Panel("flowers", "position back", {("0", "1"): 0.5, ("0", "8"): 0.6, ("11", "1"): 0.4, ("11", "8"): None})
    axes = heat_map([panel], "layer", "tokens", {"flowers": ("zero-shot", 0.9)}).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["0", "11", "zero-shot"]
    assert [text.get_text() for text in axes.texts] == ["50.0", "60.0", "40.0", "–", "90.0"]
    assert axes.images[1].get_clim() == axes.images[0].get_clim() and axes.images[0].get_clim()[1] > 90
    alone = heat_map([panel], "layer", "tokens").axes[0]
    assert [label.get_text() for label in alone.get_yticklabels()] == ["0", "11"] and len(alone.images) == 1
