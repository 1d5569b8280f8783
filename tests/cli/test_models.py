from __future__ import annotations

import json
from pathlib import Path

import pytest

from coldframe.cli import main


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
