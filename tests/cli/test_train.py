"""``coldframe train``: flags are the network's signature, and the help needs no torch."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coldframe import registry
from coldframe.cli import main
from coldframe.cli import train as train_room


class Done:
    def __init__(self, size: int) -> None:
        self.size = size

    def results(self) -> dict[str, Any]:
        return {"size": self.size}

    def __str__(self) -> str:
        return f"size {self.size}"


def network(size: int = 3, *, deep: bool = False) -> Done:
    """Train a thing.

    Args:
        size: how large it is.
        deep: whether it is deep.
    """
    return Done(size * (2 if deep else 1))


def run(*argv: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main(list(argv))
    assert not caught.value.code


def verb() -> Callable[..., Any]:
    return train_room._with_json(network)


def test_the_verb_has_the_networks_flags_and_json(capsys: pytest.CaptureFixture[str]) -> None:
    from cyclopts import App

    app = App()
    app.default(verb())
    app(["--size", "4", "--deep"], result_action="return_value")
    assert capsys.readouterr().out == "size 8\n"
    app(["5", "--json"], result_action="return_value")
    assert json.loads(capsys.readouterr().out) == {"size": 5}


def test_every_network_has_a_sub_command(capsys: pytest.CaptureFixture[str]) -> None:
    run("train", "--help")
    shown = capsys.readouterr().out
    assert all(name in shown for name in registry.NETWORKS)


def test_the_help_of_gcn_names_its_choices(capsys: pytest.CaptureFixture[str]) -> None:
    run("train", "gcn", "--help")
    shown = capsys.readouterr().out
    flags = ("--layer", "--data", "--seeds", "--epochs", "--hidden", "--out", "--json")
    assert all(word in shown for word in (*flags, "mean, gcn, gat, mlp"))


def test_the_list_of_networks_imports_no_torch() -> None:
    heavy = "'torch' in sys.modules or 'matplotlib' in sys.modules"
    code = f"import sys, coldframe.cli.train, coldframe.cli.graph; sys.exit({heavy})"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_missing_data_is_one_sentence(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLDFRAME_DATA", str(tmp_path))
    with pytest.raises(SystemExit) as caught:
        main(["train", "gcn", "--seeds", "1"])
    assert caught.value.code == 2
    assert capsys.readouterr().err.startswith("coldframe: expected the Planetoid files in")


def test_the_command_of_a_study_names_options_that_there_are() -> None:
    """Parsed, not run: each option is one, and takes the value."""
    from coldframe.foundations.convnet import study as convnet
    from coldframe.foundations.generative import adversarial_study, vae_study
    from coldframe.foundations.mlp import study as perceptron

    given = {"batch": 64, "flip": True, "epochs": 2}
    commands = [
        perceptron._command("folder:my digits", "torch", (4,), True, perceptron.Settings(batch=64), 2),
        vae_study._command("mini:mnist", vae_study.Settings(), 2, 2),
        adversarial_study._command("mini:mnist", adversarial_study.Settings(), 2),
        convnet._command("mini:cifar10", ("plain",), given, (), 0.1, 1, "cpu", "fp32"),
    ]
    for command in commands:
        words = shlex.split(command)
        assert words[:2] == ["coldframe", "train"]
        _, bound, _ = train_room.app.parse_args(words[2:], exit_on_error=False, print_error=False)
        assert bound.arguments["batch"] == int(words[words.index("--batch-size") + 1])
