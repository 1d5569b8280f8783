"""Base to new: halves of the classes, who can score the second, and the harmonic mean."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fakes import split, tiny_clip

from coldframe.cold import ColdPass, Store
from coldframe.data.base import Dataset
from coldframe.errors import InputError
from coldframe.methods.deep_prompt import DeepPrompt
from coldframe.methods.fine_tune import FineTune
from coldframe.methods.linear_probe import LinearProbe
from coldframe.methods.pixel_prompt import PixelPrompt
from coldframe.methods.text_prompt import TextPrompt
from coldframe.methods.tip_adapter import TipAdapter
from coldframe.methods.zero_shot import ZeroShot
from coldframe.verbs.base_to_new import Generalisation, Outcome, base_to_new, halves
from coldframe.verbs.watch import Watch

FAST: dict[str, Any] = {"tokens": 3, "epochs": 2}


def data(classes: int = 5) -> Dataset:
    parts = [split(20, seed, classes, name) for seed, name in enumerate(("train", "val", "test"))]
    return Dataset("toy", *parts)


def test_halves_share_no_class_and_lose_no_image() -> None:
    whole = data()
    base, new = halves(whole)
    assert base.classes == ("class 0", "class 1", "class 2") and new.classes == ("class 3", "class 4")
    for name in ("train", "val", "test"):
        parts = [getattr(half, name) for half in (base, new)]
        every = getattr(whole, name)
        assert sum(map(len, parts)) == len(every)
        for part in parts:
            for i in range(len(part)):
                row = next(j for j in range(len(every)) if every.images.digest(j) == part.images.digest(i))
                assert part.classes[part.labels[i]] == every.classes[every.labels[row]]
    with pytest.raises(InputError, match="4 classes or more"):
        halves(data(3))


@pytest.mark.parametrize("make", [
    lambda net: TextPrompt(net, **FAST),
    lambda net: FineTune(net, layers="last-block", head="text", epochs=1, wise=0.5),
    ZeroShot,
])  # fmt: skip
def test_each_half_is_measured_among_its_own_classes(make: Any, tmp_path: Path) -> None:
    cold, whole = ColdPass(Store(tmp_path / "store")), data()
    method = make(tiny_clip())
    found = base_to_new(method, whole, tmp_path / "run", cold=cold)
    base, new = halves(whole)
    assert method.classes == base.classes
    outcome, zero = found.outcomes[0], found.outcomes[-1]
    assert len(found.outcomes) == 1 + (method.name != "zero-shot")
    assert outcome.base == pytest.approx(method.score(base.test, cold=cold))
    other = method.with_classes(new.classes).logits(new.test, cold=cold)
    assert outcome.new == pytest.approx(float(np.mean(other.argmax(-1).numpy() == new.test.labels)))
    assert zero.method == "zero-shot"
    assert zero.new == pytest.approx(ZeroShot(tiny_clip()).for_classes(new.classes).score(new.test, cold=cold))
    kept = json.loads((tmp_path / "run" / "results.json").read_text())
    assert [row["top1"] for row in kept["rows"]] == [top1 for one in found.outcomes for top1 in (one.base, one.new)]
    assert json.loads((tmp_path / "run" / "adaptation.json").read_text())["classes"] == list(base.classes)
    assert len({len(line) for line in found.lines()}) == 1


def test_no_image_of_a_new_class_is_learned_from(tmp_path: Path) -> None:
    cold, whole = ColdPass(Store(tmp_path)), data()
    method = TextPrompt(tiny_clip(), **FAST)
    base_to_new(method, whole, cold=cold)
    alone = TextPrompt(tiny_clip(), **FAST).fit(halves(whole)[0].train, halves(whole)[0].val, cold=cold)
    assert torch.equal(method.context, alone.context)


def test_the_harmonic_mean() -> None:
    assert Outcome("coop", 0.8269, 0.6322).harmonic_mean == pytest.approx(0.7166, abs=5e-5)
    assert Outcome("none", 0.0, 0.0).harmonic_mean == 0.0


@pytest.mark.parametrize(("make", "expected"), [
    (LinearProbe, "linear-probe learns its classes from labels"),
    (lambda net: DeepPrompt(net, head="linear", epochs=1), "set head='text'"),
    (lambda net: PixelPrompt(net, mapping="linear", epochs=1), "set mapping='text'"),
    (lambda net: FineTune(net, layers="head", epochs=1), "set head='text'"),
    (lambda net: TextPrompt(net, class_specific=True, **FAST), "fit text-prompt without class_specific"),
    (lambda net: TipAdapter(net, alpha=1.0, beta=1.0), "tip-adapter learns its classes from labels"),
])  # fmt: skip
def test_what_can_score_no_other_classes_is_refused_before_any_work(make: Any, expected: str, tmp_path: Path) -> None:
    """The object is asked, not its class: a prompt with a trained layer learns labels, the same prompt with texts does not."""
    seen: list[str] = []
    watch = Watch()
    watch.start = lambda *_: seen.append("start")  # type: ignore[method-assign]
    method = make(tiny_clip())
    with pytest.raises(InputError) as caught:
        base_to_new(method, data(), tmp_path / "run", cold=ColdPass(Store(tmp_path / "store")), watch=watch)
    assert expected in str(caught.value) and "\n" not in str(caught.value)
    assert not seen and not method.classes and not list(tmp_path.rglob("*.*"))


@pytest.mark.parametrize("make", [
    lambda net: TextPrompt(net, **FAST),
    lambda net: TextPrompt(net, class_specific=True, **FAST),
    lambda net: DeepPrompt(net, head="text", epochs=1, tokens=1),
    lambda net: DeepPrompt(net, head="linear", epochs=1, tokens=1),
    lambda net: PixelPrompt(net, mapping="text", epochs=1, size=2),
    lambda net: PixelPrompt(net, mapping="linear", epochs=1, size=2),
    lambda net: FineTune(net, layers="head", head="text", epochs=1),
    lambda net: FineTune(net, layers="head", epochs=1),
    LinearProbe,
    ZeroShot,
])  # fmt: skip
def test_what_is_said_before_a_fit_holds_after_it(make: Any, tmp_path: Path) -> None:
    method, whole = make(tiny_clip()), data(4)
    before = method.labels_alone(whole.classes)
    method.fit(whole.train, whole.val, cold=ColdPass(Store(tmp_path)))
    assert method.labels_alone(method.classes) == before
    if before:
        with pytest.raises(InputError):
            method.with_classes(("cat", "dog"))
    else:
        assert method.with_classes(("cat", "dog")).classes == ("cat", "dog")


def test_the_middle_class_goes_to_the_first_half_and_lines_are_aligned() -> None:
    for classes, base, new in ((4, 2, 2), (5, 3, 2)):
        first, second = halves(data(classes))
        assert (len(first.classes), len(second.classes)) == (base, new)
        assert (first.spec, second.spec) == (f"toy ({base} base classes)", f"toy ({new} new classes)")
        assert set(second.test.labels) == set(range(new))
    lines = Generalisation((Outcome("coop", 0.5, 0.25), Outcome("zero-shot", 1.0, 0.0)), ()).lines()
    assert [line.split() for line in lines] == [
        ["top-1", "base", "new", "harmonic", "mean"], ["coop", "50.00%", "25.00%", "33.33%"],
        ["zero-shot", "100.00%", "0.00%", "0.00%"],
    ]  # fmt: skip
    assert Outcome("a", 0.5, 0.25).to_json() == {"method": "a", "base": 0.5, "new": 0.25, "harmonic_mean": pytest.approx(1 / 3)}
