import numpy as np
import pytest

from coldframe.errors import InputError
from coldframe.results.fields import REQUIRED
from coldframe.results.rows import complete, groups, plain, short


def test_a_row_is_completed_and_never_holds_nan():
    row = complete({"method": "knn", "top1": np.float32(0.5), "ece": float("nan"), "own": np.array([1, 2])})
    assert tuple(row)[: len(REQUIRED)] == REQUIRED
    assert row["top1"] == 0.5 and type(row["top1"]) is float
    assert row["ece"] is None and row["latency_ms"] is None and row["own"] == [1, 2]


def test_percent_instead_of_a_fraction_is_refused():
    with pytest.raises(InputError, match="divide by 100"):
        complete({"method": "knn", "top1": 93.7})
    with pytest.raises(InputError, match="with a method"):
        complete({"top1": 0.9})


def test_means_and_intervals_over_seeds():
    rows = [complete({"method": "knn", "seed": s, "top1": v}) for s, v in enumerate([0.90, 0.92, 0.94])]
    (group,) = groups(rows)
    assert group.mean("top1") == pytest.approx(0.92)
    assert group.half("top1") == pytest.approx(4.3027 * 0.02 / 3**0.5, rel=1e-4)
    summary = group.summary()
    assert summary["seed"] is None and summary["seeds"] == [0, 1, 2] and summary["top1"] == summary["mean"]["top1"]
    assert summary["ci95"]["top1"] == pytest.approx([0.92 - group.half("top1"), 0.92 + group.half("top1")])
    assert "ece" not in summary["mean"] and summary["ece"] is None


def test_labels_tell_apart_only_what_differs():
    rows = [complete({"method": "knn", "model": m, "data": "folder:a/flowers"}) for m in ("timm:resnet18", "lite0")]
    assert [g.label for g in groups(rows)] == ["nearest neighbours · resnet18", "nearest neighbours · lite0"]
    assert short("folder:a/flowers/") == "flowers" and short("open_clip:ViT-B-32/openai") == "ViT-B-32/openai"


def test_weights_of_ones_own_are_named_where_they_alone_differ():
    models = ["timm:resnet18@a/b.pt?resize=256", "timm:resnet34@a/b.pt", "lite0"]
    rows = [complete({"method": "knn", "model": model, "data": "folder:a"}) for model in models]
    assert [g.label for g in groups(rows)] == [f"nearest neighbours · {name}" for name in ("resnet18", "resnet34", "lite0")]
    rows[2]["model"] = "timm:resnet18@a/b.pt?resize=288"
    assert [g.label.partition(" · ")[2] for g in groups(rows)] == [
        "resnet18@a/b.pt?resize=256", "resnet34", "resnet18@a/b.pt?resize=288",
    ]  # fmt: skip


def test_plain_leaves_only_json():
    assert plain({"a": (1, float("inf")), 2: np.int64(3)}) == {"a": [1, None], "2": 3}


def test_no_interval_of_results_json_leaves_what_the_number_can_be() -> None:
    base = {"method": "m", "model": "a", "data": "d", "split": "test", "n": 9}
    rows = [base | {"seed": seed, "top1": top1, "top5": 1.0 - seed / 50, "ece": 0.01 * seed, "train_seconds": 0.1 + 5 * seed}
            for seed, top1 in enumerate((0.99, 0.9, 1.0))]  # fmt: skip
    (group,) = groups(rows)
    for field, (low, high) in group.summary()["ci95"].items():
        assert low >= 0 and (high <= 1 or field == "train_seconds"), field


def test_the_interval_over_images_is_that_of_a_share_of_n():
    rows = [{"method": "knn", "seed": seed, "n": 100, "top1": top1} for seed, top1 in enumerate((0.8, 0.9))]
    found = groups([complete(row) for row in rows])[0].over_images()
    assert (found.low, found.high) == pytest.approx((0.7672, 0.9069), abs=1e-4)  # Wilson, 85 of 100
    assert groups([complete({"method": "knn", "n": 100})])[0].over_images() is None
    assert groups([complete({"method": "knn", "top1": 0.5})])[0].over_images() is None


def test_a_group_says_what_its_rows_hold():
    known = {"top1": [0.5, 0.7], "map": [0.25, 0.75]}
    rows = [
        complete({"method": "knn", "model": "m", "data": d, "seed": s, "n": 10, "kappa": k, "intervals": i, "map": v})
        for d in ("folder:a", "folder:b")
        for s, (k, i, v) in enumerate([(-0.5, known, None), (-0.9, {"top1": [0.3, 0.9]}, 0.5), (-1.0, None, 0.7)])
    ]
    a, b = groups(rows)
    assert (a.label, b.label) == ("nearest neighbours · a", "nearest neighbours · b") and b.subject == "nearest neighbours · b"
    assert a.ends("top1") == pytest.approx((0.4, 0.8)) and a.ends("map") == (0.25, 0.75) and a.ends("ece") is None
    assert a.main == "top1", "the first row has no mAP"
    kappa = a.over_seeds("kappa")
    assert kappa.low == -1.0 and kappa.mean == pytest.approx(-0.8) and kappa.high < 0
    assert a.over_seeds("ece") is None and a.mean("ece") is None and a.half("ece") is None
    assert groups([row | {"map": 0.5} for row in rows])[0].main == "map"
    apart = groups([rows[0], rows[0] | {"split": "val"}, rows[0] | {"model": "timm:other"}])
    assert [group.label.removeprefix("nearest neighbours") for group in apart] == [" · m", " · m · val", " · other"]


def test_images_of_all_folds_count_and_a_share_may_be_0_or_1():
    row = {"method": "knn", "n": 10, "images_in_all": 100, "top1": 0.5}
    assert groups([complete(row)])[0].over_images().n == 100
    assert complete(row | {"top1": 0.0})["top1"] == 0 and complete(row | {"top1": 1.0, "own": 3})["own"] == 3
    with pytest.raises(InputError, match=r"found -0\.1; divide by 100"):
        complete(row | {"top1": -0.1})
    assert [short(name) for name in ("parquet:a/b.parquet", "mini:cifar10", "./here/")] == ["b.parquet", "cifar10", "here"]
