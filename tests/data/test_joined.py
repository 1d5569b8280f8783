"""Several sequences of pictures, or splits, as one."""

from __future__ import annotations

import numpy as np
import pytest
from fakes import split

from coldframe.data.base import Dataset
from coldframe.data.joined import everything


def test_everything_is_train_then_val_then_test() -> None:
    data = Dataset("any", split(8), split(0), split(6))
    whole = everything(data)
    assert whole.name == "all" and len(whole) == 14 and whole.classes == data.classes
    assert (whole.labels == np.concatenate([data.train.labels, data.test.labels])).all()
    for place, (part, index) in {0: (data.train, 0), 7: (data.train, 7), 8: (data.test, 0), 13: (data.test, 5)}.items():
        assert whole.images.digest(place) == part.images.digest(index)


def test_a_split_is_found_by_its_name() -> None:
    data = Dataset("any", split(8), split(4), split(6))
    assert [data.split(name) for name in ("train", "val", "test")] == list(data.splits)
    with pytest.raises(KeyError):
        data.split("all")
