"""The files of a saved run: what each has to hold, and one sentence where it does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from fakes import TinyBackbone

from coldframe.errors import InputError, ModelError
from coldframe.files import formats, write_safetensors
from coldframe.methods import Method
from coldframe.methods.base import VALIDATED
from coldframe.methods.saving import own_class, state_of, thresholds_in, unfitted, validated_of

SURE, RIGHT = torch.tensor([0.9, 0.6]), torch.tensor([True, False])


def about(choices: dict[str, Any] | None = None, **changed: Any) -> formats.Adaptation:
    parts: dict[str, Any] = {
        "coldframe": "1", "method": "knn", "config": {"k": 3, "temperature": 0.07, "refit": False, "choose": "auto"},
        "backbone": formats.Weights("tiny:0", "d"), "preprocess": {}, "classes": ["a", "b"], "choices": choices or {},
        "state": {},
    }  # fmt: skip
    return formats.Adaptation(**parts | changed)


def test_answers_to_validation_images_are_read_or_are_damaged(tmp_path: Path) -> None:
    assert validated_of(tmp_path) is None
    write_safetensors(tmp_path / VALIDATED, {"probability": SURE, "right": RIGHT, "lac": SURE / 2})
    found = validated_of(tmp_path)
    assert found is not None and torch.equal(found.probability, SURE) and torch.equal(found.right, RIGHT)
    assert list(found.conformity) == ["lac"]
    for wrong in (
        {"right": RIGHT}, {"probability": SURE}, {"probability": SURE, "right": RIGHT[:1]},
        {"probability": SURE[None], "right": RIGHT[None]}, {"probability": SURE.long(), "right": RIGHT},
        {"probability": SURE, "right": RIGHT, "other": SURE / 2}, {"probability": SURE, "right": RIGHT, "lac": SURE.long()},
        {"probability": SURE, "right": RIGHT, "lac": SURE[:1].clone()},
    ):  # fmt: skip
        write_safetensors(tmp_path / VALIDATED, wrong)
        with pytest.raises(ModelError, match="expected a probability and whether it was right for each image"):
            validated_of(tmp_path)


def test_thresholds_are_one_a_label_and_probabilities() -> None:
    assert thresholds_in(about()) == [] and thresholds_in(about({"thresholds": [0, 1.0]})) == [0.0, 1.0]
    for wrong in ([0.5], [0.5, 0.5, 0.5], [0.5, 1.1], [-0.1, 0.5], ["a", 0.5], 0.5):
        with pytest.raises(ModelError, match="expected thresholds of 2 labels"):
            thresholds_in(about({"thresholds": wrong}))


def test_tensors_are_those_that_are_listed(tmp_path: Path) -> None:
    write_safetensors(tmp_path / "adaptation.safetensors", {"w": torch.zeros(2, 3)})
    assert list(state_of(about(state={"w": [2, 3]}), tmp_path)) == ["w"]
    for wrong in ({"w": [3, 2]}, {}, {"w": [2, 3], "b": [2]}):
        with pytest.raises(ModelError, match=r"does not hold what adaptation\.json lists"):
            state_of(about(state=wrong), tmp_path)


def test_settings_and_the_temperature_are_checked_before_anything_is_loaded(tmp_path: Path) -> None:
    config = {name: value.default for name, value in type(unfitted_kind()).settings().items()}
    backbone = TinyBackbone()
    made = unfitted(about({"calibration": {"temperature": 2}}, config=config), backbone, tmp_path)
    assert made.name == "knn" and made.divisor == 2.0
    for divisor in (1e-3 / 2, 2e3):
        assert unfitted(about({"calibration": {"temperature": divisor}}, config=config), backbone, tmp_path).divisor == divisor
    for wrong in (True, "1", 1e-4, 2.1e3, None):
        with pytest.raises(ModelError, match="expected a temperature above 0"):
            unfitted(about({"calibration": {"temperature": wrong}}, config=config), backbone, tmp_path)
    with pytest.raises(ModelError, match="expected a temperature above 0"):
        unfitted(about({"calibration": 2.0}, config=config), backbone, tmp_path)
    with pytest.raises(ModelError, match="expected the setting temperature of knn, found none"):
        unfitted(about(config={"k": 3}), backbone, tmp_path)
    with pytest.raises(ModelError, match="is damaged: unknown method 'kn'"):
        unfitted(about(method="kn"), backbone, tmp_path)


def unfitted_kind() -> Method:
    from coldframe.methods.knn import NearestNeighbours

    return NearestNeighbours(TinyBackbone())


@pytest.mark.parametrize(("text", "words"), [
    ("Found = 3", "derived from coldframe.methods.Method, found another thing"),
    ("class Found: pass", "derived from coldframe.methods.Method, found another thing"),
    ("from coldframe.methods import Method\nclass Found(Method): pass", "expected a name of its own"),
    ("from coldframe.methods import Method\nclass Found(Method):\n    name = 'knn'", "expected a name of its own"),
])  # fmt: skip
def test_a_users_own_method_is_a_class_with_a_name_of_its_own(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(text)
    with pytest.raises(InputError, match=words):
        own_class(f"{tmp_path}/own.py:Found")
