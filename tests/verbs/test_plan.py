"""Plans: what a TOML file and the command line ask for."""

from __future__ import annotations

from pathlib import Path

import pytest

from coldframe.errors import FileError, InputError
from coldframe.verbs.plan import Part, Plan, changed, grid_of, read, recipes


def test_the_published_grid_has_36_cells_beside_its_figures() -> None:
    plan = read("uva-a2-table3")
    (part,) = plan.parts
    assert len(part.cells()) * len(plan.data) == 36 == len(plan.published)
    assert part.preset == "uva-a2" and len(plan.data) == 2
    best = max(plan.published, key=lambda row: row["top1"])
    assert (best["layer"], best["tokens"], best["position"], best["top1"]) == (0, 8, "front", 0.9659)
    for data in plan.data:
        mine = [row for row in plan.published if row["data"] == data]
        assert [{k: row[k] for k in cell} for row, cell in zip(mine, part.cells(), strict=True)] == part.cells()


def test_recipes_are_plans() -> None:
    assert {"uva-a2-table3", "prompting"} <= set(recipes())
    for name in recipes():
        plan = read(name)
        assert plan.data and all(part.cells() for part in plan.parts)


def test_cells_vary_together_or_each_with_each() -> None:
    part = Part("deep-prompt", grid={"tokens": [1, 8], "position+readout": [["front", "first"], ["back", "class"]]})
    assert part.cells() == [
        {"tokens": 1, "position": "front", "readout": "first"},
        {"tokens": 1, "position": "back", "readout": "class"},
        {"tokens": 8, "position": "front", "readout": "first"},
        {"tokens": 8, "position": "back", "readout": "class"},
    ]
    assert Part("knn").cells() == [{}]
    with pytest.raises(InputError, match="2 values together"):
        Part("knn", grid={"a+b": [1]}).cells()


def test_the_command_line_changes_a_plan() -> None:
    plan = Plan((Part("knn", settings={"k": 3}, grid={"refit": [True]}),), ("mini:mnist",), shots={"mini:mnist": 5})
    other = changed(plan, {"knn": {"k": 4}}, grid_of(["refit=true,false"]))
    assert other.parts[0].settings == {"k": 4} and other.parts[0].cells() == [{"refit": True}, {"refit": False}]
    assert plan.shots_of("mini:mnist") == 5 and plan.shots_of("mini:cifar10") is None
    with pytest.raises(InputError, match="not in the plan"):
        changed(plan, {"zero-shot": {}}, {})
    with pytest.raises(InputError, match="one method for --grid"):
        changed(Plan((Part("knn"), Part("zero-shot")), ()), {}, {"k": [1]})
    with pytest.raises(InputError, match="expected --grid NAME=VALUE"):
        grid_of(["tokens"])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("runs = 3", "expected a list at runs"),
        ("[[runs]]\nmethods = 'knn'", "did you mean 'method'"),
        ("[[runs]]\npreset = 'a'", "expected the key 'method'"),
        ("modell = 'pocket'\n[[runs]]\nmethod = 'knn'", "did you mean 'model'"),
        ("model = ", "expected TOML"),
    ],
)
def test_a_file_that_is_no_plan_is_one_sentence(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_text(text)
    with pytest.raises(FileError, match=words) as caught:
        read(str(path))
    assert "\n" not in str(caught.value)


def test_an_unknown_plan_names_the_nearest() -> None:
    with pytest.raises(InputError, match="uva-a2-table3"):
        read("uva-a2-table")


def test_what_a_plan_says_is_kept_and_the_rest_has_defaults(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("[[runs]]\nmethod = 'knn'\n")
    plain = read(str(path))
    assert (plain.model, plain.data, plain.seeds, plain.title) == ("pocket", (), 1, "mine")
    path.write_text("model = 'lite0'\ndata = 'mini:mnist'\nseeds = 2\nshots = 5\ntitle = 'T'\n[[runs]]\nmethod = 'knn'\n")
    said = read(str(path))
    assert (said.model, said.data, said.seeds, said.shots, said.title) == ("lite0", ("mini:mnist",), 2, 5, "T")


def test_settings_of_a_class_of_ones_own_are_given_by_its_own_name(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("from coldframe import NearestNeighbours\n\n\nclass Mine(NearestNeighbours):\n    name = 'mine'\n")
    plan = read(f"{path}:Mine")
    assert changed(plan, {"mine": {"k": 3}}, {"refit": [True]}).parts[0].settings == {"k": 3}
    with pytest.raises(InputError, match="settings were given for knn, which is not in the plan"):
        changed(plan, {"knn": {"k": 3}}, {})
    two = Plan((Part("knn"), Part("ridge")), ())
    assert [part.settings for part in changed(two, {"ridge": {"prior": "none"}}, {}).parts] == [{}, {"prior": "none"}]


def test_values_of_a_grid_are_json_or_text() -> None:
    assert grid_of(["a-b=1,x,true", "c=1e-3", "d+e=1+x"]) == {"a_b": [1, "x", True], "c": [0.001], "d+e": [[1, "x"]]}
    for wrong in ("=1", "a=", "a"):
        with pytest.raises(InputError, match="expected --grid NAME=VALUE,VALUE"):
            grid_of([wrong])
    with pytest.raises(InputError, match="expected 2 values together for"):
        Part("knn", grid={"a+b": [[1, 2, 3]]}).cells()
