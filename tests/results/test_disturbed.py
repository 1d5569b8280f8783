import itertools

import pytest

from coldframe.report import Table
from coldframe.results.disturbed import attack, noise

LINES = {"linear-probe": 0.937, "fine-tune": 0.950, "knn": 0.9}


def groups_of(seeds=2, n=1000, **more):
    """Lines of the methods that the fields name: field -> method -> value."""
    table = Table()
    methods = dict.fromkeys(name for values in more.values() for name in values)
    for method, seed in itertools.product(methods, range(seeds)):
        extra = {name: values[method] for name, values in more.items() if method in values}
        table.add({"method": method, "seed": seed, "n": n, "top1": LINES[method], **extra})
    return table.groups()


@pytest.mark.parametrize(
    ("probe", "words"),
    [(0.80, "Under noise fine-tuning holds best (90.0% against 80.0%"), (0.89, "no method stands clearly ahead")],
)
def test_noise_is_judged_by_more_than_chance(probe, words):
    assert words in noise(groups_of(noise_top1={"linear-probe": probe, "fine-tune": 0.9}))


@pytest.mark.parametrize(
    ("probe", "words"),
    [
        (0.95, "Under attack (4/255) the linear probe is the easiest to fool (95.0% of its right answers turn wrong, against "
               "60.0% for fine-tuning)."),
        (0.62, "Under attack (4/255) no method is clearly the easiest to fool (the linear probe loses most, 62.0% of its "),
    ],
)  # fmt: skip
def test_who_is_easiest_to_fool_is_said_by_the_answers_that_turn(probe, words):
    fooled = {"linear-probe": probe, "fine-tune": 0.6, "knn": None}
    lines = groups_of(fooled=fooled, attack={name: {"n": 200, "clean_top1": 0.5} for name in ("linear-probe", "fine-tune")})
    assert words in attack(lines, "4/255")
    assert "no method holds" not in attack(lines, "4/255")
    for row in [row for line in lines for row in line.rows if row["fooled"] is not None]:
        row["attack"]["clean_top1"] = 0.02  # four right answers are too few to tell 95 from 60 in a hundred
    assert "no method is clearly" in attack(lines, "4/255")


def test_where_everybody_falls_nobody_is_called_easier_to_fool():
    both = {name: {"n": 900, "clean_top1": 0.9} for name in ("linear-probe", "fine-tune")}
    fallen = groups_of(fooled={"linear-probe": 1.0, "fine-tune": 0.993}, attack=both)
    assert attack(fallen) == "Under attack no method holds: at most 0.7% of the right answers is left."
    gone = groups_of(fooled={"linear-probe": 1.0, "fine-tune": 1.0}, attack=both)
    assert attack(gone) == "Under attack no method holds: none of the right answers is left."


def test_what_was_not_measured_is_not_spoken_of():
    assert noise(groups_of(noise_top1={"knn": 0.5})) == "" == attack(groups_of(noise_top1={"knn": 0.5}))


def test_equals_are_never_ahead_and_borders_belong_to_nobody():
    assert "no method stands clearly ahead" in noise(groups_of(noise_top1={"linear-probe": 1.0, "fine-tune": 1.0}))
    both = {name: {"n": 100, "clean_top1": 1.0} for name in ("linear-probe", "fine-tune")}
    left = groups_of(fooled={"linear-probe": 0.96, "fine-tune": 0.951}, attack=both)
    assert attack(left).startswith("Under attack no method holds: at most 4.9% of")
    alone = {"linear-probe": {"n": 100, "clean_top1": 0.0}, "fine-tune": {"n": 100, "clean_top1": 0.0}}
    assert attack(groups_of(fooled={"linear-probe": 0.9, "fine-tune": 0.1}, attack=alone)) == ""
    counted = groups_of(noise_top1={"linear-probe": 0.8, "fine-tune": 0.9}, noise_n={"linear-probe": 9, "fine-tune": 9})
    assert "no method stands clearly ahead" in noise(counted), "nine disturbed images tell nothing"


def test_what_is_left_under_attack_is_little_up_to_five_in_a_hundred():
    both = {name: {"n": 10_000, "clean_top1": 1.0} for name in ("linear-probe", "fine-tune")}
    for least, holds in ((0.9499, True), (0.9501, False)):
        said = attack(groups_of(fooled={"linear-probe": 1.0, "fine-tune": least}, attack=both))
        assert ("is the easiest to fool" in said) is holds and ("no method holds: at most 5.0%" in said) is not holds


def test_what_is_clear_lies_beyond_the_chance_of_two_samples_and_the_seeds():
    n = 100
    for gap, clear in ((0.118, False), (0.122, True)):  # 1.96 sqrt((p q + p' q') / 100) = 0.1196
        said = noise(groups_of(n=n, noise_top1={"linear-probe": 0.8 - gap, "fine-tune": 0.8}))
        assert ("holds best" in said) is clear
    lines = groups_of(noise_top1={"linear-probe": 0.7, "fine-tune": 0.9})
    for line, values in zip(lines, ((0.6, 0.8), (0.8, 1.0)), strict=True):
        for row, value in zip(line.rows, values, strict=True):
            row["noise_top1"] = value
    assert "no method stands clearly ahead" in noise(lines), "seeds differ by more than the methods"
