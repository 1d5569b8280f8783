"""Presets: every number of the source, its seed and its split, or a sentence on what is left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import TinyBackbone, tiny_clip
from PIL import Image

from coldframe.cli import main
from coldframe.data import load_dataset
from coldframe.methods import load, method_class, protocols, templates
from coldframe.methods.fine_tune import FineTune
from coldframe.registry import METHODS

COURSE = {"lr": 40.0, "optimiser": "sgd", "weight_decay": 0.0, "schedule": "cosine", "warmup": 1000, "batch_size": 128}
COOP = {
    "tokens": 16, "words": "", "class_specific": False, "position": "end", "lr": 2e-3, "batch_size": 32, "optimiser": "sgd",
    "weight_decay": 5e-4, "schedule": "cosine",
}  # fmt: skip
VPT = {
    "tokens": 50, "layer": 0, "init": "uniform", "head": "linear", "optimiser": "sgd", "epochs": 100, "batch_size": 64,
    "schedule": "cosine",
}  # fmt: skip
TIP = {"template": "clip-7", "alpha": "auto", "beta": "auto", "max_alpha": 3.0, "max_beta": 7.0}
PUBLISHED: dict[tuple[str, str], dict[str, Any]] = {
    ("fine-tune", "uva-a2"): {
        "layers": "head", "optimiser": "adam", "lr": 1e-3, "batch_size": 128, "epochs": 30, "seed": 42, "resize": "squash",
        "normalisation": "cifar100", "schedule": "constant", "weight_decay": 0.0, "augment": "none", "head": "normal",
    },
    ("fine-tune", "wise-ft"): {
        "layers": "all", "optimiser": "adamw", "lr": 3e-5, "backbone_lr": 1.0, "batch_size": 512, "epochs": 10, "clip": 1.0,
        "weight_decay": 0.1, "warmup": 500, "schedule": "cosine", "head": "text", "wise": 0.5,
    },
    ("pixel-prompt", "uva-a2"): {**COURSE, "kind": "pad", "size": 30, "init": "normal", "epochs": 1000},
    ("pixel-prompt", "bahng2022"): {
        **COURSE, "kind": "pad", "size": 30, "init": "normal", "epochs": 1000, "batch_size": 256, "place": "batch",
    },
    ("deep-prompt", "uva-a2"): {**COURSE, "tokens": 4, "layer": 0, "epochs": 1000, "init": "normal", "head": "text"},
    ("deep-prompt", "vpt-shallow"): {**VPT, "depth": 1},
    ("deep-prompt", "vpt-deep"): {**VPT, "depth": "all"},
    ("text-prompt", "coop"): {**COOP, "epochs": 200},
    ("text-prompt", "coop-4"): {**COOP, "epochs": 100},
    ("text-prompt", "coop-1"): {**COOP, "epochs": 50},
    ("text-prompt", "coop-words"): {**COOP, "tokens": 4, "words": "a photo of a", "epochs": 50},
    ("lora", "zanella2024"): {
        "rank": 2, "alpha": 1.0, "places": "q,k,v", "dropout": 0.25, "last": "all", "lr": 2e-4, "batch_size": 32,
        "weight_decay": 0.01,
    },
    ("ssf", "lian2022"): {"last": "all", "optimiser": "adamw", "epochs": 100, "batch_size": 32},
    ("adaptformer", "chen2022"): {"bottleneck": 64, "scale": 0.1, "last": "all", "epochs": 100, "optimiser": "sgd"},
    ("adapter", "houlsby2019"): {"bottleneck": 64, "kind": "houlsby", "last": "all"},
    ("adapter", "pfeiffer2021"): {"bottleneck": 48, "kind": "pfeiffer", "last": "all"},
    ("gda", "wang2024"): {"shrinkage": 1.0, "choose": "val"},
    ("lp++", "huang2024"): {"steps": 300},
    ("clap", "silva2024"): {
        "epochs": 300, "batch_size": 256, "lr": 0.1, "optimiser": "sgd", "weight_decay": 0.0, "schedule": "cosine", "warmup": 0,
    },
    ("prolip", "fahes2024"): {"hold": "1/shots", "lr": 1e-5, "steps": 300, "augment": "flip"},
    ("transclip", "zanella2024"): {"gamma": "auto", "neighbours": 3, "rounds": 10},
    ("tip-adapter", "zhang2022"): TIP,
    ("tip-adapter-f", "zhang2022"): {
        **TIP, "epochs": 20, "lr": 1e-3, "batch_size": 256, "optimiser": "adamw", "weight_decay": 0.01, "schedule": "cosine",
        "warmup": 0,
    },
}  # fmt: skip


def test_every_preset_has_a_row_here() -> None:
    assert {(name, preset) for name in METHODS for preset in method_class(name).presets} == PUBLISHED.keys()


@pytest.mark.parametrize(("name", "preset"), PUBLISHED)
def test_presets_hold_the_published_settings(name: str, preset: str) -> None:
    big = name == "pixel-prompt"
    config = method_class(name).preset(preset, tiny_clip(size=64) if big else tiny_clip()).config()
    assert {key: config[key] for key in PUBLISHED[name, preset]} == PUBLISHED[name, preset]
    assert templates.PHOTO == "This is a photo of a {}"


def test_the_course_resizes_both_sides_and_crops_nothing() -> None:
    method = FineTune.preset("uva-a2", TinyBackbone())
    preprocess = method.backbone.preprocess
    assert (preprocess.mode, preprocess.resize, preprocess.interpolation) == ("squash", preprocess.size, "bilinear")
    assert preprocess.mean == (0.5071, 0.4867, 0.4408) and TinyBackbone().preprocess.mode == "crop"


@pytest.fixture
def folder(tmp_path: Path) -> str:
    generator = np.random.default_rng(0)
    for part, count in (("train", 12), ("test", 4)):
        for name in ("red", "green"):
            (tmp_path / part / name).mkdir(parents=True)
            for number in range(count):
                picture = generator.integers(0, 255, (20, 20, 3), dtype=np.uint8)
                Image.fromarray(picture).save(tmp_path / part / name / f"{number}.png")
    return str(tmp_path)


def test_a_preset_draws_its_split_or_says_what_it_leaves(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert FineTune.protocols["uva-a2"] == {"val": 5000}
    data, left = protocols.load_as(FineTune, "uva-a2", folder, seed=42)
    assert "holds out 5,000 images" in left and "too small" in left and data.origin in left
    assert protocols.load_as(FineTune, None, folder, seed=42)[1] == ""
    monkeypatch.setattr(FineTune, "protocols", {"uva-a2": {"val": 6}})
    data, left = protocols.load_as(FineTune, "uva-a2", folder, seed=42)
    expected = load_dataset(folder, seed=42, val=6)
    assert left == "" and len(data.val) == 6 and len(data.train) == 18
    assert [data.val.images.name(i) for i in range(6)] == [expected.val.images.name(i) for i in range(6)]
    monkeypatch.setattr(FineTune, "protocols", {"uva-a2": {"val": 12}})
    assert protocols.load_as(FineTune, "uva-a2", folder, seed=42)[1] == ""  # half of the 24 images, and no more
    monkeypatch.setattr(FineTune, "protocols", {"uva-a2": {"val": 13}})
    assert "too small" in protocols.load_as(FineTune, "uva-a2", folder, seed=42)[1]
    assert "with shots" in protocols.load_as(FineTune, "uva-a2", folder, seed=42, shots=2)[1]


def test_the_seed_of_a_preset_is_kept_unless_another_is_given(
    folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["fit", "fine-tune", "--preset", "uva-a2", "--epochs", "1", "--data", folder, "--json"]
    for name, more, seed in (("its", [], 42), ("other", ["--seed", "7"], 7)):
        with pytest.raises(SystemExit) as stopped:
            main([*words, "--out", str(tmp_path / name), *more])
        assert not stopped.value.code
        assert load(tmp_path / name).config()["seed"] == seed
        assert "holds out 5,000 images" in capsys.readouterr().err
    assert protocols.seed_of(method_class("knn"), None, None) == 0
