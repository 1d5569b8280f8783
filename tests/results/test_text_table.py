"""Tables of text: columns that line up, cells that stay cells."""

from __future__ import annotations

from coldframe.results.text_table import aligned, markdown

TABLE = [["method", "top-1", "n"], ["knn", "9.0", "1,000"], ["a longer name", "", "7"]]


def test_numbers_end_at_one_place_and_words_begin_at_one() -> None:
    assert aligned(TABLE) == [
        "method          top-1       n",
        "knn               9.0   1,000",
        "a longer name               7",
    ]
    assert aligned(TABLE, right=False) == [
        "method          top-1   n",
        "knn             9.0     1,000",
        "a longer name           7",
    ]


def test_a_cell_cannot_end_its_cell() -> None:
    assert markdown([["a", "b"], ["x|y", "two\nlines"]]) == ["| a | b |", "| --- | --- |", "| x\\|y | two lines |"]
