"""What a setting is when nobody names it: what ``--help`` prints, and what every recorded result of defaults stands for.

A default changes on purpose, here and where its result is recorded, or not at all.
"""

from __future__ import annotations

import pytest
from defaults import unmoved

from coldframe.methods import method_class
from coldframe.methods.laplace import GRID

SHARED = {
    "batch_size": 32, "optimiser": "adamw", "weight_decay": 0.0, "schedule": "cosine", "warmup": 100, "clip": None,
    "augment": "none", "patience": None, "seed": 0,
}  # fmt: skip
TUNED = SHARED | {"epochs": 20, "lr": 0.001, "head": "auto", "last": 3, "wise": None}
TEXT_HEAD = SHARED | {"epochs": 100, "lr": 0.001, "batch_size": 256, "warmup": 0}
LOW_RANK = TUNED | {"rank": 8, "alpha": 16.0, "dropout": 0.0}
DEFAULTS: dict[str, dict[str, object]] = {
    "linear-probe": {"normalise": "l2", "solver": "logistic", "l2": "auto"},
    "knn": {"k": "auto", "temperature": 0.07, "choose": "auto"},
    "pixel-prompt": SHARED | {
        "kind": "pad", "size": None, "mapping": "auto", "sources": 1, "scale": 1.0, "init": "zeros", "place": "image",
        "epochs": 10, "lr": 2.0, "optimiser": "sgd",
    },
    "deep-prompt": SHARED | {"tokens": 8, "position": "back", "readout": "class", "init": "tokens", "epochs": 10},
    "fine-tune": SHARED | {
        "layers": "last-block", "backbone_lr": 0.3, "layer_decay": 1.0, "label_smoothing": 0.0, "epochs": 10, "lr": 0.001,
        "weight_decay": 0.01,
    },
    "text-prompt": SHARED | {
        "tokens": 8, "class_specific": False, "position": "end", "epochs": 50, "lr": 0.002, "optimiser": "sgd",
        "weight_decay": 0.0005, "warmup": 50,
    },
    "tip-adapter": {"alpha": "auto", "beta": "auto", "max_alpha": 3.0, "max_beta": 7.0},
    "tip-adapter-f": TEXT_HEAD | {"max_alpha": 3.0, "max_beta": 7.0, "epochs": 20, "weight_decay": 0.01},
    "gda": {"shrinkage": "auto", "alpha": "auto"},
    "ridge": {"penalty": "auto", "alpha": "auto"},
    "kernel-ridge": {"penalty": "auto", "beta": "auto", "alpha": "auto"},
    "lp++": {"steps": 300},
    "clap": TEXT_HEAD | {"epochs": 300, "lr": 0.1, "optimiser": "sgd"},
    "taskres": TEXT_HEAD | {"alpha": 0.5, "lr": 0.002, "optimiser": "adam"},
    "clip-adapter": TEXT_HEAD | {"ratio": 0.2, "reduction": 4},
    "cross-modal": TEXT_HEAD | {"text_weight": 1.0, "weight_decay": 0.01},
    "lora": LOW_RANK, "dora": LOW_RANK, "lokr": LOW_RANK | {"factor": 8}, "conv-lora": TUNED | {"rank": 8, "alpha": 16.0},
    "adaptformer": TUNED | {"bottleneck": 64, "scale": 0.1}, "adapter": TUNED | {"bottleneck": 64, "kind": "houlsby"},
    "ssf": TUNED, "ia3": TUNED, "bitfit": TUNED, "ln-tune": TUNED, "bn-tune": TUNED,
}  # fmt: skip


@pytest.mark.parametrize("name", DEFAULTS)
def test_a_setting_that_nobody_names(name: str) -> None:
    found = {setting: parameter.default for setting, parameter in method_class(name).settings().items()}
    assert {setting: found[setting] for setting in DEFAULTS[name]} == DEFAULTS[name]


PUBLISHED: dict[tuple[str, str], dict[str, object]] = {
    ("deep-prompt", "uva-a2"): {
        "tokens": 4, "layer": 0, "init": "normal", "head": "text", "epochs": 1000, "lr": 40.0, "batch_size": 128,
        "optimiser": "sgd", "weight_decay": 0.0, "schedule": "cosine", "warmup": 1000,
    },
    ("deep-prompt", "vpt-deep"): {
        "tokens": 50, "layer": 0, "init": "uniform", "head": "linear", "optimiser": "sgd", "epochs": 100, "batch_size": 64,
    },
    ("pixel-prompt", "bahng2022"): {"epochs": 1000, "batch_size": 256},
    ("pixel-prompt", "uva-a2"): {"epochs": 1000, "batch_size": 128},
}  # fmt: skip


@pytest.mark.parametrize(("name", "preset"), PUBLISHED)
def test_a_published_setting(name: str, preset: str) -> None:
    found, expected = method_class(name).presets[preset], PUBLISHED[name, preset]
    assert {setting: found[setting] for setting in expected} == expected


def test_the_precisions_that_laplace_tries() -> None:
    assert pytest.approx([10 ** (-half / 2) for half in (2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)]) == GRID


def test_no_default_has_moved() -> None:
    unmoved(__file__, "coldframe.methods")
