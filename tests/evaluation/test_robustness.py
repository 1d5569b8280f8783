"""What was found: for a row, for a terminal, for figures, and back from a file."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from coldframe.evaluation.robustness import DisturbedScores, curves
from coldframe.files.reading import loads
from coldframe.measures.adversarial import AttackCurve
from coldframe.measures.robustness import CorruptionScores, NoiseCurve

ATTACK = AttackCurve((0.0, 4 / 255), (0.8, 0.2), 0.8, 50, 20, 1)
NOISE = NoiseCurve("pixel", (0.0, 0.1), (0.8, 0.5), 50, 0.8)
SCORES = CorruptionScores({"fog": (0.5, 0.4, 0.3, 0.2, 0.1)}, 50, 0.8)


def test_lines_for_a_terminal() -> None:
    assert DisturbedScores().lines() == [] and DisturbedScores().fields() == {}
    assert DisturbedScores(attack=ATTACK).lines() == ["attack (PGD, 20 steps, 50 images)  clean: 80.00%   4/255: 20.00%"]
    clean, mean, *_ = DisturbedScores(NOISE, SCORES).lines()
    assert clean == "noise (pixel, 50 images)  clean: 80.00%   0.1: 50.00%"
    assert mean == "corruptions  mean 30.00% (the same 50 images clean 80.00%)"


def test_the_row_of_an_attack() -> None:
    row = DisturbedScores(attack=ATTACK).fields()
    assert row["robust_top1"] == 0.2 and row["fooled"] == pytest.approx(0.75)
    assert row["attack"] == {
        "kind": "pgd", "eps": "4/255", "steps": 20, "restarts": 1, "n": 50, "clean_top1": 0.8, "top1": {"0": 0.8, "4/255": 0.2},
    }  # fmt: skip


@pytest.mark.parametrize("found", [DisturbedScores(NOISE, SCORES, ATTACK), DisturbedScores(attack=ATTACK), DisturbedScores()])
def test_it_comes_back_from_a_file(found: DisturbedScores) -> None:
    assert loads(json.dumps(asdict(found)), DisturbedScores, "a file") == found


def test_lines_of_figures_are_means_over_seeds_and_need_two_points() -> None:
    other = AttackCurve(ATTACK.eps, (0.6, 0.0), 0.6, 50)
    (line,) = curves([DisturbedScores(attack=ATTACK), DisturbedScores(attack=other)])
    assert line.figure == "Under attack" and line.x == [0, 4] and line.y == pytest.approx([0.7, 0.1])
    assert curves([DisturbedScores(attack=AttackCurve((0.1,), (0.2,), 0.8, 50))]) == []


WORSE = CorruptionScores({"fog": (0.5, 0.4, 0.3, 0.2, 0.1), "jpeg": (0.9, 0.8, 0.7, 0.6, 0.5)}, 40, 0.75)
WIDE = NoiseCurve("normalised", (0.0, 0.1, 0.2), (0.8, 0.6, 0.2), 60, 0.8)


def test_every_number_of_a_row_and_every_line() -> None:
    found = DisturbedScores(WIDE, WORSE, ATTACK)
    row = found.fields()
    assert (row["clean_top1"], row["disturbed_n"]) == (0.75, 40), "those of the corruptions come first"
    assert (row["noise_top1"], row["noise_n"]) == (0.6, 60) and row["corruption_top1"] == pytest.approx(0.5)
    assert row["noise"] == {"space": "normalised", "n": 60, "clean_top1": 0.8, "top1": {"0": 0.8, "0.1": 0.6, "0.2": 0.2}}
    assert row["corruptions"] == {"n": 40, "clean_top1": 0.75, "top1": pytest.approx({"fog": 0.3, "jpeg": 0.7})}
    assert (DisturbedScores(WIDE).fields()["clean_top1"], DisturbedScores(WIDE).fields()["disturbed_n"]) == (0.8, 60)
    assert found.lines() == [
        "noise (normalised, 60 images)  clean: 80.00%   0.1: 60.00%   0.2: 20.00%",
        "corruptions  mean 50.00% (the same 40 images clean 75.00%)",
        "  noise     ", "  blur      ", "  weather   fog 30.0%", "  digital   jpeg 70.0%",
        "attack (PGD, 20 steps, 50 images)  clean: 80.00%   4/255: 20.00%",
    ]  # fmt: skip


def test_lines_of_noise_and_corruptions() -> None:
    other = NoiseCurve("normalised", (0.0, 0.1, 0.2), (0.6, 0.4, 0.0), 60, 0.6)
    noise, corruptions = curves([DisturbedScores(WIDE, WORSE), DisturbedScores(other)])
    assert (noise.figure, noise.x_label) == ("Gaussian noise", "standard deviation, added to normalised images")
    assert noise.x == [0, 0.1, 0.2] and noise.y == pytest.approx([0.7, 0.5, 0.1])
    assert corruptions.x == [1, 2, 3, 4, 5] and corruptions.y == pytest.approx([0.7, 0.6, 0.5, 0.4, 0.3])
    assert curves([DisturbedScores(NOISE)])[0].x_label.endswith("added to pixels in [0, 1]")
    assert curves([DisturbedScores(NoiseCurve("pixel", (0.1,), (0.5,), 9, 0.8))]) == []
