import json

import numpy as np
import pytest

from coldframe.errors import InputError
from coldframe.files.reading import typed
from coldframe.report import Detail, Table
from coldframe.results.parts import Shown, training_curves


def test_details_sum_over_seeds(make_table):
    detail = make_table(("knn",), seeds=3).details[0]
    assert sum(map(sum, detail.confusion)) == sum(detail.reliability["count"]) == 3 * 240
    assert detail.correct.shape == (3, 240)
    assert detail.per_class == pytest.approx([row[i] / sum(row) for i, row in enumerate(detail.confusion)])


def test_details_survive_json_without_what_is_large(make_table):
    detail = make_table(("knn",)).details[0]
    value = json.loads(json.dumps(detail.to_json()))
    back = Detail(**vars(typed(value, Shown, "results.json")))
    assert "correct" not in value and back.correct is None
    assert back.curves == detail.curves and back.confusion == detail.confusion and back.key == detail.key


def test_a_class_without_images_has_no_accuracy():
    detail = Detail.of("knn", [np.eye(3)[:2]] * 2, np.array([0, 1]))
    assert detail.per_class == [1.0, 1.0, None]


def test_no_seed_is_refused():
    with pytest.raises(InputError, match="at least one seed"):
        Detail.of("knn", [], np.array([0]))


def test_a_confusion_of_many_classes_is_short_and_comes_back():
    labels = np.arange(3000) % 1500
    p = np.full((3000, 1500), 0.5 / 1499, dtype=np.float32)
    p[np.arange(3000), (labels + (np.arange(3000) % 7 == 0)) % 1500] = 0.5
    detail = Detail.of("knn", [p], labels)
    table = Table(rows=[{"method": "knn", "top1": 0.9}], details=[detail])
    text = json.dumps(table.to_json(), indent=2)
    assert len(text) < 200_000  # 1,500 x 1,500 numbers would be some 30 MB
    assert Table.from_json(json.loads(text)).details[0].confusion == detail.confusion
    for wrong in (["5:1", ""], ["x:1", ""], ["0:y", ""]):
        with pytest.raises(InputError, match="in a confusion"):
            Detail("knn", sparse=wrong)


def test_curves_of_training_need_two_epochs():
    history = [{"epoch": 1, "loss": 2.0, "val": 0.5}, {"penalty": 3}, {"epoch": 2, "loss": 1.0, "val": 0.75}]
    loss, val = training_curves(history)
    assert (loss.x, loss.y, loss.kind, val.y, val.y_label) == ([1, 2], [2, 1], "training", [0.5, 0.75], "top-1")
    assert training_curves(history[:2]) == [] and len(training_curves([{"epoch": e, "loss": 1.0} for e in (1, 2)])) == 1


def test_a_confusion_of_fifty_classes_is_whole_and_columns_end_with_the_classes():
    for classes, whole in ((50, True), (51, False)):
        found = Detail("knn", confusion=np.eye(classes, dtype=int).tolist()).to_json()
        assert ("confusion" in found, "sparse" in found) == (whole, not whole)
    assert Detail("knn", sparse=["1:3", ""]).confusion == [[0, 3], [0, 0]]
    for wrong in ("2:1", "-1:1", "1:"):
        with pytest.raises(InputError, match="below 2 columns"):
            Detail("knn", sparse=[wrong, ""])
    with pytest.raises(InputError, match="20,000 rows of a confusion at most"):
        Detail("knn", sparse=[""] * 20_001)
