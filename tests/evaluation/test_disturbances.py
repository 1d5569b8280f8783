"""What may be asked of fitted methods, and the images that are drawn for it."""

from __future__ import annotations

import pytest
from fakes import TinyBackbone, split

from coldframe.errors import InputError
from coldframe.evaluation.disturbances import DEVIATIONS, Disturbances, deviations, radii
from coldframe.methods.knn import NearestNeighbours
from coldframe.methods.linear_probe import LinearProbe

TEST = split(18, seed=2, name="test")


def test_what_is_asked_for() -> None:
    assert not Disturbances.of() and Disturbances.of(0.0).noise == (0.0,) and Disturbances.of(0.0)
    usual = Disturbances.of(robustness=True)
    assert usual.noise == DEVIATIONS and usual.corruptions and usual.named == "0.1"
    assert Disturbances.of([0.2, 0, 0.2]).noise == (0.0, 0.2) and Disturbances.of([0.2, 0]).named == "0.2"
    assert "cut to [0, 1]" in Disturbances.of(0.1, space="pixel").notes(TEST)[0]
    for arguments, words in (
        ({"noise": -1}, "0 or more"),
        ({"images": 0}, "at least one image"),
        ({"noise": 0.1, "space": "pixle"}, "did you mean 'pixel'"),
    ):
        with pytest.raises(InputError, match=words):
            Disturbances.of(**arguments)
    with pytest.raises(InputError, match=r"such as .*, found 'a lot'"):
        deviations(["0, a lot"])


def test_an_attack_that_is_asked_for() -> None:
    asked = Disturbances.of(attack_eps=[8 / 255, 0, 4 / 255], steps=7, restarts=2, images=6)
    assert asked and asked.eps == (0, 4 / 255, 8 / 255) and asked.named_eps == "4/255" and asked.named == ""
    assert Disturbances.of(attack_eps=0.5 / 255).named_eps == "0.5/255" and Disturbances.of(0.1).named_eps == ""
    backbone = TinyBackbone()
    said = asked.notes(TEST, [LinearProbe(backbone), NearestNeighbours(backbone), NearestNeighbours(backbone)])
    assert len(said) == 2 and "eps 4/255, 7 steps from 2 starts; 6 of 18 test images" in said[0]
    assert said[1].startswith("knn was not attacked")
    assert radii(["0, 4/255", "0.1"]) == [0, 4 / 255, 0.1] and radii(None) == []
    for arguments, words in (
        ({"attack_eps": 0}, "eps above 0"),
        ({"attack_eps": 4}, "write 4/255"),
        ({"attack_eps": 0.1, "steps": 0}, "at least one step of the attack"),
        ({"attack_eps": 0.1, "restarts": 0}, "at least one start of the attack"),
    ):
        with pytest.raises(InputError, match=words):
            Disturbances.of(**arguments)
    with pytest.raises(InputError, match="such as 8/255 for eps, found 'much'"):
        radii(["0,much"])


def test_one_of_each_can_be_asked_for_and_all_images_are_said() -> None:
    asked = Disturbances.of(0.2, images=1, attack_eps=0.1, steps=1, restarts=1)
    assert (asked.images, asked.steps, asked.restarts, asked.named_eps) == (1, 1, 1, "25.5/255")
    said = Disturbances.of(0.2, corruptions=True, attack_eps=4 / 255, images=18).notes(TEST)
    assert "all 18 test images" in said[0] and "N(0, 0.2²)" in said[0] and "as the founding course does" in said[0]
    assert "15 corruptions at 5 severities" in said[1] and "20 steps; all 18" in said[2] and len(said) == 3
    assert "1 of 18 test images" in asked.notes(TEST)[0]
    assert Disturbances.of(corruptions=True) and not Disturbances.of(corruptions=True).noise
