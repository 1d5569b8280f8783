"""Class names: what is cleaned, what stays, what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coldframe.data import from_arrays
from coldframe.data.names import _table, by_wordnet, chosen_names, clean_names
from coldframe.data.targets import ranked
from coldframe.errors import DataError


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        (["aquarium_fish", "t-shirt"], ("aquarium fish", "t shirt")),
        (["001.Black_footed_Albatross", "002.Least_Auklet"], ("Black footed Albatross", "Least Auklet")),
        (["0 - zero", "1 - one"], ("zero", "one")),
        (["01_cat", "02_dog"], ("cat", "dog")),
        (["2-door car", "4-door car"], ("2 door car", "4 door car")),
        (["2-seater", "3-door car"], ("2 seater", "3 door car")),
        (["1_cat", "3_dog"], ("1 cat", "3 dog")),
        (["1_cat", "1_dog"], ("1 cat", "1 dog")),
        (["10-b", *(f"{n}-a{n}" for n in range(1, 10))], ("b", *(f"a{n}" for n in range(1, 10)))),
        (["99999999999999999999-b", "1-a"], ("99999999999999999999 b", "1 a")),
        (["1-door"], ("1 door",)),
        (["rose\udcff", "tulip"], ("rose\\udcff", "tulip")),
        (["2-door car", "truck"], ("2 door car", "truck")),
        (["n01440764_tench", "n01443537_goldfish"], ("tench", "goldfish")),
        (["n01440764", "0"], ("n01440764", "0")),
        (["BACKGROUND_Google", "camelCase"], ("BACKGROUND Google", "camelCase")),
        (["a_b", "a-b", "c_d"], ("a_b", "a-b", "c d")),
        (["n02012849_crane", "n03126707_crane", "n01440764_tench"], ("n02012849_crane", "n03126707_crane", "tench")),
        (["_", "-"], ("_", "-")),
        (["-3", "2", "-1.5", "-x", "-1-2"], ("-3", "2", "-1.5", "x", "1 2")),
    ],
)
def test_names_are_cleaned(raw: list[str], clean: tuple[str, ...]) -> None:
    assert clean_names(raw) == clean


@given(st.lists(st.text("ab01_- .n", min_size=1, max_size=12), min_size=1, max_size=8, unique=True))
def test_distinct_names_stay_distinct(raw: list[str]) -> None:
    clean = clean_names(raw)
    assert len(set(clean)) == len(raw)
    assert all(clean)


def test_names_can_be_given_as_list_or_file(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("cat\n\ndog\n")
    assert chosen_names(["a", "b"], ["x_1", "y"]) == ("x_1", "y")
    assert chosen_names(["a", "b"], tmp_path / "names.txt") == ("cat", "dog")
    assert chosen_names(["a", "b"], str(tmp_path / "names.txt")) == ("cat", "dog")
    (tmp_path / "keyed.csv").write_text("b,dog\n\na, cat\n")
    assert chosen_names(["a", "b"], tmp_path / "keyed.csv") == ("cat", "dog")
    assert chosen_names(["a", "b"], {"b": "dog", "a": "cat", "c": "cow"}) == ("cat", "dog")
    with pytest.raises(DataError, match="for each class of the data in classes, found none for 'a'; add it"):
        chosen_names(["a", "b"], {"b": "dog"})


def test_names_of_the_wrong_number_or_twice_are_refused() -> None:
    with pytest.raises(DataError, match=r"expected 3 class names .* found 2"):
        chosen_names(["a", "b", "c"], ["x", "y"])
    with pytest.raises(DataError, match="'x' twice"):
        chosen_names(["a", "b"], ["x", "x"])


def test_a_thousand_ids_of_imagenet_in_any_order_become_its_names() -> None:
    ids = [line.strip() for line in _table("imagenet_synsets.txt").splitlines()]
    names = by_wordnet(ids)
    assert len(ids) == 1000 and names is not None and names[0] == "tench" and names[-1] == "toilet tissue"
    assert by_wordnet([str(number) for number in range(999, -1, -1)]) == names[::-1]
    assert by_wordnet([str(number) for number in range(3)]) is None and by_wordnet(["rose"] * 1000) is None


def test_ranks_below_zero_keep_their_order() -> None:
    data = from_arrays(np.zeros((9, 4, 4, 3), np.uint8), np.arange(9) % 3, ["-3", "2", "0.5"])
    found = ranked(data, "ranks")
    assert found.classes == ("-3", "0.5", "2") and found.train.ordered and found.train.labels.tolist() == [0, 2, 1]
    assert "3 ranks, -3 to 2" in found.origin
