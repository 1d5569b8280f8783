"""``coldframe benchmark`` on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from coldframe.cli import main

QUICK = ("--passes", "5", "--seconds", "0", "--batch", "1", "--memory-batch", "2", "--device", "cpu")


def test_two_models(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    models = ("timm:test_vit/random", "timm:test_resnet/random")
    with pytest.raises(SystemExit) as stopped:
        main(["benchmark", *models, *QUICK, "--out", str(tmp_path)])
    assert not stopped.value.code
    seen = capsys.readouterr()
    assert "test_vit" in seen.out and "report: " in seen.out and "test_resnet: latency" in seen.err
    for name in ("results.json", "results.csv", "results.md", "report.html", "figures/memory.png", "figures/time.svg"):
        assert (tmp_path / name).stat().st_size > 100
    kept = json.loads((tmp_path / "results.json").read_text())
    assert [row["model"] for row in kept["rows"]] == list(models)


def test_json(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        main(["benchmark", "timm:test_vit/random", *QUICK, "--precision", "bf16", "--out", str(tmp_path), "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found["settings"]["precision"] == "bf16" and found["machine"]["device"] == "cpu"


@pytest.mark.parametrize(("words", "says"), [
    (("timm:test_vt/random",), "did you mean"),
    (("lite0", "--batch", "0"), "found 0"),
    (("lite0", "--images", "absent"), "absent"),
])  # fmt: skip
def test_bad_input(capsys: pytest.CaptureFixture[str], tmp_path: Path, words: tuple[str, ...], says: str) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["benchmark", *words, "--device", "cpu", "--out", str(tmp_path / "out")])
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert stopped.value.code == 2 and error.startswith("coldframe: ") and says in error
    assert not (tmp_path / "out").exists()
