"""Fitted methods under noise and attack: one frozen pass for all, results in rows, figures and verdict, kept with the fits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from fakes import PREPROCESS, TinyBackbone, split, tiny_clip
from torch import Tensor

from coldframe.attacks import PGD
from coldframe.cold import ColdPass, Store
from coldframe.data.base import Dataset
from coldframe.data.decode import load_pixels
from coldframe.data.sampling import evenly
from coldframe.evaluation import disturbed
from coldframe.evaluation.classifiers import logits_of
from coldframe.evaluation.disturbances import Disturbances
from coldframe.evaluation.disturbed import jointly, measure
from coldframe.measures.robustness import unit_noise
from coldframe.methods.deep_prompt import DeepPrompt
from coldframe.methods.fine_tune import FineTune
from coldframe.methods.knn import NearestNeighbours
from coldframe.methods.linear_probe import LinearProbe
from coldframe.methods.pixel_prompt import PixelPrompt
from coldframe.methods.zero_shot import ZeroShot
from coldframe.results.verdict import verdict
from coldframe.verbs.compare import compare

DATA = Dataset("noise", split(24), split(12, seed=1, name="val"), split(18, seed=2, name="test"))


@pytest.fixture
def cold(tmp_path: Path) -> ColdPass:
    return ColdPass(Store(tmp_path / "store"))


class Whole(LinearProbe):
    """A probe with a forward pass of its own."""

    calls = 0

    def __call__(self, pixels: Tensor) -> Tensor:
        type(self).calls += 1
        return super().__call__(pixels)


def test_each_method_gets_what_its_own_forward_gives(cold: ColdPass) -> None:
    backbone = TinyBackbone(width=8)
    kinds = {"probe": LinearProbe(backbone), "tune": FineTune(backbone, layers="block1", epochs=1), "own": Whole(backbone)}
    methods = {name: kind.fit(DATA.train, DATA.val, cold=cold) for name, kind in kinds.items()}
    Whole.calls = 0
    found = measure(methods, DATA.test, Disturbances(noise=(0.0, 0.7), corruptions=False))
    assert Whole.calls == 3 * 2  # batches of 8, 8 and 2, two standard deviations
    pixels = backbone.normalise(torch.from_numpy(load_pixels(DATA.test.images, range(18), PREPROCESS)))
    noise = unit_noise([DATA.test.images.digest(row) for row in range(18)], 16)
    for name, method in methods.items():
        expected = [
            float((method(pixels + deviation * noise).argmax(1) == torch.from_numpy(DATA.test.labels)).float().mean())
            for deviation in (0.0, 0.7)
        ]
        assert found[name].noise is not None
        assert found[name].noise.top1 == pytest.approx(expected)


def test_prompts_are_measured_on_the_noisy_pixels_from_their_own_cuts(cold: ColdPass) -> None:
    clip = tiny_clip()
    kinds = {
        "zero": ZeroShot(clip),
        "pad": PixelPrompt(clip, size=2, init="normal", epochs=1),
        "deep": DeepPrompt(clip, tokens=2, layer=1, epochs=1),
    }
    methods = {name: kind.fit(DATA.train, DATA.val, cold=cold) for name, kind in kinds.items()}
    assert len({method.cut for method in methods.values()}) == 3
    pixels = clip.normalise(torch.from_numpy(load_pixels(DATA.test.images, range(18), clip.preprocess)))
    noisy = pixels + 0.5 * unit_noise([DATA.test.images.digest(row) for row in range(18)], 16)
    together = jointly(methods)(noisy)
    for name, method in methods.items():
        torch.testing.assert_close(together[name], method(noisy), rtol=1e-5, atol=1e-5)
    found = measure(methods, DATA.test, Disturbances(noise=(0.5,)))
    assert {name: one.noise.n for name, one in found.items() if one.noise} == dict.fromkeys(methods, 18)


def test_the_frozen_part_runs_once_for_all_methods(cold: ColdPass) -> None:
    backbone = TinyBackbone(width=8)
    kinds = [LinearProbe(backbone), NearestNeighbours(backbone), FineTune(backbone, layers="head", epochs=1)]
    methods = {str(number): kind.fit(DATA.train, DATA.val, cold=cold) for number, kind in enumerate(kinds)}
    steps: list[tuple[int, int]] = []
    backbone.embedded = 0
    measure(methods, DATA.test, Disturbances(noise=(0.1, 0.2)), lambda *at: steps.append(at))
    assert backbone.embedded == 3 * 18  # clean, and two of noise
    assert steps == [(1, 3), (2, 3), (3, 3)]
    # Other channel statistics are other noisy images: such a method is measured by itself.
    other = FineTune(backbone, layers="head", epochs=1, normalisation="cifar10").fit(DATA.train, DATA.val, cold=cold)
    backbone.embedded = other.backbone.embedded = 0
    measure(methods | {"other": other}, DATA.test, Disturbances(noise=(0.1,)))
    assert (backbone.embedded, other.backbone.embedded) == (36, 36)


def test_rows_figures_and_verdict_of_a_comparison(cold: ColdPass) -> None:
    backbone = TinyBackbone(width=8)
    methods = [LinearProbe(backbone), NearestNeighbours(backbone)]
    table = compare(methods, DATA, seeds=2, cold=cold, latency=False, noise=[0, 0.1, 0.2], corruptions=True, disturbed=7)
    for row in table.rows:
        assert row["noise_top1"] == row["noise"]["top1"]["0.1"] and row["noise"]["space"] == "normalised"
        assert row["noise_n"] == row["corruptions"]["n"] == 7 and len(row["corruptions"]["top1"]) == 15
        assert row["corruption_top1"] == pytest.approx(np.mean(list(row["corruptions"]["top1"].values())))
        assert row["clean_top1"] == row["noise"]["top1"]["0"] == row["corruptions"]["clean_top1"]
        assert row["disturbed_n"] == 7 < row["n"] == 18
    assert "noise 0.1" in table.to_markdown() and "corrupted" in table.to_markdown()
    assert "| clean, same | noise 0.1 | corrupted |" in table.to_markdown()
    assert "nder noise" in verdict(table)
    assert any("normalised images" in note and "7 of 18" in note for note in table.notes)
    figures = {curve.figure for detail in table.details for curve in detail.curves if curve.kind == "robustness"}
    assert figures == {"Gaussian noise", "Corruptions"}
    first = next(curve for curve in table.details[0].curves if curve.figure == "Gaussian noise")
    seeds = [row["noise"]["top1"] for row in table.rows if row["method"] == "linear-probe"]
    assert first.x == [0, 0.1, 0.2] and first.y == pytest.approx([np.mean([s[d] for s in seeds]) for d in ("0", "0.1", "0.2")])


def test_what_is_measured_is_kept_with_the_fit(cold: ColdPass, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    methods, out = [LinearProbe(TinyBackbone(width=8))], tmp_path / "out"
    first = compare(methods, DATA, seeds=2, cold=cold, latency=False, noise=0.1, corruptions=True, disturbed=3, out=out)
    measured: list[int] = []
    plain = disturbed.measure
    monkeypatch.setattr(disturbed, "measure", lambda todo, *rest: measured.append(len(todo)) or plain(todo, *rest))
    again = compare(methods, DATA, seeds=3, cold=cold, latency=False, noise=0.1, corruptions=True, disturbed=3, out=out)
    assert measured == [1]  # the third seed alone
    for before, after in zip(first.rows, again.rows, strict=False):
        assert before["noise"] == after["noise"] and before["corruptions"] == after["corruptions"]
    compare(methods, DATA, seeds=1, cold=cold, latency=False, noise=0.2, disturbed=3, out=out)
    assert measured == [1, 1]


def test_a_comparison_that_asks_for_nothing_measures_nothing(cold: ColdPass) -> None:
    table = compare([LinearProbe(TinyBackbone(width=8))], DATA, seeds=1, cold=cold, latency=False)
    assert "noise_top1" not in table.rows[0] and not table.details[0].curves and not table.notes


def test_an_attack_is_made_on_each_method_and_its_answers(cold: ColdPass) -> None:
    backbone = TinyBackbone(width=8)
    tune = FineTune(backbone, layers="all", epochs=9, normalisation="cifar10")
    kinds = {"probe": LinearProbe(backbone, l2=1e-4), "tune": tune}
    methods = {name: kind.fit(DATA.train, DATA.val, cold=cold) for name, kind in kinds.items()}
    steps: list[tuple[int, int]] = []
    found = measure(methods, DATA.train, Disturbances(eps=(0.0, 12 / 255), steps=4, images=9), lambda *at: steps.append(at))
    assert steps == [(1, 2), (2, 2)]
    chosen = evenly(DATA.train, 9)
    images = torch.from_numpy(load_pixels(chosen.images, range(9), PREPROCESS)).float() / 255
    labels = torch.from_numpy(chosen.labels)
    for name, method in methods.items():
        made, model = found[name].attack, logits_of(method)
        assert made is not None and made.n == 9 and found[name].noise is None
        right = model(images).argmax(1) == labels
        attack = PGD(12 / 255, steps=4, step=7.5 / 255, uint8=False)
        standing = right & ~attack(model, images, labels).fooled
        assert made.top1 == pytest.approx((float(right.float().mean()), float(standing.float().mean())))
        assert made.clean == made.top1[0] > made.top1[1]


def test_an_attacked_comparison(cold: ColdPass, tmp_path: Path) -> None:
    backbone, out = TinyBackbone(width=8), tmp_path / "out"
    methods = [LinearProbe(backbone), FineTune(backbone, layers="block1", epochs=1), NearestNeighbours(backbone)]
    settings = {"cold": cold, "latency": False, "disturbed": 9, "out": out}
    table = compare(methods, DATA, seeds=1, attack_eps=[0, 1 / 255, 4 / 255], **settings)
    first, _, knn = table.rows
    assert first["robust_top1"] == first["attack"]["top1"]["4/255"] <= first["attack"]["top1"]["1/255"]
    assert first["fooled"] == pytest.approx(1 - first["robust_top1"] / first["attack"]["clean_top1"])
    assert "robust_top1" not in knn and "attack" not in knn
    assert "attacked 4/255" in table.to_markdown() and ",robust_top1,fooled" in table.to_csv()
    assert "Under attack (4/255)" in verdict(table)
    said = " ".join(table.notes)
    assert "9 of 18 test images" in said and "knn was not attacked: its votes have no gradient" in said
    (curve,) = (c for c in table.details[0].curves if c.kind == "robustness")
    assert curve.x == pytest.approx([0, 1, 4]) and curve.y == list(first["attack"]["top1"].values())
    again = compare(methods, DATA, seeds=1, attack_eps=[4 / 255, 0, 1 / 255], **settings)
    assert [row.get("attack") for row in again.rows] == [row.get("attack") for row in table.rows]
    assert len(list(out.glob("fits/*/robustness-*.json"))) == 3
    single = compare(methods, DATA, seeds=1, attack_eps=4 / 255, **settings)
    assert single.rows[0]["robust_top1"] == first["robust_top1"] and not single.details[0].curves[1:]
