"""Several data sets in one command: what is wrong with the last is said before the first is worked on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from coldframe.backbones.base import Backbone
from coldframe.data.base import Dataset, OnError
from coldframe.data.splits import check_readable
from coldframe.methods import Method
from coldframe.verbs.choose import check_data, methods_for_all


def look_ahead(
    specs: Sequence[str],
    load: Callable[[str], Dataset],
    methods: Sequence[str | Method] | None,
    backbones: Sequence[Backbone],
    *,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    epochs: int | None = None,
    on_error: OnError = "raise",
) -> None:
    """Load every data set, look at its images where there are several sets, and ask every method whether it can be fitted.

    A single data set is not decoded here: the cold pass is the first that reads it, and keeps what it has computed.

    Args:
        specs: names of the data sets.
        load: from a name to its splits.
        methods: names or objects; None for those that the model allows.
        backbones: loaded models.
        options: constructor arguments by method name.
        epochs: for every method that has them.
        on_error: ``"raise"``, or ``"skip"`` where images that do not decode are left out.

    Raises:
        ColdframeError: a data set cannot be read, or a method cannot be fitted on it.
    """
    for spec in specs:
        data = load(spec)
        chosen = methods_for_all(methods, backbones, options or {}, epochs, data.classes)
        check_data(chosen, [data], asked=methods is not None)
        for split in data.splits if len(specs) > 1 and on_error == "raise" else ():
            check_readable(split)
