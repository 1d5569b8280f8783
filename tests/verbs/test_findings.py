"""Numbers read from results, their intervals, and the claims that they decide."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from coldframe.measures.significance import interval, wilson
from coldframe.results.assignment import Claim, Number, Shown
from coldframe.results.rows import complete, groups
from coldframe.verbs.findings import decided, finding, found_at, published_text, table_of, trials

SEEDS: list[dict[str, Any]] = [
    {"method": "a", "seed": 0, "n": 100, "top1": 0.5, "settings": {"layer": 0}, "noise": {"top1": {"0.1": 0.25}}},
    {"method": "a", "seed": 1, "n": 100, "top1": 0.7, "settings": {"layer": 0}, "noise": {"top1": {"0.1": 0.35}}},
]
CONTENT = {
    "rows": [
        *SEEDS,
        {**groups([complete(dict(row)) for row in SEEDS])[0].summary(), "noise": {"top1": {"0.1": 0.3}}},
        {"method": "b", "seed": 0, "n": 100, "top1": 0.9, "settings": {"layer": 6}, "fooled": True},
    ],
    "algebra": [{"claim": "x = y, and y = z", "holds": True}],
}


def place(folder: Path) -> Path:
    (folder / "s").mkdir()
    (folder / "s" / "results.json").write_text(json.dumps(CONTENT))
    return folder


def of(at: str, **more: object) -> Number:
    return Number("x", "x", "s", at, **more)  # type: ignore[arg-type]


def test_places_are_found_by_keys_filters_and_numbers() -> None:
    assert [v for v, _ in found_at(CONTENT, "rows[settings/layer=6].top1")] == [0.9]
    assert [v for v, _ in found_at(CONTENT, 'rows[method=a,seed=1].noise.top1["0.1"]')] == [0.35]
    assert [v for v, _ in found_at(CONTENT, "algebra[claim=x = y, and y = z].holds")] == [True]
    assert [v for v, _ in found_at(CONTENT, "rows.[3].top1")] == [0.9]
    assert found_at(CONTENT, "rows[method=c].top1") == found_at(None, "rows") == found_at(CONTENT, "rows.[9].top1") == []


def test_several_seeds_have_students_interval_and_one_that_of_its_images(tmp_path: Path) -> None:
    folder = place(tmp_path)
    several, one = finding(of("rows[method=a].top1"), folder), finding(of("rows[method=b].top1"), folder)
    expected = interval([0.5, 0.7])
    assert (several.value, several.low, several.over) == (expected.mean, expected.low, "2 seeds")
    nested = finding(of('rows[method=a].noise.top1["0.1"]'), folder)
    assert (nested.value, nested.over) == (pytest.approx(0.3), "2 seeds")
    assert (one.low, one.high, one.over) == (wilson(90, 100).low, wilson(90, 100).high, "100 images")
    assert one.shown.startswith("90.0% (") and one.brief == "90.0%"


def test_the_interval_of_an_accuracy_ends_at_0_and_1(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "results.json").write_text(json.dumps({"rows": [{"top1": 0.999}, {"top1": 0.601}]}))
    found = finding(of("rows.top1"), tmp_path)
    assert (found.shown, found.brief) == ("80.0% (0.0 to 100.0)", "80.0%")
    assert (found.high or 0) > 1  # what claims are decided by stays as wide as it is


def test_a_published_number_agrees_inside_the_interval_only(tmp_path: Path) -> None:
    folder = place(tmp_path)
    near = finding(of("rows[method=b].top1", published=0.88), folder)
    far = finding(of("rows[method=b].top1", published=0.6, because="another model"), folder)
    assert near.verdict == "agrees: the published value lies in our interval"
    other = finding(of("rows[method=b].top1", published=0.88, because="another data set"), folder)
    assert other.verdict == "the published value lies in our interval, by another way: another data set"
    assert far.verdict == "30.0 points above: another model"
    assert published_text(far.number) == "60%"


def test_the_number_of_images_is_looked_for_above_a_value_or_said() -> None:
    row = {"method": "a", "n": 1000, "noise": {"n": 500, "top1": {"0.1": 0.2}}, "curve": [0.3]}
    assert trials({"rows": [row]}, 'rows[method=a].noise.top1["0.1"]') == 500
    assert trials({"rows": [row]}, "rows.curve.[0]") == trials({"row": row}, "row.top1") == 1000
    assert trials({"x": 1.0}, "x") == 0


def test_facts_values_shares_and_what_is_not_there(tmp_path: Path) -> None:
    folder = place(tmp_path)
    assert finding(of("algebra.holds", unit="fact"), folder).shown == "yes"
    assert finding(of("rows[method=b].settings", unit="value"), folder).shown == '{"layer": 6}'
    (folder / "s" / "matrix.json").write_text('{"a": [[0, 1], [1, 0]]}')
    assert finding(of("a", unit="value", file="matrix.json"), folder).shown == "0 1\n1 0"
    assert finding(of("rows.fooled"), folder).shown == "1 of 1"
    assert finding(of("rows.gone"), folder).shown == finding(of("x", file="none.json"), folder).shown == "not measured"


def test_a_claim_is_decided_by_more_than_chance(tmp_path: Path) -> None:
    folder = place(tmp_path)
    rows = {"half": "method=a,seed=0", "most": "method=b", "more": "method=a,seed=1", "gone": "method=z"}
    found = {name: finding(of(f"rows[{where}].top1"), folder) for name, where in rows.items()}
    assert decided(Claim("c", "most", "half"), found)[0] == "holds"
    assert decided(Claim("c", "half", "most"), found)[0] == "does not hold"
    assert decided(Claim("c", "more", "half"), found)[0] == "holds"
    assert decided(Claim("c", "half", than=0.45), found)[0] == "not decided: within chance"
    assert decided(Claim("c", "gone", "half"), found)[0] == "not measured"


def test_tables_take_their_columns(tmp_path: Path) -> None:
    folder = place(tmp_path)
    shown = Shown("s", "c", rows="rows", columns=[("method", "method"), ("layer", "settings.layer"), ("%", "top1:percent")])
    assert table_of(shown, folder) == [["method", "layer", "%"], ["a", "0", "50.0"], ["a", "0", "70.0"], ["b", "6", "90.0"]]
    assert table_of(Shown("s", "c", rows="gone", columns=[("a", "a")]), folder) == []


@pytest.mark.parametrize("text", ["", "no JSON", "{"])
def test_damaged_results_are_not_measured(tmp_path: Path, text: str) -> None:
    folder = place(tmp_path)
    (folder / "s" / "results.json").write_text(text)
    assert finding(of("rows.top1"), folder).shown == "not measured"
