"""Adversarial images made for one model, shown to others: every pair is counted, other classes are refused."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import numpy as np
import pytest
import torch
from fakes import TinyBackbone
from PIL import Image
from torch import Tensor

from coldframe.errors import InputError
from coldframe.evaluation.classifiers import own_classifier
from coldframe.files import read_json
from coldframe.measures.significance import wilson
from coldframe.verbs.attack import usual
from coldframe.verbs.transfer import Cell, Transfer, _answers, _names, matrix, transfer, write_all


class Headed(TinyBackbone):
    """The tiny network with a classifier of three classes, drawn from a seed."""

    def __init__(self, seed: int, classes: tuple[str, ...] = ("ash", "beech", "cedar")) -> None:
        super().__init__()
        self.classes = classes
        self.matrix = 4 * torch.randn(6, len(classes), generator=torch.Generator().manual_seed(seed))

    def head(self, features: Tensor) -> Tensor:
        return features @ self.matrix


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Return eight pictures of one colour each."""
    generator = np.random.default_rng(0)
    found = [tmp_path / f"{number}.png" for number in range(8)]
    for file in found:
        Image.new("RGB", (24, 20), tuple(generator.integers(0, 256, 3).tolist())).save(file)
    return found


def test_every_pair_is_counted_on_the_images_that_both_agree_on(files: list[Path], tmp_path: Path) -> None:
    models = [Headed(4), Headed(7)]
    done = transfer(models, files, usual(8 / 255, steps=5))
    first, second = done.names
    assert [(cell.made_for, cell.shown_to) for cell in done.cells] == [
        (first, first), (first, second), (second, first), (second, second),
    ]  # fmt: skip
    for name, at in ((first, 0), (second, 3)):
        attacked = done.attacked[name]
        wrong = own_classifier(models[at // 3])[0](attacked.found.images).argmax(-1) != attacked.labels
        assert (done.cells[at].asked, done.cells[at].fooled) == (8, int(wrong.sum()))
    attacked, other = done.attacked[first], own_classifier(models[1])[0]  # of one resolution: nothing is resized
    same = other(attacked.images).argmax(-1) == attacked.labels
    elsewhere = other(attacked.found.images).argmax(-1) != attacked.labels
    assert 0 < int(same.sum()) < 8
    assert (done.cells[1].asked, done.cells[1].fooled) == (int(same.sum()), int((same & elsewhere).sum()))
    written = write_all(done, tmp_path / "out", {"eps": "8/255"})
    assert all(path.is_file() for path in written) and (tmp_path / "out" / "who-fools-whom.png").is_file()
    content = read_json(tmp_path / "out" / "results.json")
    assert content["cells"] == [cell.as_dict() for cell in done.cells] and content["images"] == 8
    assert matrix(done)[0] == ["made for", f"shown to {first}", f"shown to {second}"]


def test_with_a_target_only_the_target_counts(files: list[Path]) -> None:
    models, some = [Headed(1), Headed(2)], [files[at] for at in (0, 5, 6, 7)]  # beech to both, before
    done = transfer(models, some, usual(40 / 255, steps=5), ["ash"])
    answers = own_classifier(models[1])[0](done.attacked[done.names[0]].found.images).argmax(-1)
    assert sorted(set(answers.tolist())) == [0, 2]  # the second leaves the class, but not always for the target
    assert (done.cells[1].asked, done.cells[1].fooled) == (4, int((answers == 0).sum()))


def test_models_of_other_classes_are_refused_and_nothing_asked_has_no_share(files: list[Path]) -> None:
    with pytest.raises(InputError, match=r"in the same order, found 3 in .+ and others \(3\) in"):
        transfer([Headed(1), Headed(2, ("ash", "elm", "cedar"))], files, usual(1 / 255, steps=1))
    empty = Cell("a", "b", 0, 0)
    assert empty.share is None and empty.as_dict()["share"] is None


def test_a_target_that_is_a_models_own_answer_is_refused_before_any_attack(files: list[Path]) -> None:
    models = [Headed(4), Headed(7)]
    done = transfer(models, files, usual(1 / 255, steps=1))
    first, second = (done.attacked[name].labels for name in done.names)
    at = next(row for row in range(8) if first[row] != second[row])

    def attack(*words: object) -> NoReturn:
        raise AssertionError("attacked")

    with pytest.raises(InputError, match="expected a target other than the true class"):
        transfer(models, [files[at]], attack, [str(int(second[at]))])  # type: ignore[arg-type]


def test_shares_have_wilsons_interval_and_the_matrix_says_of_how_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cells = (Cell("a", "a", 8, 6), Cell("a", "b", 0, 0), Cell("b", "a", 40, 1), Cell("b", "b", 3, 3))
    done = Transfer(("a", "b"), {}, cells)
    assert matrix(done)[1:] == [["a", "75.0% of 8", "none asked"], ["b", "2.5% of 40", "100.0% of 3"]]
    told, known = cells[0].as_dict(), wilson(6, 8)
    assert (told["share"], told["low"], told["high"]) == (0.75, known.low, known.high)
    assert (told["made_for"], told["shown_to"], told["asked"], told["fooled"]) == ("a", "a", 8, 6)
    backbones: list[Any] = [SimpleNamespace(name=name) for name in ("zoo:x?a=1", "zoo:x@here", "zoo:y/w", "zoo:x")]
    (tmp_path / "probe").mkdir()
    short = _names(["i", str(tmp_path / "probe"), "j", "k"], backbones)
    assert short[1] == "probe" and short[0].endswith(" (1)") and "(" not in short[2]
    assert short[3] == short[0].replace("(1)", "(4)")
    assert _names([str(tmp_path / "probe")], backbones[2:3]) == [short[2]], "one that is alone keeps its model's name"


def test_another_models_pictures_are_resized_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    net = Headed(1)
    seen: list[Tensor] = []

    def model(images: Tensor) -> Tensor:
        seen.append(images)
        return images.mean((1, 2, 3))[:, None] * torch.tensor([[1.0, -1.0]])

    images = torch.full((9, 3, 20, 40), 0.5)
    images[:, :, :, 20:] = 100.4 / 255
    assert _answers(model, net, images).tolist() == [0] * 9
    assert [len(piece) for piece in seen] == [8, 1] and seen[0].shape[2:] == (16, 16)
    assert float(seen[0][0, 0, 8, 0]) == pytest.approx(128 / 255) and float(seen[0][0, 0, 8, 15]) == pytest.approx(100 / 255)
