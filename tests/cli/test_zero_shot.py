"""``coldframe zero-shot`` to its end, as a user sees it: the question, the shares of the answers, the figure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest


def test_a_question_is_answered_in_shares_that_add_up(fruit: Path, say: Callable[..., object], tmp_path: Path) -> None:
    words = ["zero-shot", "--data", f"folder:{fruit}", "--split", "train", "--classes", "red,orange"]
    shown, _ = say(*words, "--template", "a {} thing", "--show", "2", "--out", tmp_path / "out")
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert shown[0] == f"“a red thing” and 1 more text · {results['n']:,} images of folder:{fruit} (train)"
    lines = [re.fullmatch(r"  (\w+) +([\d.]+)% of the images", line) for line in shown[1:3]]
    shares = {line[1]: float(line[2]) for line in lines if line is not None}
    assert shares == {name: pytest.approx(100 * share, abs=0.05) for name, share in results["shares"].items()}
    first, second = shares.values()
    assert first > second and first + second == pytest.approx(100, abs=0.2)
    said = f"mean probability of the answer: {100 * results['confidence']:.1f}% (softmax over the texts)"
    assert shown[3:] == [said, f"figure: {tmp_path / 'out' / 'predictions.png'}"]
    assert (tmp_path / "out" / "predictions.svg").exists()


def test_the_datas_own_classes_are_scored(fruit: Path, say: Callable[..., object]) -> None:
    shown, _ = say("zero-shot", "--data", f"folder:{fruit}")
    assert shown[0].startswith("“This is a photo of a apple” and 2 more texts · 6 images of ")
    assert any(re.search(r"top-1\W+\d+\.\d", line) for line in shown)
