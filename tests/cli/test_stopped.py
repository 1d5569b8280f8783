"""What Ctrl-C leaves, verb by verb."""

from __future__ import annotations

import pytest

from coldframe.cli import VERBS
from coldframe.cli.stopped import sentence


@pytest.mark.parametrize("verb", [*VERBS, ""])
def test_every_verb_says_what_is_kept_and_how_to_go_on(verb: str) -> None:
    for more in ([], ["--out", "x"], ["features"], ["cnn"], ["mlp", "--out=x"]):
        said = sentence([verb, *more])
        assert said.startswith("stopped; ") and ("again" in said or "--out DIR" in said or "kept" in said)


def test_without_out_nothing_is_promised_that_is_not_kept() -> None:
    assert "add --out DIR" in sentence(["compare", "--fast"])
    assert "finished fits" in sentence(["compare", "--out=runs/x"])
    assert "add --out DIR" in sentence(["train", "vae"]) and "checkpoint" in sentence(["train", "vae", "--out", "x"])
    assert "checkpoint" in sentence(["train", "digit-classifier"])
    assert "nothing half-written" in sentence(["train", "mlp", "--out", "x"])
