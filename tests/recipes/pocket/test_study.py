"""The command: what it writes, and that what it writes loads."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from coldframe import registry
from coldframe.backbones import pocket as backbone
from coldframe.backbones.ids import ModelId
from coldframe.backbones.pocket import Shape
from coldframe.errors import InputError
from coldframe.recipes.pocket import study, train
from coldframe.recipes.pocket.corpus import Pictures

TINY = Shape(size=12, patch=6, width=64, layers=2, text_width=32, text_layers=1, embedding=16)


@pytest.fixture
def trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> study.Trained:
    """A run of two steps on noise."""
    pixels = np.random.default_rng(0).integers(0, 256, (32, 3, 12, 12)).astype(np.uint8)
    pictures = Pictures(pixels, np.arange(32) * 3 % 110)
    monkeypatch.setattr(train, "CAPTION_SETS", 8)
    monkeypatch.setattr(study, "pictures_of", lambda size: (pictures, pictures))
    monkeypatch.setattr(study, "Config", partial(study.Config, shape=TINY))
    return study.pocket(out=tmp_path, epochs=1, teacher_minutes=0, batch=16)


def test_it_writes_weights_results_and_a_report(trained: study.Trained, tmp_path: Path) -> None:
    results = json.loads((tmp_path / "results.json").read_text())
    options = "--epochs 1 --teacher-minutes 0 --batch-size 16 --lr 0.01 --seed 0 --device cpu"
    assert results["command"] == f"coldframe train pocket {options}"
    assert [row["split"] for row in results["rows"]] == ["val", "val"]
    assert sum(row["n"] for row in results["rows"]) == 32
    assert results["rows"][0]["steps"] == 2
    assert (tmp_path / "report.html").is_file()
    assert "pocket@" in str(trained)


def test_what_it_wrote_loads(trained: study.Trained, tmp_path: Path) -> None:
    loaded = backbone.load(ModelId("pocket"), tmp_path)
    assert loaded.layers == 2
    assert trained.weights == tmp_path / backbone.FILE


@pytest.mark.usefixtures("trained")
def test_a_state_can_be_exported_elsewhere(tmp_path: Path) -> None:
    study.export(tmp_path, tmp_path / "other")
    assert backbone.load(ModelId("pocket"), tmp_path / "other").digest == backbone.load(ModelId("pocket"), tmp_path).digest


def test_exporting_nothing_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="train first"):
        study.export(tmp_path, tmp_path)


def test_settings_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="above 0"):
        study.pocket(out=tmp_path, batch=0)
    with pytest.raises(InputError, match="teacher_minutes of 0 or more"):
        study.pocket(out=tmp_path, teacher_minutes=-1)


def test_the_registry_names_it() -> None:
    assert registry.resolve({"pocket": registry.NETWORKS["pocket"][0]}, "pocket", "network") is study.pocket
