import json

import numpy as np
import pytest

from coldframe.errors import InputError
from coldframe.files.reading import typed
from coldframe.report import Detail, Table
from coldframe.results.parts import Shown


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
