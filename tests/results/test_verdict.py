import dataclasses
import itertools
import math

import pytest

from coldframe.report import Comparison, Detail, Table, recommended
from coldframe.results.verdict import cost, verdict


def table_of(lines, differences=None, seeds=2, n=1000, choices="", **more):
    """lines: method -> (top1, seconds, parameters); differences: (a, b) -> (difference, low, high)."""
    table = Table()
    for (method, (top1, seconds, parameters)), seed in itertools.product(lines.items(), range(seeds)):
        extra = {name: values[method] for name, values in more.items() if method in values}
        costs = {"train_seconds": seconds, "trainable_parameters": parameters}
        table.add({"method": method, "seed": seed, "n": n, "top1": top1, **costs, **extra})
    for (a, b), numbers in (differences or {}).items():
        found = Comparison((a, "", ""), (b, "", ""), *numbers, n, seeds=seeds, image_variance=0.09)
        table.comparisons.append(found)
    table.about.choices = choices
    return table


PROBE, TUNE = ("linear-probe", (0.937, 1.1, 2565)), ("fine-tune", (0.950, 1860.0, 87_800_000))
PAIR = ("linear-probe", "fine-tune")


def test_an_equal_method_that_is_cheaper_to_serve_is_recommended():
    lines = {"linear-probe": (0.945, 1.1, 2565), "fine-tune": TUNE[1]}
    latencies = {"linear-probe": 24.0, "fine-tune": 31.0}
    table = table_of(lines, {PAIR: (-0.005, -0.008, -0.002)}, choices="Chosen on val.", latency_ms=latencies)
    assert verdict(table) == (
        "Ship the linear probe: 94.5% top-1. It equals fine-tuning, the highest at 95.0% top-1, within 1 point (paired "
        "difference -0.5, 95% interval -0.8 to -0.2) and answers in 24 ms against 31 ms. Sure: on 1,000 test images and 2 "
        "seeds no other method can be better by more than 1 point (95% intervals). Chosen on val."
    )
    assert recommended(table).method == "linear-probe"
    table.about.margin = 0.005
    assert recommended(table).method == "fine-tune", "the margin is the user's"


@pytest.mark.parametrize(
    ("stored", "seconds", "words"),
    [
        ({"linear-probe": 11_000, "fine-tune": 351e6}, 50.0, "and takes 11 kB against 351 MB on disk."),
        ({"linear-probe": 11_000, "fine-tune": 11_000}, 7200.0, "and trains in 1.1 s against 2 h."),
    ],
)
def test_size_then_hours_of_training_decide_where_latencies_are_alike(stored, seconds, words):
    lines = {"linear-probe": (0.945, 1.1, 2565), "fine-tune": (0.95, seconds, 10)}
    table = table_of(lines, {PAIR: (-0.005, -0.008, -0.002)}, latency_ms=dict.fromkeys(lines, 24.0), stored_bytes=stored)
    assert words in verdict(table) and recommended(table).method == "linear-probe"


def test_minutes_of_training_are_never_bought_with_accuracy():
    table = table_of(dict([PROBE, TUNE]), {PAIR: (-0.051, -0.102, 0.0)})
    table.comparisons[0] = dataclasses.replace(table.comparisons[0], image_variance=0.9)
    assert recommended(table).method == "fine-tune"
    assert verdict(table) == (
        "Ship fine-tuning: 95.0% top-1. It has the highest mean, and that alone recommends it: the linear probe may be as good "
        "or better. Not sure, on 1,000 test images and 2 seeds: about 2,100 would decide between it and the linear probe "
        "(paired difference -5.1, 95% interval -10.2 to 0.0)."
    )


def test_where_more_images_have_labels_the_undecided_is_told_of_folds():
    table = table_of(dict([PROBE, TUNE]), {PAIR: (-0.051, -0.102, 0.0)})
    table.comparisons[0] = dataclasses.replace(table.comparisons[0], image_variance=0.9)
    table.about.train, table.about.val, table.about.test = 3_200, 800, 1_000
    assert "95% interval -10.2 to 0.0). With --folds 5 every labelled image is a test image once." in verdict(table)
    for row in table.rows:
        row["images_in_all"] = 1_000
    assert "--folds" not in verdict(table), "these are the folds"
    for row in table.rows:
        del row["images_in_all"]
    table.about.train = table.about.val = 0
    assert "--folds" not in verdict(table), "there are no others"


