import pytest

from coldframe.registry import METHODS
from coldframe.results import wording
from coldframe.results.wording import colour, spoken, subject


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (0, "-"), (0.0004, "< 1 ms"), (0.02, "20 ms"), (0.34, "0.3 s"), (1.1, "1.1 s"), (9.96, "10 s"), (42, "42 s"),
     (240, "4 min"), (1860, "31 min"), (3600, "1 h"), (4200, "1 h 10 min"), (3599, "1 h"), (90 * 3600, "90 h")],
)  # fmt: skip
def test_seconds(value, text):
    assert wording.seconds(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (0, "0"), (999, "999 B"), (11_000, "11 kB"), (999_900, "1.0 MB"), (351e6, "351 MB"), (1.4e9, "1.4 GB"),
     (2.5e15, "2500 TB")],
)  # fmt: skip
def test_size(value, text):
    assert wording.size(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(None, "-"), (0, "0"), (2565, "2,565"), (87.8e6, "87.8 M"), (999_999, "1.0 M"), (2e9, "2.0 G")]
)
def test_count(value, text):
    assert wording.count(value) == text


def test_percent_shows_a_spread_only_where_there_is_one():
    assert wording.percent(0.937, 0.004) == "93.7 ± 0.4"
    assert wording.percent(0.937, None) == wording.percent(0.937, 0.0) == "93.7"
    assert wording.percent(None) == "-"


def test_small_words():
    assert (wording.decimal(0.021), wording.decimal(1.0), wording.decimal(None)) == (".02", "1.00", "-")
    shown = [wording.points(value) for value in (-0.013, 0.0, 0.0001, -0.00004, 0.003)]
    assert shown == ["-1.3", "0.0", "+0.01", "0.0", "+0.3"]
    assert (wording.milliseconds(24.2), wording.milliseconds(0.131), wording.milliseconds(None)) == ("24 ms", "0.13 ms", "-")
    assert (wording.joined([]), wording.joined(["a"]), wording.joined(["a", "b", "c"])) == ("", "a", "a, b and c")


@pytest.mark.parametrize(
    ("ratio", "words"), [(1.9, ""), (2, "half"), (49, "a twentieth"), (50, "a fiftieth"), (1e6, "a thousandth")]
)
def test_a_fraction_never_overstates(ratio, words):
    assert wording.fraction(ratio) == words


def test_a_method_says_what_it_is_called() -> None:
    assert [spoken(name) for name in ("knn", "linear-probe", "lora", "fine-tune (epochs=3)", "own-thing")] == [
        "nearest neighbours", "linear probe", "LoRA", "fine-tune (epochs=3)", "own thing",
    ]  # fmt: skip
    said = [subject(name) for name in ("linear-probe", "fine-tune", "knn", "pixel-prompt (size=4)", "own-thing")]
    assert said == ["the linear probe", "fine-tuning", "nearest neighbours", "the pixel prompt (size=4)", "own thing"]


def test_no_two_methods_have_one_name_or_one_colour() -> None:
    names = [spoken(name) for name in METHODS]
    places = [place for name in METHODS if (place := colour(name)) is not None]
    assert len(set(names)) == len(names) and len(set(places)) == len(places) == 7
