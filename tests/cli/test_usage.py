"""What the parser refuses is one sentence in the house's words."""

from __future__ import annotations

import pytest

from coldframe.cli import main


def ended(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as stopped:
        main(list(words))
    return int(stopped.value.code or 0), capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["fit", "knn", "--data", "x", "--out", "y", "--tmeperature", "1"], "Did you mean --temperature"),
        (["fit", "knn", "--data", "x", "--out", "y", "--precision", "fp31"], 'Did you mean "fp32"'),
        (["fit", "knn", "--data", "x", "--out", "y", "more"], "expected nothing but options after fit knn, found 'more'"),
        (["inspect", "filters", "x"], "expected nothing but options after inspect filters, found 'x'"),
        (["train", "cn"], "unknown word 'cn' after train; did you mean 'gcn' or 'cnn'?"),
        (["graph", "other"], "unknown word 'other' after graph; known: check, show, walks"),
        (["fit", "knn", "--data", "x"], "expected a value for --out, found none"),
        (["fit", "knn", "--data", "x", "--out"], "expected a value for --out, found none"),
        (["fit", "nothing-like-it"], "unknown method 'nothing-like-it'; known: zero-shot, linear-probe, knn"),
        (["fit", "knn", "--dat", "x"], "found none. Did you mean --data instead of --dat?"),
        (["inspect", "filters", "--modle", "x"], "coldframe inspect filters --help lists the options"),
        (["train", "cnn", "--epochs", "many"], "coldframe train cnn --help lists the options"),
    ],
)
def test_words_that_the_parser_refuses(words: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = ended(capsys, *words)
    assert code == 2 and says in said and said.startswith("coldframe: ") and said.count("\n") == 1
