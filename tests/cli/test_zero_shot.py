"""``coldframe zero-shot`` to its end, as a user sees it: the question, the shares of the answers, the figure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coldframe.cli.zero_shot import zero_shot
from coldframe.verbs.zero_shot import Answer


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


def test_twenty_classes_are_printed_the_most_frequent_first(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shares = {f"c{k}": k / 231 for k in range(22)}
    asked: list[dict[str, Any]] = []
    answer = Answer(["a"], shares, 0.12345, 1234, "sigmoid")
    monkeypatch.setattr("coldframe.verbs.zero_shot.ask", lambda *words, **more: asked.append(more) or answer)
    zero_shot(device="cpu", template=[])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "“a” and 0 more texts · 1,234 images of mini:cifar10 (test)" and len(lines) == 22
    assert lines[1] == "  c21    9.1% of the images" and lines[20] == "  c2     0.9% of the images"
    assert lines[21] == "mean probability of the answer: 12.3% (sigmoid of each text by itself)"
    assert asked[0]["template"] is None and asked[0]["cold"].batch_size == 64 and asked[0]["show"] == 0
    zero_shot(device="cpu", json=True)
    assert json.loads(capsys.readouterr().out)["n"] == 1234
