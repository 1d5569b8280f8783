"""Completion of verbs, options, methods and choices, as bash runs it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from coldframe.cli import main

ASK = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$((${#COMP_WORDS[@]}-1)); COMPREPLY=()
_coldframe coldframe "${COMP_WORDS[$COMP_CWORD]}"
echo "${COMPREPLY[*]}"
"""


def test_bash_completes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    bash = shutil.which("bash")
    assert bash is not None, "make needs a shell"
    monkeypatch.setenv("HOME", str(tmp_path))
    main(["--install-completion", "bash"])
    path = Path(capsys.readouterr().out.partition("written to ")[2].partition(";")[0])
    assert path.is_relative_to(tmp_path)

    def completed(*words: str) -> list[str]:
        run = subprocess.run([bash, "-c", ASK, "x", str(path), "coldframe", *words], capture_output=True, text=True, check=True)
        return run.stdout.split()

    assert completed("eval") == ["evaluate"]
    assert "--margin" in completed("compare", "--m")
    assert completed("compare", "--precision", "") == ["fp32", "bf16"]
    assert completed("fit", "line") == ["linear-probe"]
    assert completed("fit", "lora", "--ran") == ["--rank"]


def test_another_shell_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--install-completion", "tcsh"])
    assert "expected one of bash, zsh, fish, powershell" in capsys.readouterr().err