def test_a_method_that_is_ahead_of_all_is_said_to_be():
    lines = dict([PROBE, TUNE, ("knn", (0.8, 0.1, 0))])
    table = table_of(lines, {PAIR: (-0.03, -0.04, -0.02), ("knn", "fine-tune"): (-0.15, -0.2, -0.1)})
    assert verdict(table) == (
        "Ship fine-tuning: 95.0% top-1. It is ahead of every other method by more than 1 point (the nearest is the linear "
        "probe, paired difference +3.0, 95% interval +2.0 to +4.0). Sure: on 1,000 test images and 2 seeds no other method "
        "can be better by more than 1 point (95% intervals)."
    )


def test_the_best_that_is_equal_to_others_and_no_dearer_is_shipped():
    table = table_of({"linear-probe": (0.951, 1.1, 2565), "fine-tune": TUNE[1]}, {PAIR: (0.001, -0.004, 0.006)})
    assert "It is the most accurate, and fine-tuning, equal within 1 point, is no cheaper to serve." in verdict(table)


@pytest.mark.parametrize(
    ("images", "seeds", "words"),
    [
        (0.09, 0.0, "about 1,800 would decide between it and"),
        (9.0, 0.0, "more than 100,000 would be needed to decide between it and"),
        (0.09, 0.01, "more seeds would"),
        (0.009, 0.0, "more seeds would"),
    ],
)
def test_what_would_decide_is_said(images, seeds, words):
    table = table_of(dict([PROBE, TUNE]), {PAIR: (-0.024, -0.04, -0.008)})
    table.comparisons[0] = dataclasses.replace(table.comparisons[0], image_variance=images, seed_variance=seeds)
    assert words in verdict(table)


def test_without_a_paired_comparison_nothing_is_claimed():
    said = verdict(table_of(dict([PROBE, TUNE])))
    assert said == "Fine-tuning scores highest, 95.0% top-1; differences were not tested on the same images."


def test_one_method_is_not_compared():
    said = verdict(table_of(dict([PROBE])))
    assert said == (
        "The linear probe reaches 93.7% top-1 (95% interval over images 92.0 to 95.0); no other method was run, so nothing is "
        "compared."
    )


def test_one_seed_is_said():
    said = verdict(table_of(dict([PROBE, TUNE]), {PAIR: (-0.01, -0.1, 0.1)}, seeds=1, n=50))
    assert "There was one seed: intervals cover the images only" in said
    assert "on 50 test images:" in said and "±" not in said


def test_what_guessing_gives_is_said():
    table = table_of(dict([PROBE, TUNE]), {PAIR: (-0.01, -0.1, 0.1)})
    table.details.append(Detail("knn", confusion=[[300, 20], [10, 70]]))
    assert "Guessing gives 50.0%, always naming the largest class 80.0%." in verdict(table)
    poor = table_of({"knn": (0.81, 0.1, 0)}, n=100)
    poor.details = table.details
    begin = "Guessing gives 50.0%, always naming the largest class 80.0%: no method is surely better than that"
    assert verdict(poor).startswith(f"{begin}, so none is ready to ship. Nearest neighbours reaches 81.0% top-1")
    two = table_of({"knn": (0.81, 0.1, 0), "probe": (0.8, 0.1, 0)}, {("knn", "probe"): (0.01, -0.1, 0.1)}, n=100)
    two.details = table.details
    assert " ready to ship. The first would be nearest neighbours: 81.0" in verdict(two) and "Ship" not in verdict(two)


def test_methods_that_learn_nothing_need_no_seeds():
    table = table_of({"zero-shot": (0.9, 0.0, 0)}, seeds=1)
    assert "Seeds" not in verdict(table)


def test_no_accuracy_no_verdict():
    assert "nothing to choose by" in verdict(Table([{"method": "knn"}]))
    assert recommended(Table()) is None


def test_each_data_set_has_its_own_sentence():
    lines = itertools.product(("folder:a", "folder:b"), ("knn", "zero-shot"))
    said = verdict(Table([{"method": m, "data": d, "seed": 0, "n": 999, "top1": 0.9} for d, m in lines]))
    assert said.count("On folder:") == 2


def test_a_line_measured_on_two_splits_is_weighed_once():
    table = table_of({"linear-probe": (0.9, 1.0, 10), "fine-tune": (0.8, 9.0, 10)}, {PAIR: (0.1, 0.05, 0.15)}, seeds=1)
    for method, top1 in (("linear-probe", 0.7), ("fine-tune", 0.95)):
        table.add({"method": method, "seed": 0, "split": "val", "n": 1000, "top1": top1})
    assert recommended(table).method == "linear-probe" and "Ship the linear probe: 90.0% top-1" in verdict(table)


