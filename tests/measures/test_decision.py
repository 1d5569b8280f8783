import pytest

from coldframe.errors import InputError
from coldframe.measures import Candidate, decide, standing

EQUAL, LOWER, OPEN = (-0.006, 0.002), (-0.06, -0.02), (-0.04, 0.01)


def by(**ends):
    """Intervals of each method against whatever is best."""
    return lambda a, b: ends.get(a)


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        ((-0.01, 0.01), "equivalent"),
        ((-0.011, 0.0), "undecided"),
        ((0.0, 0.011), "undecided"),
        ((-0.03, -0.0101), "worse"),
        ((-0.03, -0.01), "undecided"),
    ],
)
def test_the_whole_interval_decides(ends, expected):
    assert standing(*ends, 0.01) == expected


def test_the_cheaper_to_serve_of_the_equivalent_wins():
    a = Candidate("a", 0.95, latency=30.0, size=10)
    b = Candidate("b", 0.949, latency=20.0, size=1000)
    found = decide([a, b], by(b=EQUAL))
    assert (found.pick, found.best, found.reason, found.sure) == ("b", "a", "latency", True)


@pytest.mark.parametrize("ends", [OPEN, LOWER, None])
def test_what_is_not_equivalent_is_never_taken_for_its_price(ends):
    a, b = Candidate("a", 0.95, latency=30.0, size=10, training=1e6), Candidate("b", 0.94, latency=0.1, size=0, training=0.0)
    found = decide([a, b], by(b=ends))
    assert found.pick == found.best == "a" and found.reason == "accuracy"
    assert found.standings["b"] == {OPEN: "undecided", LOWER: "worse", None: "untested"}[ends]
    assert found.sure == (ends == LOWER)


def test_latencies_that_differ_by_a_tenth_leave_it_to_the_size():
    a, b = Candidate("a", 0.95, latency=10.5, size=1000), Candidate("b", 0.949, latency=10.0, size=10)
    assert decide([a, b], by(b=EQUAL)).reason == "size"
    same = decide([a, Candidate("b", 0.949, latency=10.0, size=950)], by(b=EQUAL))
    assert (same.pick, same.reason) == ("a", "accuracy"), "of equal costs the most accurate one is taken"


def test_a_latency_that_was_not_measured_is_neither_cheap_nor_dear():
    a, b = Candidate("a", 0.95, size=100), Candidate("b", 0.949, latency=1.0, size=1000)
    assert decide([a, b], by(b=EQUAL)).pick == "a"


@pytest.mark.parametrize(("slow", "quick", "pick"), [(7200, 60, "b"), (7200, 1800, "a"), (5.0, 0.001, "a")])
def test_training_counts_only_where_it_is_hours_against_minutes(slow, quick, pick):
    a, b = Candidate("a", 0.95, 10.0, 10, slow), Candidate("b", 0.949, 10.0, 10, quick)
    assert decide([a, b], by(b=EQUAL)).pick == pick


def test_equal_means_are_led_by_the_cheaper_to_serve():
    a, b = Candidate("a", 0.95, 10.0, 10), Candidate("b", 0.95, 5.0, 10)
    assert decide([a, b], by()).best == "b"


def test_the_margin_is_the_users():
    a, b = Candidate("a", 0.95, 10.0), Candidate("b", 0.93, 1.0)
    assert decide([a, b], by(b=(-0.04, 0.0)), margin=0.05).pick == "b"


@pytest.mark.parametrize("margin", [-0.01, 1.0, float("nan")])
def test_what_is_no_margin_is_refused(margin):
    with pytest.raises(InputError, match="margin"):
        decide([Candidate("a", 0.5)], by(), margin=margin)


def test_nothing_to_decide_on_is_refused():
    with pytest.raises(InputError, match="at least one"):
        decide([], by())


def test_costs_that_cannot_be_are_neither_cheap_nor_dear():
    a = Candidate("a", 0.95, latency=-30.0, size=-10, training=-1.0)
    b = Candidate("b", 0.949, latency=20.0, size=1000, training=5.0)
    assert decide([a, b], by(b=EQUAL)).pick == "a"


@pytest.mark.parametrize(
    ("first", "second", "pick", "reason"),
    [
        ((11.0, 10, 0), (10.0, 10, 0), "a", "accuracy"),  # a tenth slower is as fast
        ((11.1, 10, 0), (10.0, 10, 0), "b", "latency"),
        ((10.0, 110, 0), (10.0, 100, 0), "a", "accuracy"),
        ((10.0, 112, 0), (10.0, 100, 0), "b", "size"),
        ((0.0, 10, 0), (10.0, 1, 0), "a", "accuracy"),
        ((10.0, 10, 3599), (10.0, 10, 1), "a", "accuracy"),  # under an hour costs nothing
        ((10.0, 10, 3600), (10.0, 10, 360), "b", "training"),  # ten times as long
        ((10.0, 10, 3600), (10.0, 10, 361), "a", "accuracy"),
        ((10.0, 10, None), (10.0, 10, 0), "a", "accuracy"),
    ],
)
def test_costs_at_the_borders(first, second, pick, reason):
    a, b = Candidate("a", 0.95, *first), Candidate("b", 0.949, *second)
    found = decide([a, b], by(b=EQUAL), margin=0.01)
    assert (found.pick, found.reason) == (pick, reason)


def test_no_margin_at_all_can_be_asked_for_and_what_is_known_goes_first():
    assert decide([Candidate("a", 0.95), Candidate("b", 0.9)], by(b=(0.0, 0.0)), margin=0.0).standings["b"] == "equivalent"
    a, b = Candidate("a", 0.95, None, 9), Candidate("b", 0.95, 5.0, None)
    assert decide([a, b], by()).best == "b" and decide([b, a], by()).best == "b"
    one, other = Candidate("a", 0.95, 5.0, 9, 2.0), Candidate("b", 0.95, 5.0, 9, None)
    assert decide([one, other], by()).best == "b", "a method that learns nothing takes no time to train"
