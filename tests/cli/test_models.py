from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from coldframe.backbones.listing import Listed
from coldframe.cli import main
from coldframe.verbs.rank import Ranked


def told(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> tuple[str, str]:
    with pytest.raises(SystemExit) as stopped:
        main(["models", *words])
    assert (stopped.value.code or 0) == code
    found = capsys.readouterr()
    return found.out, found.err


def test_table(capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = told(capsys, "torchvision:resnet*", "--limit", "2")
    lines = out.splitlines()
    assert lines[0].split() == ["model", "on", "disk", "parameters", "size", "licence"]
    assert lines[1].split() == ["torchvision:resnet101/IMAGENET1K_V1", "no", "44.5", "M", "~178.2", "MB", "-"]
    assert len(lines) == 4 and lines[3].startswith("and ") and "more" in lines[3]


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = told(capsys, "lite0", "--limit", "1", "--json")
    found = json.loads(out)
    assert found["shown"] == 1 <= found["matched"]
    line = found["models"][0]
    assert line["id"] == "lite0" and line["on_disk"] is True and line["parameters"] == 4652008
    assert Path(line["path"]).stat().st_size == line["bytes"]


def test_nothing_found_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    out, err = told(capsys, "resnet81", code=2)
    assert out == "" and err.startswith("coldframe: no model matches 'resnet81'; did you mean") and err.count("\n") == 1


def test_nothing_on_disk(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    out, _ = told(capsys, "torchvision:resnet18", "--on-disk")
    assert out == "No weights of these models are on this disk.\n"


def test_lines_say_where_weights_are_and_how_large(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [
        Listed("a" * 70, True, False, "/p", 1_234_567_890, 4_900_000_000, "mit"),
        Listed("b", False, True, None, 50_000, 200_000, ""), Listed("c", False, False, None, None, None, "[red]"),
    ]  # fmt: skip
    monkeypatch.setattr("coldframe.backbones.listing.list_models", lambda pattern, **_: (lines, 1239))
    out, _ = told(capsys)
    rows = [line.split() for line in out.splitlines()]
    assert rows[1] == ["a" * 70, "yes", "1,234.6", "M", "4.9", "GB", "mit"]
    assert rows[2] == ["b", "random", "0.1", "M", "~200.0", "kB", "-"] and rows[3] == ["c", "no", "-", "-", "[red]"]
    assert out.splitlines()[-1] == "and 1,236 more; narrow the pattern, or ask for more with --limit"
    monkeypatch.setattr("coldframe.backbones.listing.list_models", lambda pattern, **_: (lines, 3))
    assert told(capsys)[0].splitlines()[-1].startswith("c ")


def test_candidates_are_ranked_in_a_table_with_what_was_left_out(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []

    def rank(names: list[str], data: str, *, told: Callable[[str], None], **_: object) -> tuple[list[Ranked], list[str]]:
        asked.append(names)
        told(names[0])
        return [Ranked("lite0", 0.93456, 0.9, 0.956, 100, 12.34, 4_652_008)], ["x left out: gone"]

    monkeypatch.setattr("coldframe.verbs.rank.rank", rank)
    out, _ = told(capsys, "--rank-on", "mini:mnist", "--candidates", "lite0,x", "--device", "cpu")
    assert asked == [["lite0", "x"]]
    assert [line.split("  ")[0] for line in out.splitlines()] == ["lite0 ...", "model", "lite0", "x left out: gone"]
    assert out.splitlines()[2].split() == ["lite0", "93.5", "90.0", "to", "95.6", "12.3", "4.7", "M"]
    found = json.loads(told(capsys, "--rank-on", "mini:mnist", "--candidates", "lite0", "--json", "--device", "cpu")[0])
    assert found["left_out"] == ["x left out: gone"] and found["ranked"][0]["n"] == 100
    monkeypatch.setattr("coldframe.backbones.listing.list_models", lambda pattern, on_disk, limit: (
        [Listed(f"{pattern} {on_disk} {limit}", True, False, None, None, None, "")], 1))  # fmt: skip
    told(capsys, "p", "--rank-on", "mini:mnist", "--limit", "2", "--device", "cpu")
    assert asked[-1] == ["p True 2"]
