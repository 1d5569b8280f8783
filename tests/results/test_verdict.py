import itertools

import pytest

from coldframe.report import Comparison, Table, recommended
from coldframe.results.verdict import verdict


def table_of(lines, differences=None, seeds=2, n=1000, choices="", **more):
    """lines: method -> (top1, seconds, parameters); differences: (a, b) -> (difference, low, high)."""
    table = Table()
    for (method, (top1, seconds, parameters)), seed in itertools.product(lines.items(), range(seeds)):
        extra = {name: values[method] for name, values in more.items() if method in values}
        costs = {"train_seconds": seconds, "trainable_parameters": parameters}
        table.add({"method": method, "seed": seed, "n": n, "top1": top1, **costs, **extra})
    for (a, b), numbers in (differences or {}).items():
        table.comparisons.append(Comparison((a, "", ""), (b, "", ""), *numbers, n))
    table.about.choices = choices
    return table


PROBE, TUNE = ("linear-probe", (0.937, 1.1, 2565)), ("fine-tune", (0.950, 1860.0, 87_800_000))


def test_the_cheaper_one_within_the_interval_is_recommended():
    table = table_of(dict([PROBE, TUNE]), {("linear-probe", "fine-tune"): (-0.013, -0.029, 0.003)}, choices="Chosen on val.")
    assert verdict(table) == (
        "The linear probe is within the interval of fine-tuning, the highest at 95.0% top-1 (paired difference -1.3, "
        "95% interval -2.9 to +0.3) at a thousandth of the training time or less (1.1 s against 31 min). Chosen on val."
    )
    assert recommended(table).method == "linear-probe"


def test_an_interval_that_leaves_out_zero_recommends_the_best():
    table = table_of(dict([PROBE, TUNE]), {("linear-probe", "fine-tune"): (-0.013, -0.020, -0.004)})
    assert recommended(table).method == "fine-tune"
    assert verdict(table) == (
        "Fine-tuning is ahead of the linear probe at 95.0% top-1 (paired difference +1.3, 95% interval +0.4 to +2.0), "
        "for 31 min of training against 1.1 s."
    )


def test_the_best_that_is_also_the_cheapest():
    lines = dict([("linear-probe", (0.96, 1.1, 2565)), TUNE])
    close = table_of(lines, {("linear-probe", "fine-tune"): (0.01, -0.01, 0.03)})
    assert verdict(close) == (
        "The linear probe scores highest, 96.0% top-1 and is the cheapest of them; "
        "the interval of its lead over fine-tuning includes 0."
    )
    ahead = table_of(lines, {("linear-probe", "fine-tune"): (0.01, 0.005, 0.03)})
    assert "is ahead of fine-tuning" in verdict(ahead) and "1.1 s against 31 min" in verdict(ahead)


def test_without_a_paired_comparison_nothing_is_claimed():
    said = verdict(table_of(dict([PROBE, TUNE])))
    assert said == "Fine-tuning scores highest, 95.0% top-1; differences were not tested on the same images."


def test_one_method_is_not_compared():
    said = verdict(table_of(dict([PROBE])))
    assert said == "The linear probe reaches 93.7% top-1; no other method was run, so nothing is compared."


def test_a_tie_goes_to_the_cheapest_and_says_that_answers_are_the_same():
    lines = {"fine-tune": (0.9, 50.0, 10), "knn": (0.9, 0.1, 0)}
    assert recommended(table_of(lines)).method == "knn"
    table = table_of({"fine-tune": (0.9, 5.0, 10), "knn": (0.9, 5.0, 10)}, {("fine-tune", "knn"): (0.0, 0.0, 0.0)})
    assert "includes 0" in verdict(table)


def test_zero_shot_is_named_as_training_nothing():
    table = table_of({"zero-shot": (0.94, 0.0, 0), "fine-tune": TUNE[1]}, {("zero-shot", "fine-tune"): (-0.01, -0.03, 0.01)})
    assert "and trains nothing, against 31 min" in verdict(table)


def test_an_unknown_training_time_is_not_cheap():
    table = table_of({"lora": (0.94, None, 99), "fine-tune": TUNE[1]}, {("lora", "fine-tune"): (-0.01, -0.03, 0.01)})
    assert recommended(table).method == "fine-tune"


def test_the_rest_within_the_interval_is_named():
    lines = dict([PROBE, ("deep-prompt", (0.942, 181.0, 6144)), TUNE])
    between = {("linear-probe", "fine-tune"): (-0.01, -0.03, 0.01), ("deep-prompt", "fine-tune"): (-0.01, -0.03, 0.01)}
    assert "So is the deep prompt, at a higher cost." in verdict(table_of(lines, between))


def test_one_seed_and_few_images_are_said():
    said = verdict(table_of(dict([PROBE, TUNE]), {("linear-probe", "fine-tune"): (-0.01, -0.1, 0.1)}, seeds=1, n=50))
    assert "With 50 test images an accuracy is known to about ±14 points only." in said
    assert "Seeds were not repeated, so how much another run would differ is not known." in said
    wide = verdict(table_of(dict([PROBE, TUNE]), {("linear-probe", "fine-tune"): (-0.01, -0.1, 0.1)}))
    assert "The intervals are wide (up to ±10 points)" in wide


def test_methods_that_learn_nothing_need_no_seeds():
    table = table_of({"zero-shot": (0.9, 0.0, 0)}, seeds=1)
    assert "Seeds" not in verdict(table)


@pytest.mark.parametrize(
    ("probe", "words"),
    [(0.80, "Under noise fine-tuning holds best (90.0% against 80.0%"), (0.89, "no method stands clearly ahead")],
)
def test_noise_is_judged_by_more_than_chance(probe, words):
    noise = {"linear-probe": probe, "fine-tune": 0.9}
    table = table_of(dict([PROBE, TUNE]), {("linear-probe", "fine-tune"): (-0.01, -0.03, 0.01)}, noise_top1=noise)
    assert words in verdict(table)


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
    attack = {name: {"n": 200, "clean_top1": 0.5} for name in ("linear-probe", "fine-tune")}
    lines = dict([PROBE, TUNE, ("knn", (0.9, 0.1, 0))])
    table = table_of(lines, {("linear-probe", "fine-tune"): (-0.01, -0.03, 0.01)}, fooled=fooled, attack=attack)
    table.about.attack = "4/255"
    assert words in verdict(table)
    assert "no method holds" not in verdict(table)
    for row in table.rows:
        if row["fooled"] is not None:
            row["attack"]["clean_top1"] = 0.02  # four right answers are too few to tell 95 from 60 in a hundred
    assert "no method is clearly" in verdict(table)


def test_where_everybody_falls_nobody_is_called_easier_to_fool():
    fooled, attack = {"linear-probe": 1.0, "fine-tune": 0.993}, {"n": 900, "clean_top1": 0.9}
    table = table_of(dict([PROBE, TUNE]), fooled=fooled, attack=dict.fromkeys(fooled, attack))
    assert "Under attack no method holds: at most 0.7% of the right answers is left." in verdict(table)
    for row in table.rows:
        row["fooled"] = 1.0
    assert "Under attack no method holds: none of the right answers is left." in verdict(table)


def test_no_accuracy_no_verdict():
    assert "nothing to choose by" in verdict(Table([{"method": "knn"}]))
    assert recommended(Table()) is None


def test_each_data_set_has_its_own_sentence():
    lines = itertools.product(("folder:a", "folder:b"), ("knn", "zero-shot"))
    said = verdict(Table([{"method": m, "data": d, "seed": 0, "n": 999, "top1": 0.9} for d, m in lines]))
    assert said.count("On folder:") == 2
