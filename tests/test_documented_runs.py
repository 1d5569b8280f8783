"""Every command that README and docs show is run to its end, made small: few images, one epoch, a model that is bundled.

What is changed stands in the tables here. A fast part belongs to ``make test``; the whole is slow.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import tomllib
from collections.abc import Callable, Mapping
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from cli_walk import outcome
from PIL import Image
from test_documented_commands import ROOT, documented

MODEL = "pocket"
MODELS = r"(open_clip|timm|torchvision):.*|lite\d"
WORDS: Mapping[str, tuple[str, ...]] = {
    "PLAN": ("knn",), "METHOD": ("linear-probe",), "NETWORK": ("mlp",), "MODELS": (MODEL,), "FILES": ("photos",),
    "REPO": ("./hub",), "MODEL": (MODEL,), "MOBILENET": (MODEL,), "../shared/data/imagenet-sample": ("PATH",),
    "DATA": ("folder:PATH",), "SPEC": ("folder:PATH",), "FOLDER": ("photos",), "PHOTOS": ("photos",), "F": ("model.onnx",),
    "OWNER/NAME": ("./hub",), "[--robust]": (), "812": ("3",), "9": ("4",), "340": ("5",), "920": ("6",),
    "space shuttle": ("3",), "folder:other-photos": ("folder:others",),
}  # fmt: skip
"""What a page writes for something of the reader's own, and targets of a larger model -> what stands for it."""
DATA = {"mnist": "mini:mnist", "torchvision:CIFAR10": "folder:PATH", "parquet:cifar10": "parquet:small.parquet",
        "mini:cifar10": "folder:PATH", "mini:caltech7": "folder:PATH", "csv:clean.csv": "csv:clean.csv",
        "mini:cifar10+mini:mnist": "folder:PATH+folder:others"}  # fmt: skip
LAYOUTS = ("folder:", "csv:labels", "json:", "npz:")
"""Data of the reader's own; every layout is read in tests/data."""
OWN = (
    "folder:DATA/", "folder:../", "parquet:DATA/", "parquet:../", "parquet:cifar10?", "parquet:cifar100?", "csv:sheets/",
)  # fmt: skip
"""Data that is named in full, wherever it stands in a command."""
SMALLER = {"--epochs": "1", "--seeds": "1", "--disturbed": "4", "--noise": "0,0.1", "--n": "4", "--passes": "1",
           "--seconds": "1", "--shard": "1/2", "--minutes": "0.01", "--teacher-minutes": "0", "--abstain": "0.1",
           "--attack-eps": "0,1/255", "--budget": "10s", "--conformal": "0.5"}  # fmt: skip
"""Values of options, where a command has them."""
LEFT_OUT = ("--device", "--shots")
"""Options that are a matter of size or of a machine."""
ADDED: Mapping[str, tuple[str, ...]] = {
    "compare": ("--data", "folder:PATH", "--seeds", "1", "--epochs", "1", "--no-refit"),
    "fit": ("--data", "folder:PATH", "--out", "runs/fit", "--model", MODEL),
    "evaluate": ("--data", "folder:PATH"), "zero-shot": ("--data", "folder:PATH"),
    "sweep": ("--data", "folder:PATH", "--seeds", "1"), "prepare": ("--model", MODEL, "--data", "folder:PATH"),
    "benchmark": ("--passes", "1", "--seconds", "1", "--batch", "2", "--memory-batch", "2"),
    "extract": ("--model", MODEL, "--data", "folder:PATH", "--out", "features"),
    "attack": ("--steps", "2", "--out", "runs/attacked"), "models": ("--limit", "3"),
    "inspect features": ("--model", MODEL, "--out", "runs/features"),
    "inspect filters": ("--model", MODEL, "--out", "runs/filters"),
    "train mlp": ("--epochs", "1", "--data", "parquet:small.parquet"),
    "train cnn": ("--epochs", "1", "--data", "parquet:small.parquet"),
    "train vae": ("--epochs", "1", "--channels", "2", "--data", "mini:mnist"),
    "train aae": ("--epochs", "1", "--channels", "2", "--data", "mini:mnist"),
    "train digit-classifier": ("--epochs", "1", "--data", "mini:mnist"), "train gcn": ("--seeds", "1", "--epochs", "2"),
}  # fmt: skip
"""Options that a verb gets where the command does not have them."""
IMAGES: Mapping[str, tuple[str, ...]] = {
    "predict": ("photos",), "attack": ("peppers.jpg", "--target", "3"), "inspect features": ("peppers.jpg",),
    "benchmark": (MODEL,), "graph": ("show", "star:3"), "check": ("folder:PATH",), "fit": ("linear-probe",), "sweep": ("knn",),
    "predict --run": ("runs/mine", "photos"), "predict --out answers.csv --abstain 0.95": ("--run", "runs/mine", "photos"),
    "cache": (), "inspect disagreements": ("runs/probe", "runs/knn"),
    "graph check": ("karate",),
}  # fmt: skip
"""Words that a verb needs, where the text names the verb alone."""
PLANS = ("prompting", "uva-a2-table3")
"""Bundled plans of many runs."""
NEEDS_SHARED = ("train gcn",)
"""Commands whose data is bundled with nothing: Cora."""
ELSEWHERE = {
    "train pocket": "tests/recipes/pocket/test_train.py", "coldframe reproduce": "tests/verbs/test_reproduce.py",
    "train batch-norm": "tests/foundations/batch_norm/test_batch_sizes.py",
}  # fmt: skip
"""Commands that read all of CIFAR or run whole studies, whatever is asked of them -> the test that runs their parts."""


