"""Classes and groups in names."""

from __future__ import annotations

import pytest

from coldframe.data.patterns import matched
from coldframe.errors import DataError, InputError


@pytest.mark.parametrize(
    ("pattern", "names", "found"),
    [
        ("{class}_*", ["a/great_dane_1.jpg", "pug_12.jpg"], ["great_dane", "pug"]),
        ("{class}.#", ["cat.1.jpg", "dog.20.jpg"], ["cat", "dog"]),
        ("*-{class}", ["1-cat.png", "2-dog.png"], ["cat", "dog"]),
        ("*/{class}/*", ["x/cat/1.png", "x/dog/2.png"], ["cat", "dog"]),
        ("{class}#", ["cat1.png", "dog22.png"], ["cat", "dog"]),
    ],
)
def test_what_names_say(pattern: str, names: list[str], found: list[str]) -> None:
    assert matched(pattern, "class", names, "folder:x") == found


def test_two_readings_and_none_are_refused() -> None:
    with pytest.raises(DataError, match="found 'cat' and 'cat_left'"):
        matched("{class}_*", "class", ["cat_left_one.png"], "folder:x")
    with pytest.raises(DataError, match=r"found dog\.png"):
        matched("{class}_*", "class", ["cat_1.png", "dog.png"], "folder:x")
    with pytest.raises(InputError, match="once"):
        matched("x_*", "class", ["cat_1.png"], "folder:x")
