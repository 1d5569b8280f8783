from __future__ import annotations

import pytest

from coldframe.errors import InputError
from coldframe.training import Recipe


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epochs": 0}, "expected epochs to be a whole number from 1 to 100,000, found 0"),
        ({"batch_size": 0}, "expected batch_size to be a whole number from 1"),
        ({"patience": 0}, "expected patience to be a whole number from 1"),
        ({"warmup": -1}, "expected warmup to be a whole number from 0"),
        ({"momentum": float("nan")}, "expected momentum to be a number from 0 to 1, found nan"),
        ({"weight_decay": -0.1}, "expected weight_decay to be a number from 0"),
        ({"lr": 0.0}, "expected lr to be a number above 0 and up to 1,000,000,000, found 0.0"),
        ({"lr": float("inf")}, "expected lr to be a number above 0"),
        ({"clip": -1.0}, "expected clip to be a number above 0"),
        ({"optimiser": "adamww"}, "found 'adamww'; did you mean 'adamw'"),
        ({"epochs": 2.5}, "expected epochs to be a whole number from 1 to 100,000, found 2.5"),
        ({"batch_size": True}, "expected batch_size to be a whole number"),
        ({"lr": "fast"}, "expected lr to be a number above 0"),
        ({"schedule": "cosin"}, "found 'cosin'; did you mean 'cosine'"),
    ],
)
def test_settings_out_of_range_are_refused_before_anything_runs(settings: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Recipe(**({"epochs": 1} | settings))  # type: ignore[arg-type]