def verb_of(words: list[str]) -> str:
    return " ".join(words[:2]) if words[0] in ("train", "inspect", "graph") and len(words) > 1 else words[0]


def reduced(command: str) -> list[str]:
    """Return the words of a command, made small."""
    words: list[str] = []
    for word in shlex.split(command.removeprefix("coldframe ")):
        words += WORDS.get(word, (word,))
    alone = " ".join(words)
    words += IMAGES.get(alone, ())
    verb, found = verb_of(words), []
    skip = False
    for number, word in enumerate(words):
        before = words[number - 1] if number else ""
        if skip:
            skip = False
        elif word in LEFT_OUT:
            skip = True
        elif before in SMALLER:
            found.append(SMALLER[before])
        elif word.startswith(OWN):
            found.append("folder:PATH")
        elif before in ("--data", "--rank-on", "datasets"):
            found.append(DATA.get(word, "folder:PATH" if word.startswith(LAYOUTS) else word))
        elif before in ("--width", "--hidden"):
            found.append("8")
        elif before == "--grid":
            name, _, values = word.partition("=")
            found.append(f"{name}={values.rpartition(',')[2]}")
        elif re.fullmatch(MODELS, word) and before != "--methods" and verb != "attack":  # which needs a classifier
            found.append(MODEL)
        else:
            found.append(word)
    if verb == "benchmark" and found[1:2] != [MODEL]:
        found.insert(1, MODEL)
    added = list(ADDED.get(verb, ()))
    if verb == "sweep" and found[1] in PLANS:
        found[1] = f"{found[1]}.toml"  # the plan made small
    if found[:2] == ["fit", "pixel-prompt"] and "--preset" in found:
        added += ["--size", "4"]  # the published frame is as wide as the pictures here
    if found[:2] == ["fit", "text-prompt"] and "--tokens" not in found:
        added += ["--tokens", "4"]  # the default is longer than the bundled model reads
    if verb in ("fit", "sweep") and found[1] in TRAINED:
        added += ["--epochs", "1"] if verb == "fit" else ["--set", f"{found[1]}.epochs=1"]
    while added:
        name = added.pop(0)
        value = [added.pop(0)] if added and not added[0].startswith("--") else []
        if name not in found and not (name == "--no-refit" and "--refit" in found):
            found += [name, *value]
    return found


def smaller_plan(name: str) -> str:
    """Return a bundled plan as TOML: the same runs, of one epoch each, at the last value of each grid, on a bundled model."""
    plan = tomllib.loads(files("coldframe.recipes").joinpath(f"{name}.toml").read_text(encoding="utf-8"))
    lines = [f"title = {json.dumps(plan['title'])}", f'model = "{MODEL}"', 'data = ["folder:PATH"]', "seeds = 1"]
    for run in plan["runs"]:
        settings = run.get("settings", {}) | ({"epochs": 1} if run["method"] in TRAINED else {})
        lines += ["[[runs]]", *(f"{key} = {json.dumps(run[key])}" for key in ("method", "preset") if key in run)]
        lines += ["[runs.settings]", *(f"{json.dumps(key)} = {json.dumps(value)}" for key, value in settings.items())]
        grid = run.get("grid", {})
        lines += ["[runs.grid]", *(f"{json.dumps(key)} = {json.dumps(values[-1:])}" for key, values in grid.items())]
    return "\n".join(lines) + "\n"


def pictures(folder: Path, names: Mapping[str, int], side: int = 40) -> None:
    generator = np.random.default_rng(len(names))
    for label, (name, count) in enumerate(names.items()):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            pixels = generator.integers(0, 90, (side, side, 3)) + np.roll([150, 40, 0], label)
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{number}.png")