def test_confidence_is_said_before_and_after_scaling_only_where_it_was_scaled():
    def said(temperature):
        return verdict(table_of(
            {"linear-probe": PROBE[1]}, seeds=1, ece={"linear-probe": 0.2}, ece_scaled={"linear-probe": 0.05},
            temperature={"linear-probe": temperature},
        ))  # fmt: skip

    assert "off by 5.0 points on average (ECE) after temperature scaling (20.0 before)" in said(1.7)
    assert "off by 5.0 points" in said(1.0) and "temperature" not in said(1.0)


def test_guessing_is_beaten_only_from_above():
    for n, words in ((100, "no method is surely better"), (10_000, "the largest class 80.0%.")):
        table = table_of({"knn": (0.82, 0.1, 0)}, n=n)
        table.details.append(Detail("knn", confusion=[[300, 20], [10, 70]]))
        assert words in verdict(table)
    assert "Guessing" not in verdict(table_of({"knn": (0.82, 0.1, 0)}))


def test_sets_and_the_worst_class_are_said_where_they_are_known():
    name = "linear-probe"
    table = table_of(
        {name: PROBE[1]}, seeds=2, ece={name: 0.2}, ece_scaled={name: 0.05}, temperature={name: 1.7}, lac_size={name: 1.24},
        lac_coverage={name: 0.914}, worst_class={name: 0.5}, worst_class_name={name: "rose"},
    )  # fmt: skip
    assert verdict(table).endswith(
        "Its confidence is off by 5.0 points on average (ECE) after temperature scaling (20.0 before); sets of 1.2 classes "
        "hold the true one in 91.4% of cases (asked: 90%). Worst class: rose, 50.0%."
    )
    table.rows[0]["worst_class_name"] = "tulip"
    assert "Worst class" not in verdict(table), "the seeds do not agree on it"
    assert "confidence" not in verdict(table_of({name: PROBE[1]}))


def test_a_line_that_saw_the_test_images_is_recommended_only_where_it_stands_alone():
    lines = {"knn": (0.8, 0.1, 0), "knn (transductive)": (0.95, 0.1, 0)}
    assert recommended(table_of(lines)).method == "knn"
    assert recommended(table_of({"knn (transductive)": (0.95, 0.1, 0)})).method == "knn (transductive)"


def test_seeds_that_were_not_repeated_are_named():
    table = table_of(dict([PROBE, TUNE]), {PAIR: (-0.03, -0.04, -0.02)})
    table.rows = [row for row in table.rows if not (row["method"] == "fine-tune" and row["seed"])]
    assert verdict(table).endswith("Seeds were not repeated for fine-tuning.")
    assert "Seeds" not in verdict(table_of(dict([PROBE, TUNE]), {PAIR: (-0.03, -0.04, -0.02)}))


def test_a_training_time_that_is_not_known_counts_as_endless():
    tables = [table_of({"knn": (0.8, seconds, numbers)}) for seconds, numbers in ((2.0, 5), (None, 5), (None, 0))]
    assert [cost(table.groups()[0]) for table in tables] == [(2.0, 5.0), (math.inf, 5.0), (0.0, 0.0)]


def test_two_that_are_open_are_joined_and_images_not_shared_are_said():
    lines = dict([PROBE, TUNE, ("knn", (0.94, 0.1, 0))])
    table = table_of(lines, {PAIR: (-0.013, -0.03, 0.004), ("knn", "fine-tune"): (-0.01, -0.03, 0.01)})
    said = verdict(table)
    assert "the linear probe and nearest neighbours may be as good or better." in said
    assert "between it and nearest neighbours (paired difference -1.0" in said, "the nearest of those that are open"
    table = table_of(lines, {PAIR: (-0.03, -0.04, -0.02)})
    assert "Not sure: nearest neighbours were measured on other images or seeds." in verdict(table)
    differences = {PAIR: (-0.001, -0.004, 0.006), ("knn", "fine-tune"): (0.0, -0.004, 0.004)}
    equal = table_of({**lines, "fine-tune": (0.951, 1860.0, 9)}, differences)
    assert "and the linear probe and nearest neighbours, equal within 1 point, are no cheaper to serve." in verdict(equal)
