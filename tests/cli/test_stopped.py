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


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "nothing half-written is left; run the same command again"),
        (["fit", "knn"], "stored activations and the last checkpoint are kept, run the same command again to go on"),
        (["sweep", "--out", "x"], "finished fits and stored activations are kept, run the same command again to go on"),
        (["sweep", "--outer"], "stored activations are kept, fits are not: add --out DIR to keep them and go on after a stop"),
        (["extract"], "the features written so far are kept, run the same command again to go on"),
        (["benchmark"], "the numbers of finished models are kept in the folder of the results, the report is not made"),
        (["train"], "nothing half-written is left; run the same command again"),
        (["train", "aae"], "nothing half-written is left; add --out DIR to go on after a stop"),
        (["train", "aae", "--out", "x"], "the last checkpoint is kept, run the same command again to go on"),
        (["train", "pocket"], "the last checkpoint is kept, run the same command again to go on"),
        (["train", "mlp"], "nothing half-written is left; run the same command again"),
        (["predict", "cnn"], "nothing half-written is left; run the same command again"),
        (["evaluate", "x"], "stored activations are kept, nothing else was written; run the same command again"),
        (["zero-shot"], "stored activations are kept, nothing else was written; run the same command again"),
        (["inspect", "disagreements"], "stored activations are kept, nothing else was written; run the same command again"),
        (["inspect", "features", "disagreements"], "nothing half-written is left; run the same command again"),
        (["graph", "disagreements"], "nothing half-written is left; run the same command again"),
        (["cache"], "what was cleared is gone, the rest is whole; run the same command again"),
    ],
)
def test_what_each_verb_says(words: list[str], said: str) -> None:
    assert sentence(words) == f"stopped; {said}"