METHOD = """
from typing import ClassVar
from coldframe.methods.linear_probe import LinearProbe

class Lora(LinearProbe):
    name: ClassVar[str] = "mine"
"""
NET = """
import torch
from coldframe.types import Preprocess

def make():
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 12, 4, 4), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    return net, Preprocess(16, 16, (0.5,) * 3, (0.5,) * 3)
"""
TRAINED = ("fine-tune", "pixel-prompt", "deep-prompt", "text-prompt", "lora")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with all that the pages take for granted: photographs, data, saved runs, files of one's own."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    root = tmp_path_factory.mktemp("documented")
    classes = {"cat": 12, "dog": 12, "horse": 12, "bird": 12}
    for name in ("PATH", "caltech", "flowers"):
        pictures(root / name, classes)
    pictures(root / "others", {"ship": 12, "truck": 12, "frog": 12})
    pictures(root / "photos", {"": 3})
    for name in ("peppers", "n01537544_indigo_bunting", "n04523525_vault", "n02112137_chow"):
        shutil.copy(root / "photos" / "0.png", root / f"{name}.png")
        Image.open(root / f"{name}.png").save(root / f"{name}.jpg")
    rows = [(root / "PATH" / name / f"{number}.png", label) for label, name in enumerate(classes) for number in range(12)]
    images = [{"bytes": path.read_bytes(), "path": None} for path, _ in rows]
    table = pa.table({"image": images, "label": [label for _, label in rows]})
    pq.write_table(table, root / "small.parquet")
    lines = [f"PATH/{name}/{number}.png,{name}" for name in classes for number in range(12)]
    (root / "clean.csv").write_text("\n".join(["path,label", *lines]) + "\n")
    shutil.copytree(ROOT / "examples", root / "examples")
    (root / "mymethod.py").write_text(METHOD)
    (root / "prompts.json").write_text(json.dumps({name: f"a photo of a {name}" for name in classes}))
    (root / "mynet.py").write_text(NET)
    for name in PLANS:
        (root / f"{name}.toml").write_text(smaller_plan(name))
    return root


def prepare(words: list[str], capsys: pytest.CaptureFixture[str], run: Callable[[list[str]], tuple[int, str]]) -> None:
    """Make the saved runs that a command reads."""
    reads = [word for word in words if re.fullmatch(r"RUN|runs/\w+(/\S+)?", word)]
    kept = [word for word in reads if words[max(0, words.index(word) - 1)] != "--out"]
    for word in kept:
        if Path(word).exists() and not any("+" in each for each in words):
            continue
        shutil.rmtree(word, ignore_errors=True)
        if words[0] in ("sample", "manifold"):
            kind = "aae" if "aae" in word else "vae"
            made = f"train {kind} --data mini:mnist --epochs 1 --channels 2 --latent 2 --out {word}"
        elif word.endswith(".png"):
            made = f"attack peppers.jpg --target 3 --steps 2 --out {Path(word).parent}"
        else:
            union = any("+" in each for each in words)
            kind = "deep-prompt --head text --epochs 1" if union else "knn" if "knn" in word else "linear-probe"
            made = f"fit {kind} --data folder:PATH --model {MODEL} --out {word}"
        code, error = run(shlex.split(made))
        assert code == 0, (made, error)
    if words[0] == "pull" and not Path("hub").exists():
        prepare(["push", "runs/mine"], capsys, run)
        assert run(["push", "runs/mine", "./hub", "--yes"])[0] == 0


FAST = ("graph show", "graph walks", "graph check", "cache", "datasets")


def cases() -> list[object]:
    found = []
    for page, command in documented():
        if any(name in command for name in ELSEWHERE):
            continue
        marks = [] if command.removeprefix("coldframe ").startswith(FAST) else [pytest.mark.slow]
        marks += [pytest.mark.shared_data] if any(name in command for name in NEEDS_SHARED) else []
        found.append(pytest.param(command, id=f"{page} {command[10:60]}", marks=marks))
    return found


def test_what_is_run_elsewhere_is_there() -> None:
    assert all((ROOT / test).exists() for test in ELSEWHERE.values()) and len(cases()) > 90


@pytest.mark.parametrize("command", cases())
def test_it_runs_to_its_end(
    command: str, place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    monkeypatch.setenv("COLDFRAME_CACHE", str(place / "cache"))
    words = reduced(command)
    prepare(words, capsys, lambda some: outcome(capsys, tuple(some)))
    if "--out" in words and (place / words[words.index("--out") + 1]).is_dir() and words[0] not in ("evaluate",):
        shutil.rmtree(place / words[words.index("--out") + 1])
    code, error = outcome(capsys, tuple(words))
    assert code == 0, (words, error[-2000:])
