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


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0009, "< 1 ms"), (0.001, "1 ms"), (0.0994, "99 ms"), (0.1, "0.1 s"), (9.94, "9.9 s"), (9.95, "10 s"), (99.4, "99 s"),
     (99.5, "2 min"), (3569, "59 min"), (3570, "1 h"), (3660, "1 h 1 min"), (3_600_000, "1,000 h")],
)  # fmt: skip
def test_seconds_at_the_borders(value, text):
    assert wording.seconds(value) == text


def test_numbers_at_the_borders():
    assert [wording.milliseconds(value) for value in (9.94, 9.95, 1234.0)] == ["9.9 ms", "10 ms", "1,234 ms"]
    sizes = (999.4, 999.5, 9_940, 999_499, 999_500, 9.94e6, 9.95e6, 999.5e6, 1e12)
    assert [wording.size(value) for value in sizes] == [
        "999 B", "1 kB", "10 kB", "999 kB", "1.0 MB", "9.9 MB", "10 MB", "1.0 GB", "1.0 TB",
    ]  # fmt: skip
    counts = (999_949, 999_950, 999_949_000, 999_950_000)
    assert [wording.count(value) for value in counts] == ["999,949", "1.0 M", "999.9 M", "1.0 G"]
    assert [wording.plain_number(value) for value in (0, 0.0994, 0.0995, 1.315)] == ["0.00", "0.099", "0.10", "1.31"]
    assert [wording.thousandths(value) for value in (0.0214, 1.5, None)] == [".021", "1.500", "-"]
    assert [wording.points(value) for value in (0.0004, 0.00051, 0.00005, 0.000049)] == ["+0.04", "+0.1", "+0.01", "0.0"]
    assert (wording.megabytes(420), wording.megabytes(None)) == ("420 MB", "-")
    assert [wording.about(value) for value in (7, 99.6, 1_349, 123_456)] == ["7", "100", "1,300", "120,000"]
    assert [wording.margin(value) for value in (0.01, 0.005, 0.02)] == ["1 point", "0.5 points", "2 points"]
    assert (wording.span(0.907, 0.958), wording.span(None, 0.9), wording.span(0.1, None)) == ("90.7 to 95.8", "-", "-")
    assert (wording.started("it is"), wording.started("")) == ("It is", "")
    assert wording.joined(["a", "b"]) == "a and b"


def test_every_fraction_has_its_words():
    known = {2: "half", 3: "a third", 5: "a fifth", 10: "a tenth", 20: "a twentieth", 50: "a fiftieth", 100: "a hundredth",
             200: "a two-hundredth", 500: "a five-hundredth", 1000: "a thousandth"}  # fmt: skip
    words = list(known.values())
    assert [wording.fraction(ratio) for ratio in known] == words
    assert [wording.fraction(ratio - 0.01) for ratio in known] == ["", *words[:-1]]


def test_where_the_model_lies_is_said():
    handed = {"folder": "best", "method": "knn", "refit": True, "top1": 0.9, "measured_top1": 0.8}
    handed |= {"next": ["coldframe predict x"]}
    assert wording.handed_over({}) == []
    assert wording.handed_over(handed) == [
        "model: best/ (nearest neighbours, refitted on train and validation images together; 90.0% of the test images, 80.0% "
        "before the refit)",
        "classify new photos with: coldframe predict x",
    ]
    ranked = wording.handed_over(handed | {"measure": "map"}, "out")[0]
    assert ranked.startswith("model: out/best (") and "90.0% mAP on the test images" in ranked
    assert wording.handed_over(handed | {"refit": False})[0] == "model: best/ (nearest neighbours, as it was measured)"
