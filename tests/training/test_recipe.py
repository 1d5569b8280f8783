from __future__ import annotations

import pytest

from coldframe.errors import InputError
from coldframe.training import Recipe


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epochs": 0}, "expected epochs of 1 or more, found epochs=0"),
        ({"batch_size": 0}, "expected batch_size of 1 or more"),
        ({"patience": 0}, "expected patience of 1 or more"),
        ({"warmup": -1}, "expected warmup of 0 or more"),
        ({"momentum": float("nan")}, "expected momentum of 0 or more, found momentum=nan"),
        ({"weight_decay": -0.1}, "expected weight_decay of 0 or more"),
        ({"lr": 0.0}, "expected lr to be a number above 0, found lr=0.0"),
        ({"lr": float("inf")}, "expected lr to be a number above 0"),
        ({"clip": -1.0}, "expected clip to be a number above 0"),
        ({"optimiser": "adamww"}, "unknown optimiser 'adamww'; did you mean 'adamw'"),
        ({"schedule": "cosin"}, "unknown schedule 'cosin'; did you mean 'cosine'"),
    ],
)
def test_settings_out_of_range_are_refused_before_anything_runs(settings: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Recipe(**({"epochs": 1} | settings))  # type: ignore[arg-type]
