"""A folder with an unfinished fit of something else is refused before an image is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fakes import coloured, tiny_clip

from coldframe.cold import ColdPass, Store
from coldframe.data.base import Dataset
from coldframe.errors import InputError
from coldframe.methods import method_class
from coldframe.verbs.fit import fit_one


class Untouched(ColdPass):
    def prepare(self, *given: Any, **more: Any) -> Any:
        raise AssertionError("the cold pass ran")


def test_an_unfinished_fit_of_something_else_is_refused_before_the_cold_pass(tmp_path: Path) -> None:
    data = Dataset("coloured", coloured(9, 0, "train"), coloured(6, 1, "val"), coloured(6, 2, "test"))
    backbone, cold, out = tiny_clip(), Untouched(Store(tmp_path / "store")), tmp_path / "run"

    def fit(tokens: int, data: Dataset = data) -> None:
        fit_one(method_class("deep-prompt")(backbone, tokens=tokens, layer=0), data, out, cold=cold)

    with pytest.raises(AssertionError, match="ran"):
        fit(2)
    (out / "checkpoint.safetensors").touch()  # the first fit was killed
    for tokens, images in ((1, data), (2, Dataset("coloured", coloured(9, 3, "train"), data.val, data.test))):
        with pytest.raises(InputError, match="holds an unfinished run with other settings, data or weights"):
            fit(tokens, images)
    with pytest.raises(AssertionError, match="ran"):
        fit(2)
    (out / "checkpoint.safetensors").unlink()  # it was finished: the folder may be written anew
    with pytest.raises(AssertionError, match="ran"):
        fit(1)
