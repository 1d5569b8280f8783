"""Training of the judge: the same bits twice, a scale that makes one class 870, and a folder that is whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from drawn import same_text

from coldframe.files import read_json
from coldframe.foundations.generative import classifier, classifier_study, quality
from coldframe.foundations.generative.classifier_study import ONE_CLASS, Trained, digit_classifier, drawn, fit
from coldframe.foundations.generative.digits import Digits
from coldframe.training.loop import Result
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


def test_filters_decay_and_shifts_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(classifier_study, "train", lambda *_, groups, **__: seen.extend(groups) or Result())
    pixels = torch.zeros(10, 28, 28, dtype=torch.uint8)
    network, _ = fit(Digits(pixels, torch.arange(10), tuple("0123456789")), Recipe(1, 5, 3e-3, "adamw"))
    assert [group.decay for group in seen] == [True, False] and not network.training
    assert [{value.ndim for value in group.parameters} for group in seen] == [{2, 4}, {1}]
    assert sum(len(group.parameters) for group in seen) == len(list(network.parameters()))
    spread = float(network.body[11].weight.detach().std())
    assert not network.head.bias.any() and spread == pytest.approx((2 / 640) ** 0.5, rel=0.02)


def test_what_is_said_and_by_which_recipe_the_shipped_weights_came_is_what_it_was(trained: Trained, tmp_path: Path) -> None:
    (tmp_path / classifier.FILE).write_bytes(b"weights")
    against = {"n": 7, "floor": 1.25, "controls": {"one_class": 870.04, "noise": 12.96}, "classifier_sha256": "abc"}
    found = Trained("mini:mnist", trained.recipe, [], 0.98765, 1_234, 12.345, against, tmp_path)
    results = found.results()
    row = {name: value for name, value in results["rows"][0].items() if value is not None}
    said = [found.command, str(found).replace(str(tmp_path), "FOLDER"), f"{row}", f"{results['settings']}"]
    same_text(__file__, "classifier", "\n".join(said) + "\n")
