"""The number types: what is read, and what is refused with which range; the parser is tried in ``tests/hostile``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, get_args, get_origin

import pytest

from coldframe import values
from coldframe.cli.numbers import option
from coldframe.errors import InputError
from coldframe.values import NAMED, Number


def test_the_ends_of_a_range_belong_to_it_unless_it_says_above() -> None:
    closed, open_ = Number(float, 0, 1), Number(float, 0, 1, above=True)
    assert [closed.read(text) for text in ("0", "1", ".5", "1e-3", "+1.")] == [0, 1, 0.5, 0.001, 1]
    assert open_.read("1e-300") == 1e-300
    with pytest.raises(InputError, match=r"expected a number above 0 and up to 1, found 0$"):
        open_.read("0")
    with pytest.raises(InputError, match=r"expected a number from 0 to 1, found 1.5$"):
        closed.read("1.5")


def test_whole_numbers_are_not_rounded() -> None:
    assert values.SEED.read("4294967295") == 2**32 - 1
    for text in ("2.5", "2.0", "1e3", "0x10", "1_000", "١", ""):
        with pytest.raises(InputError, match=r"expected a whole number from 0 to 4,294,967,295, found "):
            values.SEED.read(text)


def test_words_stand_beside_numbers_and_the_nearest_is_named() -> None:
    k = Number(int, 1, 10, words=("auto",))
    assert (k.read("auto"), k.read("3")) == ("auto", 3)
    with pytest.raises(InputError, match="from 1 to 10 or auto, found 'atuo'; did you mean 'auto'"):
        k.read("atuo")


def test_a_foreign_argument_gets_the_type_of_its_name() -> None:
    for hint, kind, words in (
        (int, int, ()), (int | None, int, ()), (tuple[int, ...], int, ()), (float | Literal["auto"] | None, float, ("auto",)),
        (float | Literal["auto"] | Sequence[float], float, ("auto",)),
    ):  # fmt: skip
        found = option("momentum", hint)
        assert get_origin(found) is Annotated and get_args(found)[0] == hint
        converter = get_args(found)[1].converter
        assert (converter.kind, converter.words, converter.most) == (kind, words, NAMED["momentum"].most)
    assert option("name", str | None) == str | None


@pytest.mark.parametrize("number", [value for value in vars(values).values() if isinstance(value, Number)])
def test_every_range_has_finite_ends_that_are_read_back(number: Number) -> None:
    assert number.read(str(number.kind(number.most))) == number.most
    with pytest.raises(InputError):
        number.read(str(number.kind(number.least) - 1))
