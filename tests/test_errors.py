"""The hints and the safe texts that every sentence of the house is made of."""

from __future__ import annotations

import pytest

from coldframe.errors import FileError, nearest, visible


@pytest.mark.parametrize(
    ("name", "choices", "hint"),
    [
        ("knm", ["knn", "probe"], "; did you mean 'knn'?"),
        ("PROBE", ["knn", "Probe"], "; did you mean 'Probe'?"),
        ("probe", ["probe1", "probe2", "probe3", "probe4", "knn"], "; did you mean 'probe4' or 'probe3' or 'probe2'?"),
        ("zzz", ["knn", "probe", "knn"], "; known: knn, probe"),
        ("zzz", [f"name{n:02}" for n in range(12)], "; known: " + ", ".join(f"name{n:02}" for n in range(12))),
        ("zzz", [f"name{n:02}" for n in range(13)], ""),
        ("zzz", ["one"], "; known: one"),
        ("zzz", [], ""),
        ("abcdefgh", ["abcdxyzw"], "; known: abcdxyzw"),  # half of the letters are alike
        ("abcde", ["abcxy"], "; did you mean 'abcxy'?"),
    ],
)
def test_the_nearest_names_or_all_of_a_few(name: str, choices: list[str], hint: str) -> None:
    assert nearest(name, choices) == hint


def test_how_many_names_are_shown_is_asked_for() -> None:
    assert nearest("probe", ["probe1", "probe2"], most=1) == "; did you mean 'probe2'?"


@pytest.mark.parametrize("mark", ["\x00", "\x1f", "\x7f", "\x9f", "\u2028", "\u202e", "\u2069", "\n", "\x1b"])
def test_what_acts_on_a_terminal_is_written_out_and_letters_stay(mark: str) -> None:
    assert visible(f"a{mark}b") == f"a{mark.encode('unicode_escape').decode()}b"
    assert visible("Rosé 日本 \xa0 \u2030") == "Rosé 日本 \xa0 \u2030"


def test_a_file_error_is_its_sentence() -> None:
    assert str(FileError("one sentence")) == "one sentence" and str(FileError()) == ""
