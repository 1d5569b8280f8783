"""The whole few-shot family on data that hardly is any: it works, or says why not in one sentence, for every member."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from fakes import TinyBackbone, pictures, tiny_clip

from coldframe.cold import ColdPass, Store
from coldframe.data.base import Split
from coldframe.errors import ColdframeError
from coldframe.methods import method_class
from coldframe.methods.folds import fit_crossed
from coldframe.registry import GROUPS

FAMILY = (*GROUPS["few-shot"], "transclip")
CLASSES = ("red", "green", "blue")
SEEN = Split("test", pictures(5, 9), np.array([0, 1, 2, 0, 1]), CLASSES)
SHORT: dict[str, dict[str, Any]] = {
    "lp++": {"steps": 4}, "prolip": {"steps": 4}, "tip-adapter-f": {"epochs": 2}, "clap": {"epochs": 2},
    "taskres": {"epochs": 2}, "clip-adapter": {"epochs": 2}, "cross-modal": {"epochs": 2}, "transclip": {"rounds": 2},
}  # fmt: skip
CLIP, PLAIN = tiny_clip(), TinyBackbone(width=12)
TEXTLESS = {"linear-probe", "knn", "ncm", "gda", "ridge", "kernel-ridge", "laplace"}
"""Those that need no texts."""


def copies(labels: list[int]) -> Split:
    """Return one picture again and again: every covariance is singular, every distance 0."""
    return Split("train", pictures(1, 4), np.array([0]), CLASSES).subset(np.zeros(len(labels), dtype=np.int64))


def cases() -> dict[str, Split]:
    made = {
        "one shot": [0, 1, 2], "a class without images": [0, 0, 0, 1, 1, 1], "one image": [0],
        "one of a class": [0] * 5 + [1, 2],
    }  # fmt: skip
    found = {name: Split("train", pictures(len(y), 3), np.array(y), CLASSES) for name, y in made.items()}
    same = [0, 0, 1, 1, 2, 2]
    found["copies"] = Split("train", copies(same).images, np.array(same), CLASSES)
    two = Split("train", pictures(6, 3), np.array([0, 0, 0, 1, 1, 1]), CLASSES[:2])
    return {**found, "two classes": two}


@pytest.fixture(scope="module")
def cold(tmp_path_factory: pytest.TempPathFactory) -> ColdPass:
    return ColdPass(Store(tmp_path_factory.mktemp("store")))


@pytest.mark.parametrize("name", FAMILY)
@pytest.mark.parametrize("crossed", [False, True], ids=["alone", "folds"])
def test_hardly_any_data(name: str, crossed: bool, cold: ColdPass) -> None:
    """Every case on one model, so that a member of the family costs one line of the report."""
    for case, data in cases().items():
        for backbone in (CLIP, PLAIN):
            try:
                method = method_class(name)(backbone, **SHORT.get(name, {}))
            except ColdframeError as error:
                assert backbone is PLAIN and name not in TEXTLESS and "\n" not in str(error) and "text" in str(error), case
                continue
            try:
                method.check_data(data, None)  # what is known beforehand is said beforehand
                method = fit_crossed(method, data, cold=cold) if crossed else method.fit(data, cold=cold)
            except ColdframeError as error:
                assert backbone is PLAIN and name == "zero-shot" and "\n" not in str(error), (case, str(error))
                continue
            proba = method.predict_proba(SEEN, cold=cold)
            assert proba.shape == (5, len(data.classes)), case
            assert torch.isfinite(proba).all() and torch.allclose(proba.sum(1), torch.ones(5), atol=1e-4), case
