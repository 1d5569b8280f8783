"""Sweeps: every cell as if it were run alone, finished ones not run again, and a picture of the grid."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fakes import TinyBackbone, tiny_clip

from coldframe.cold import ColdPass, Store
from coldframe.data import load_dataset
from coldframe.errors import InputError
from coldframe.methods import method_class
from coldframe.methods.deep_prompt import DeepPrompt
from coldframe.report import Table
from coldframe.report.figures.heat_map import Panel, heat_map
from coldframe.verbs import sweep as verb
from coldframe.verbs.fit import fit_and_evaluate
from coldframe.verbs.plan import Part, Plan, read
from coldframe.verbs.sweep import Line, Sweep, _published, baseline, make, sweep

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
        {
            "data": "mini:mnist",
            "method": "deep-prompt",
            "tokens": 1,
            "layer": 0,
            "position": "front",
            "readout": "first",
            "top1": 0.5,
        },
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


def swept(seeds: int = 2, published: bool = True) -> Sweep:
    """Return a sweep as it could have been: three cells of one method on one data set, with a baseline."""
    part = Part("knn", settings={"refit": True}, grid={"k": [1, 5], "temperature": [0.1, 1.0]})
    measured = {"zero-shot": (0.5, None, 0.0), "a": (0.6, 0.7, 1.26), "b": (0.8, 0.9, 2.0), "c": (0.7, 0.8, None)}
    rows = [
        {
            "method": name, "model": "m", "data": "d", "seed": seed, "n": 50, "top1": top1 + 0.02 * seed, "val_top1": val,
            "trainable_parameters": 1234, "train_seconds": spent,
        }
        for name, (top1, val, spent) in measured.items()
        for seed in range(seeds)
    ]  # fmt: skip
    table = Table(rows)
    groups = {group.method: group for group in table.groups()}
    cells = [("a", 1, 0.1), ("b", 1, 1.0), ("c", 5, 0.1)]
    known = {"b": 0.8765} if published else {}
    lines = [Line(part, {"k": k, "temperature": t}, "d", groups[name], known.get(name)) for name, k, t in cells]
    plan = Plan((part,), ("d",), seeds=seeds, title="T")
    machine = {"device": "cpu", "threads": 1, "torch": "2"}
    return Sweep(plan, {"d": table}, lines, "coldframe sweep", machine, {"d": groups["zero-shot"]})


def test_a_line_holds_means_intervals_costs_and_what_was_published() -> None:
    assert swept(1).table() == [
        ["data", "method", "k", "temperature", "val (%)", "test (%)", "trained", "seconds", "published"],
        ["d", "zero-shot (baseline)", "", "", "-", "50.0", "1,234", "-", "-"],
        ["d", "knn", "1", "1.0", "90.0", "80.0", "1,234", "2.0", "87.65"],
        ["d", "knn", "5", "0.1", "80.0", "70.0", "1,234", "-", "-"],
        ["d", "knn", "1", "0.1", "70.0", "60.0", "1,234", "1.3", "-"],
    ]
    two = swept(2, published=False).table()
    assert two[0][-1] == "seconds" and two[2][5].startswith("81.0 ± ") and two[2][4] == "90.0 ± 0.0"
    noisy = swept(1)
    noisy.lines[0].group.rows[0]["noise_top1"] = 0.456
    head, _, first, _, last = noisy.table()
    assert head[6:8] == ["noise", "trained"] and (first[6], last[6]) == ("-", "45.6")


def test_heat_maps_are_of_two_names_and_more_and_stand_over_their_baseline(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Any] = []
    monkeypatch.setattr(verb, "heat_map", lambda *words: drawn.append(words) or "figure")
    done = swept(2)
    assert done.figures() == {
        "heat-knn": ("Mean top-1 in percent of knn on test images, 2 seeds. The row below is the baseline.", "figure")
    }
    panels, rows, columns, beside = drawn[0]
    assert (rows, columns, beside) == ("k", "temperature", {"d": ("zero-shot", pytest.approx(0.51))})
    assert [panel.title for panel in panels] == [""] and panels[0].values == {
        ("1", "0.1"): pytest.approx(0.61), ("1", "1.0"): pytest.approx(0.81), ("5", "0.1"): pytest.approx(0.71),
    }  # fmt: skip
    more = Part("knn", grid={"a": [1, 2], "b": [1, 2, 3], "c+d": [[1, 2], [3, 4], [5, 6]]})
    assert verb._axes(more) == ("b", "c+d") and verb.words({"a": 1, "c": "x"}) == "a 1, c x"
    group = done.lines[0].group
    line = Line(more, {"a": 1, "b": 2, "c": 3, "d": 4}, "d", group, None)
    twice = replace(done, plan=Plan((more, replace(more), Part("knn", grid={"k": [1]})), ("d",)), lines=[line], baselines={})
    captions = twice.figures()
    assert {name: caption for name, (caption, _) in captions.items()} == dict.fromkeys(
        ("heat-knn", "heat-knn-1"), "Mean top-1 in percent of knn on test images, one seed."
    )
    (panel,) = drawn[1][0]
    assert panel.title == "a 1" and list(panel.values) == [("2", "3 4")] and drawn[2][0] == []


def test_results_say_of_each_cell_its_settings_and_the_page_where_it_ran(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = swept(2)
    found = done.results()
    assert len(found["cells"]) == 6 and found["command"] == "coldframe sweep"
    assert found["cells"][0]["settings"] == {"refit": True, "k": 1, "temperature": 0.1} and found["cells"][1]["top1"] == 0.62
    pages: list[Any] = []
    monkeypatch.setattr(verb, "page", lambda *words: pages.append(words) or "")
    monkeypatch.setattr(verb, "save_figure", lambda figure, place: pages.append(place))
    done.save(tmp_path)
    place, (title, table, notes, figures, _) = pages
    assert place == tmp_path / "heat-knn" and title == "T" and table == done.table() and list(figures) == ["heat-knn"]
    assert notes[0] == "pocket; seeds 0 to 1; cpu, 1 thread, torch 2. Intervals are 95% over seeds." and notes[1] == verb.RANKED


def test_a_plan_that_runs_a_baseline_itself_has_no_other() -> None:
    clip, tiny = tiny_clip(), TinyBackbone()
    knn, probe = (method_class(name)(tiny) for name in ("knn", "linear-probe"))
    assert baseline([knn, probe], tiny) is None
    for backbone, name in ((clip, "zero-shot"), (tiny, "linear-probe")):
        found = baseline([knn], backbone)
        assert found is not None and found.name == name and found.backbone is backbone
    assert make(Part("knn", settings={"k": 3, "refit": True}), {"k": 7}, tiny).config()["k"] == 7


@pytest.mark.parametrize(
    ("known", "value"),
    [({}, 0.5), ({"k": 2}, None), ({"method": "ridge"}, None), ({"data": "mini:other"}, None), ],
)
def test_a_published_figure_belongs_to_data_method_and_settings(known: dict[str, Any], value: float | None) -> None:
    entry = {"data": "mini:mnist", "method": "knn", "k": 1, "top1": 0.5} | known
    plan = Plan((Part("knn"),), ("mini:mnist",), published=(entry,))
    found = _published(plan, plan.parts[0], {"k": 1}, "mini:mnist")
    assert found == value
