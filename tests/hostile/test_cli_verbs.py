"""Verbs as a whole: what they advise they accept, every module that runs has a help, and no name acts on the terminal."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from cli_walk import commands, outcome
from PIL import Image

from coldframe.cli.guard import command_line

NO_FETCH = {("models",), ("cache",), ("train", "gcn")}
"""Verbs with a model or data that they only name: they never advise to fetch it."""


def test_every_verb_that_loads_models_or_data_accepts_download() -> None:
    lacking = []
    for words, app in commands(command_line()):
        names = {name for argument in app.assemble_argument_collection() for name in argument.names}
        if names & {"--data", "--model", "SPEC", "MODELS"} and "--download" not in names and words not in NO_FETCH:
            lacking.append(words)
    assert not lacking


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """Return images in classes whose names are markup, hold a line break, or drive a terminal."""
    generator = np.random.default_rng(0)
    for name in ("a[b]", "[bold]x", "two\nlines", "red\x1b[31m", "turn\u202eed"):
        folder = tmp_path / "odd[" / "]flowers" / name
        folder.mkdir(parents=True)
        for number in range(6):
            picture = Image.fromarray(generator.integers(0, 256, (24, 24, 3), dtype=np.uint8))
            picture.save(folder / f"{number}[x].png")
    return tmp_path / "odd[" / "]flowers"


def harmless(text: str) -> bool:
    return not any(sign in text for sign in ("\x1b", "\u202e", "two\nlines"))


QUICK = (
    ("datasets", "{odd}"), ("datasets", "{odd}", "--json"), ("datasets", "{odd}x"), ("datasets", "two\nlines:\x1b[31m"),
    ("predict", "{odd}/a[/]c"), ("predict", "--run", "{odd}", "{odd}"), ("evaluate", "{odd}", "--data", "{odd}"),
    ("fit", "[/]", "--data", "x", "--out", "y"), ("fit", "knn", "--[/]", "1"), ("[/]\x1b",), ("sweep", "a[/]b\n"),
    ("graph", "show", "[/]\n"), ("cache", "[/]"), ("compare", "--data", "{odd}", "--set", "[/]=\x1b"),
)  # fmt: skip
WHOLE = (
    ("predict", "{odd}"), ("predict", "--format", "csv", "{odd}/[bold]x"), ("predict", "{odd}", "--model", "a[/]b"),
    ("models", "[/]\x1b[31m"), ("zero-shot", "--data", "{odd}", "--model", "lite0"), ("zero-shot", "--data", "{odd}"),
    ("inspect", "features", "{odd}/[bold]x/0[x].png", "--layers", "a[/]b\x1b", "--out", "{odd}x"),
    ("attack", "{odd}", "--target", "a[/]b\n", "--out", "{odd}x"),
    ("compare", "--data", "{odd}", "--methods", "[/]\n", "--json"),
)  # fmt: skip


@pytest.mark.parametrize("words", [*QUICK, *(pytest.param(words, marks=pytest.mark.slow) for words in WHOLE)])
def test_names_do_nothing_to_the_terminal(words: tuple[str, ...], odd: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        from coldframe.cli import main

        main([word.replace("{odd}", str(odd)) for word in words])
    said = capsys.readouterr()
    code = int(stopped.value.code or 0)
    assert code in (0, 2) and "Traceback" not in said.err
    assert "--format" in words or harmless(said.out)
    assert harmless(said.err) and (code == 0 or (said.err.splitlines()[-1].startswith("coldframe: ")))


@pytest.mark.slow
def test_a_comparison_of_oddly_named_classes_prints_and_saves(
    odd: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = ("--methods", "knn", "--seeds", "1", "--out", str(tmp_path / "out"), "--device", "cpu")
    code, error = outcome(capsys, ("compare", "--data", str(odd), "--model", "pocket", *words))
    assert code == 0 and harmless(error), error
    code, error = outcome(capsys, ("evaluate", str(tmp_path / "out"), "--data", str(odd)))
    assert code == 0 and harmless(error), error  # the comparison's folder stands for its best/


LONG = "x" * 5000


@pytest.mark.slow
@pytest.mark.parametrize("place", [LONG, f"a/{LONG}", "~nobody-of-this-name/x", ".", "", "\udcff"])
@pytest.mark.parametrize("words", [
    ("compare", "--methods", "knn", "--json", "--data", "{}"),
    ("compare", "--methods", "knn", "--json", "--data", "folder:{}"),
    ("datasets", "parquet:{}"), ("fit", "knn", "--out", "y", "--data", "{}"), ("evaluate", "{}", "--data", "mini:cifar10"),
    ("predict", "{}"), ("predict", "--run", "{}", "x.png"), ("predict", "--model", "lite0@{}", "x.png"), ("attack", "{}"),
    ("extract", "--model", "lite0", "--out", "y", "--data", "{}"), ("sweep", "{}"), ("sample", "{}"), ("manifold", "{}"),
    ("graph", "show", "{}"), ("inspect", "disagreements", "{}", "{}"), ("inspect", "features", "{}"),
    ("compare", "--data", "mini:cifar10", "--methods", "zero-shot", "--classes", "{}", "--json", "--set", "zero-shot.a=1"),
    ("benchmark", "lite0", "--images", "{}"),
])  # fmt: skip
def test_places_that_cannot_be_are_one_sentence(
    words: tuple[str, ...], place: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, error = outcome(capsys, tuple(word.replace("{}", place) for word in words))
    last = error.splitlines()[-1]
    assert code == 2 and last.startswith("coldframe: ") and len(last) < 1000 and "Traceback" not in error, (words, place, error)


@pytest.mark.parametrize("device", ["meta", "cuda:99", "cpu:x", "", "gpu", "xla", "cuda:-1", "vulkan", "0", "privateuseone"])
def test_devices_that_are_not_here(device: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, error = outcome(capsys, ("predict", "x.png", "--device", device))
    assert code == 2 and "device" in error and error.count("\n") == 1, error


@pytest.mark.parametrize("module", ["coldframe", "coldframe.recipes.pocket"])
def test_every_module_that_runs_has_a_help_that_does_not_run_it(module: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", module, "--help"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0 and "usage" in done.stdout.lower() and not list(tmp_path.iterdir())


def test_no_other_module_runs() -> None:
    root = Path(__file__).resolve().parents[2] / "src"
    found = {path.relative_to(root).with_suffix("").as_posix().replace("/", ".").removesuffix(".__main__")
             for path in root.rglob("*.py") if '__name__ == "__main__"' in path.read_text(encoding="utf-8")}  # fmt: skip
    assert found == {"coldframe", "coldframe.recipes.pocket"}
