"""Label unions: parts told apart, the harm counted, one sentence for what cannot name classes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from fakes import TinyBackbone, split, tiny_clip

from coldframe.cold import ColdPass, Store
from coldframe.data.base import Dataset, Part
from coldframe.data.load import join
from coldframe.errors import InputError
from coldframe.evaluation.unions import evaluate_union, for_union, lines, part_scores
from coldframe.methods.linear_probe import LinearProbe
from coldframe.methods.pixel_prompt import PixelPrompt
from coldframe.methods.zero_shot import ZeroShot
from coldframe.report.figures.style import as_png
from coldframe.verbs.evaluate import union_figure

PETS, FARM = ("cat", "dog", "mouse"), ("cow", "pig")
PARTS = (Part("pets", "folder:pets", 0, 3), Part("farm", "folder:farm", 3, 5))


def dataset(spec: str, classes: tuple[str, ...], seed: int) -> Dataset:
    sizes = (("train", 12), ("val", 6), ("test", 10))
    splits = [replace(split(n, seed + i, len(classes), name), classes=classes) for i, (name, n) in enumerate(sizes)]
    return Dataset(spec, *splits)


UNION = join([dataset("folder:pets", PETS, 0), dataset("folder:farm", FARM, 10)])


def test_a_union_knows_its_parts() -> None:
    assert UNION.parts == PARTS and UNION.classes == PETS + FARM
    assert PARTS[1].holds(np.array([0, 2, 3, 4])).tolist() == [False, False, True, True]
    assert dataset("folder:pets", PETS, 0).parts == ()
    assert [part.name for part in join([dataset("a", PETS, 0)] * 2).parts] == ["1", "2"]


def test_the_numbers_of_a_part_by_hand() -> None:
    labels = np.array([0, 0, 1, 2, 3, 4])
    logits = np.array([
        [9, 0, 0, 0, 0],  # right
        [1, 0, 0, 9, 0],  # right alone, taken for farm in the union
        [5, 1, 0, 0, 0],  # wrong within pets
        [0, 5, 1, 0, 9],  # wrong alone, taken for farm
        [0, 0, 0, 9, 0],  # right
        [9, 0, 0, 2, 1],  # wrong alone, taken for pets
    ])  # fmt: skip
    pets, farm = part_scores(logits, labels, PARTS)
    assert (pets.n, pets.classes, pets.alone, pets.union, pets.taken) == (4, 3, 0.5, 0.25, {"farm": 0.5})
    assert (farm.n, farm.classes, farm.alone, farm.union, farm.taken) == (2, 2, 0.5, 0.5, {"pets": 0.5})
    assert [score.name for score in part_scores(logits[:4], labels[:4], PARTS)] == ["pets"]
    assert "taken for farm 50.00%" in lines([pets, farm])[0] and lines([]) == []
    assert len(as_png(union_figure([pets, farm], "by hand"))) > 1000


def test_texts_of_the_union_are_scored_by_what_was_learned_on_a_part(tmp_path: Path) -> None:
    clip, cold = tiny_clip(), ColdPass(Store(tmp_path))
    method = ZeroShot(clip).for_classes(PETS)
    done, scores = evaluate_union(method, UNION, UNION.test, cold=cold)
    assert method.classes == PETS, "the method itself stays as it was"
    assert done.row["n"] == 20 and done.row["data"] == "folder:pets+folder:farm" and done.probabilities.shape == (20, 5)
    assert done.row["top1"] == pytest.approx(sum(s.union * s.n for s in scores) / 20)
    alone = method.score(dataset("folder:pets", PETS, 0).test, cold=cold)
    assert scores[0].alone == pytest.approx(alone)
    assert [part["name"] for part in done.row["parts"]] == ["pets", "farm"]
    expected = ZeroShot(clip).for_classes(UNION.classes).logits(UNION.test, cold=cold)
    np.testing.assert_allclose(done.probabilities, expected.softmax(-1).numpy(), rtol=1e-6)


def test_a_prompt_goes_along_to_the_classes_of_the_other_part(tmp_path: Path) -> None:
    clip, cold, pets = tiny_clip(), ColdPass(Store(tmp_path)), dataset("folder:pets", PETS, 0)
    prompt = PixelPrompt(clip, size=2, init="normal", epochs=1).fit(pets.train, pets.val, cold=cold)
    bent = for_union(prompt, UNION).logits(UNION.test, cold=cold)  # [N, 5]
    torch.testing.assert_close(bent[:, :3], prompt.logits(UNION.test, cold=cold), rtol=1e-5, atol=1e-5)
    plain = ZeroShot(clip).for_classes(UNION.classes).logits(UNION.test, cold=cold)
    assert float((bent - plain).abs().max()) > 1e-3


def test_far_classes_of_the_other_part_are_still_told_apart() -> None:
    logits = torch.tensor([[200.0, 0.0, 0.0, 1.0, 2.0]])
    assert part_scores(logits.softmax(-1).numpy(), np.array([4]), PARTS)[0].alone == 0.0
    assert part_scores(logits.numpy(), np.array([4]), PARTS)[0].alone == 1.0


def test_a_probe_of_the_union_has_parts_and_a_probe_of_a_part_is_refused(tmp_path: Path) -> None:
    backbone, cold = TinyBackbone(width=8), ColdPass(Store(tmp_path))
    whole = LinearProbe(backbone).fit(UNION.train, UNION.val, cold=cold)
    assert for_union(whole, UNION) is whole
    assert len(evaluate_union(whole, UNION, UNION.test, cold=cold)[1]) == 2
    pets = dataset("folder:pets", PETS, 0)
    part = LinearProbe(backbone).fit(pets.train, pets.val, cold=cold)
    with pytest.raises(InputError, match="the 5 classes of pets \\+ farm or scores class names, found linear-probe") as caught:
        evaluate_union(part, UNION, UNION.test, cold=cold)
    assert "\n" not in str(caught.value) and "fit it on" in str(caught.value)
