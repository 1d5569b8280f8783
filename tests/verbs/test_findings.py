"""Numbers read from results, their intervals, and the claims that they decide."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from coldframe.measures.significance import interval, wilson
from coldframe.results.assignment import Claim, Finding, Number, Shown
from coldframe.results.rows import complete, groups
from coldframe.verbs.findings import _plain, _verdict, _written, decided, finding, found_at, published_text, table_of, trials

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


def test_places_end_with_the_list_and_need_the_kind_that_they_name() -> None:
    assert found_at({"a": [1, 2]}, "a.[2]") == found_at({"a": {"1": 5}}, "a.[1]") == found_at({"a": 1}, "a[b=1]") == []
    assert found_at({"a": [{"b": 1}, 2, {"c": 3}]}, "a.b") == [(1, {"b": 1})]
    assert found_at({"a": [1]}, 'a["0"]') == [] and [v for v, _ in found_at({"a": {"x.y": 5}}, 'a["x.y"]')] == [5]
    assert [v for v, _ in found_at({"a": [{"b": {"c": 1}, "d": 2}, {"b": 1, "d": 3}]}, "a[b/c=1].d")] == [2]


def measured(folder: Path, content: object, **more: object) -> Finding:
    (folder / "s").mkdir(exist_ok=True)
    (folder / "s" / "results.json").write_text(json.dumps(content))
    return finding(of(**({"at": "x"} | more)), folder)  # type: ignore[arg-type]


def test_shares_facts_and_trials_that_are_said(tmp_path: Path) -> None:
    share = wilson(1, 3)
    found = measured(tmp_path, {"x": [{"y": True}, {"y": False}, {"y": False}]}, at="x.y")
    assert (found.shown, found.over, found.value) == ("1 of 3", "3 cases", share.mean)
    assert (found.low, found.high) == (share.low, share.high)
    facts = {"x": [{"y": True}, {"y": False}]}
    assert measured(tmp_path, facts, at="x.y", unit="fact").shown == "NO"
    assert measured(tmp_path, {"x": True}, unit="fact").shown == "yes"
    assert measured(tmp_path, {"x": ["a", 1]}, unit="value").shown == '["a", 1]'
    assert measured(tmp_path, {"x": "words"}).shown == "words"
    told = measured(tmp_path, {"x": 0.5, "n": 7}, n=4000)
    assert told.over == "4,000 images" and told.low == wilson(2000, 4000).low
    assert measured(tmp_path, {"x": 0.5, "n": 7}).over == "7 images"
    plain = measured(tmp_path, {"x": 0.5, "n": 7}, unit="plain")
    assert (plain.low, plain.high, plain.over, plain.shown) == (None, None, "", "0.5")
    assert measured(tmp_path, {"x": 0.5, "n": 0}).over == ""
    seeds = measured(tmp_path, {"x": [{"y": 1.0}, {"y": 3.0}]}, at="x.y", unit="seconds")
    half = interval([1.0, 3.0]).half
    assert half is not None and (seeds.low, seeds.high) == (2 - half, 2 + half) and seeds.over == "2 seeds"


def test_the_number_of_images_of_a_list_is_that_of_its_first() -> None:
    assert trials({"rows": [{"n": 5, "x": 1}, {"n": 6, "x": 2}]}, "rows[x=1].x") == 5
    assert trials({"n": 9, "rows": [{"y": 1}]}, "rows.y") == trials({"n": 9, "a": {"n": 0, "y": 1}}, "a.y") == 9
    assert trials({"n": 9, "a": {"n": True, "y": 1}}, "a.y") in (1, 9)


@pytest.mark.parametrize(
    ("unit", "value", "ends", "text"),
    [
        ("plain", 9.0, (None, None), "9"), ("plain", 10.0, (None, None), "10"), ("plain", -1234.0, (None, None), "-1,234"),
        ("plain", 12.5, (None, None), "12.5"), ("ms", 0.12345, (0.1, 0.15), "0.123 ms (0.1 to 0.15)"),
        ("seconds", 1.0, (None, 2.0), "1 s"), ("MiB", 4.0, (1.0, None), "4 MiB"), ("percent", 0.5, (None, 0.6), "50.0%"),
        ("percent", 0.5, (0.4, None), "50.0%"), ("percent", 0.5, (0.4, 0.6), "50.0% (40.0 to 60.0)"),
    ],
)  # fmt: skip
def test_how_numbers_are_written(unit: str, value: float, ends: tuple[float | None, float | None], text: str) -> None:
    assert _written(of("x", unit=unit), value, *ends) == text


@pytest.mark.parametrize(
    ("unit", "value", "ends", "published", "because", "said"),
    [
        ("percent", 0.5, (0.5, 0.75), 0.75, "", "agrees: the published value lies in our interval"),
        ("percent", 0.5, (0.25, 0.75), 0.25, "", "agrees: the published value lies in our interval"),
        ("percent", 0.5, (0.25, 0.75), 0.2, "", "30.0 points above"),
        ("percent", 0.5, (0.25, 0.75), 0.8, "x", "30.0 points below: x"),
        ("ms", 5.0, (None, None), 5.0, "", "0 ms below"), ("seconds", 5.0, (1.0, None), 7.5, "", "2.5 s below"),
        ("plain", 5.0, (None, None), None, "x", ""),
    ],
)  # fmt: skip
def test_how_numbers_stand_to_published_ones(
    unit: str, value: float, ends: tuple[float | None, float | None], published: float | None, because: str, said: str
) -> None:
    assert _verdict(of("x", unit=unit, published=published, because=because), value, *ends) == said
    shown = {"percent": f"{(published or 0) * 100:g}%", "ms": "5 ms", "seconds": "7.5 s"}.get(unit, "")
    assert published_text(of("x", unit=unit, published=published)) == shown


def test_claims_are_decided_beyond_the_joined_half_intervals() -> None:
    def known(value: Any, half: float | None) -> Finding:
        low, high = (None, None) if half is None else (value - half, value + half)
        return Finding(of("x"), value, low, high, "", f"<{value}>", "")

    found = {"a": known(10.0, 3.0), "b": known(5.0, 4.0), "c": known(4.5, 4.0), "d": known(7.0, None), "e": known("x", None)}
    assert decided(Claim("", "a", "b"), found) == ("not decided: within chance", "<10.0> against <5.0>")  # 5 = hypot(3, 4)
    assert decided(Claim("", "a", "c"), found)[0] == "holds" and decided(Claim("", "c", "a"), found)[0] == "does not hold"
    assert decided(Claim("", "d", than=7.0), found) == ("not decided: within chance", "<7.0> against 7")
    assert decided(Claim("", "d", than=6.99), found)[0] == "holds"
    assert decided(Claim("", "e", "a"), found) == decided(Claim("", "a", "e"), found) == ("not measured", "")


def test_cells_and_plain_values(tmp_path: Path) -> None:
    row = {"a": 0.12345, "b": 1234, "c": None, "d": True, "e": [[0, 1], [1, 0]], "f": [[0], [1, 2]], "g": [], "h": "é"}
    measured(tmp_path, {"rows": row})
    columns = [("1", "a:percent"), ("2", "a:ms"), ("3", "a"), ("4", "b"), ("5", "c:ms"), ("6", "d"), ("7", "z")]
    _, line = table_of(Shown("s", "", rows="rows", columns=columns), tmp_path)
    assert line == ["12.3", "0.1", "0.123", "1,234", "-", "yes", "-"]
    assert [_plain(row[key]) for key in "efgh"] == ["0 1\n1 0", "[[0], [1, 2]]", "[]", "é"]
    assert _plain(False) == "no" and _plain({"k": "é"}) == '{"k": "é"}'
