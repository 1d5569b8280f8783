"""Training of the judge: the same bits twice, a scale that makes one class 870, and a folder that is whole."""

from __future__ import annotations

import pytest
import torch

from coldframe.files import read_json
from coldframe.foundations.generative import classifier, quality
from coldframe.foundations.generative.classifier_study import ONE_CLASS, Trained, digit_classifier, drawn, fit
from coldframe.foundations.generative.digits import Digits
from coldframe.training.recipe import Recipe


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return digit_classifier(data="mini:mnist", epochs=2, out=tmp_path_factory.mktemp("judge"))


def test_it_learns_and_sets_its_own_scale(trained: Trained) -> None:
    assert trained.top1 > 0.8
    assert trained.against["controls"]["one_class"] == pytest.approx(ONE_CLASS, rel=1e-6)
    assert trained.against["n"] == 1_000


def test_the_folder_holds_a_classifier_and_a_report(trained: Trained) -> None:
    judge = classifier.load(trained.folder)
    results = read_json(trained.folder / "results.json")
    assert results["rows"][0]["classifier_sha256"] == judge.digest == trained.against["classifier_sha256"]
    assert results["rows"][0]["top1"] == trained.top1
    assert "Frechet distance" in (trained.folder / "report.html").read_text()
    assert judge.digest in str(trained)


def test_training_is_deterministic() -> None:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (60, 28, 28), generator=generator, dtype=torch.uint8)
    data = Digits(pixels, torch.arange(60) % 10, tuple("0123456789"))
    recipe = Recipe(2, 20, 3e-3, "adamw", seed=3)
    first, second = (fit(data, recipe)[0].state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["head.weight"], drawn(3).head.weight)


def test_one_class_is_where_the_scale_comes_from() -> None:
    assert quality.COUNT == 10_000
    assert read_json(classifier.FOLDER / classifier.ABOUT)["scale"] == classifier.load().scale
