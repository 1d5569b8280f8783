"""One rule of choice in a comparison, from the folds to the sentence in the table."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes import coloured, tiny_clip

from coldframe.cold import ColdPass, Store
from coldframe.data.base import Dataset
from coldframe.errors import InputError
from coldframe.methods import method_class
from coldframe.verbs.compare import compare
from coldframe.verbs.rule import ruled, said

DATA = Dataset("colours", coloured(12, 0, "train"), coloured(6, 1, "val"), coloured(9, 2, "test"))
BACKBONE = tiny_clip()


@pytest.mark.parametrize("choose", ["loo", "cv"])
def test_one_rule_for_a_whole_table(choose: str, tmp_path: Path) -> None:
    cold = ColdPass(Store(tmp_path / "store"))
    names = ["zero-shot", "ridge", "knn", "clap"]
    settings = {"clap": {"epochs": 3}, "knn": {}}

    def run() -> object:
        return compare(
            names, DATA, model=BACKBONE, seeds=1, options=settings, latency=False, cold=cold, out=tmp_path / "out",
            choose=choose,  # type: ignore[arg-type]
        )  # fmt: skip

    table = run()
    ways = {row["method"]: row["chosen_by"] for row in table.rows}  # type: ignore[attr-defined]
    exact = "leave-one-out" if choose == "loo" else "5 folds"
    assert ways == {"zero-shot": "nothing to choose", "ridge": exact, "knn": exact, "clap": "5 folds"}
    words = table.about.choices  # type: ignore[attr-defined]
    assert f"{exact} (" in words and "no image was held out" in words  # type: ignore[attr-defined]
    assert table.about.val == 0 and table.about.train == 18  # type: ignore[attr-defined]
    assert table.to_json()["about"]["choices"] == words and words in " ".join(str(table).split())  # type: ignore[attr-defined]
    again = run()
    assert again.rows == table.rows  # type: ignore[attr-defined]
    assert not list((tmp_path / "out" / "fits").glob("*/fold*"))


def test_the_rule_of_the_table_and_a_methods_own_do_not_mix() -> None:
    with pytest.raises(InputError, match="one rule of choice"):
        compare(["ridge"], DATA, model=BACKBONE, options={"ridge": {"choose": "cv"}}, choose="loo")
    with pytest.raises(InputError, match="did you mean 'loo'"):
        compare(["ridge"], DATA, model=BACKBONE, choose="lo")  # type: ignore[arg-type]
    assert ruled(method_class("ridge")(BACKBONE, choose="cv"), "val").config()["choose"] == "cv"
    assert said("val", {}, 2) == "Choices were made on val; test was read once a fit."
