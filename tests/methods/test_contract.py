"""One contract that every method passes: exact on stored activations, saved small, loaded the same, honest about classes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from contracts import check_method
from drawn import same_numbers
from fakes import PREPROCESS, TinyBackbone, coloured, tiny_classifier, tiny_clip

from coldframe.backbones.base import Backbone
from coldframe.cold import ColdPass, Store
from coldframe.data.base import Dataset, Split
from coldframe.errors import InputError
from coldframe.methods import Method, load, method_class
from coldframe.registry import METHODS
from coldframe.verbs.compare import compare

CASES: list[tuple[str, dict[str, Any]]] = [
    ("linear-probe", {}),
    ("linear-probe", {"normalise": "standard", "l2": 1e-3}),
    ("linear-probe", {"normalise": "none", "solver": "ridge"}),
    ("linear-probe", {"at": "block1"}),
    ("linear-probe", {"at": "embed", "solver": "ridge"}),
    ("knn", {}),
    ("knn", {"k": 3, "refit": False}),
    ("fine-tune", {"layers": "head", "epochs": 8, "lr": 0.02}),
    ("fine-tune", {"layers": "last-block", "epochs": 6, "lr": 0.02}),
    ("fine-tune", {"layers": "last-half", "epochs": 6, "lr": 0.02, "augment": "flip"}),
    ("fine-tune", {"layers": "all", "epochs": 6, "optimiser": "sgd", "lr": 0.1}),
    ("fine-tune", {"layers": "first-conv", "epochs": 6, "lr": 0.02, "normalisation": "cifar100"}),
    ("fine-tune", {"layers": "last-block", "epochs": 6, "lr": 0.02, "head": "text", "wise": "auto"}),
    ("pixel-prompt", {"size": 2, "epochs": 25, "lr": 0.3, "optimiser": "adam", "batch_size": 16}),
    ("pixel-prompt", {"kind": "random-patch", "size": 5, "epochs": 25, "lr": 0.3, "optimiser": "adam", "augment": "flip"}),
    ("pixel-prompt", {"mapping": "text", "size": 7, "epochs": 40, "lr": 0.5, "optimiser": "adam", "batch_size": 16}),
    ("deep-prompt", {"epochs": 12, "batch_size": 16}),
    ("deep-prompt", {"layer": 0, "depth": "all", "init": "normal", "epochs": 25, "lr": 0.2, "batch_size": 16}),
    ("deep-prompt", {"layer": 1, "head": "linear", "epochs": 12, "lr": 0.05, "batch_size": 16, "augment": "flip"}),
    (
        "deep-prompt",
        {"depth": "all", "tokens": 3, "init": "normal", "position": "front", "readout": "first", "epochs": 20, "lr": 0.05},
    ),
    ("text-prompt", {"tokens": 8, "epochs": 30, "lr": 0.02, "optimiser": "adam", "weight_decay": 0.0, "batch_size": 16}),
    ("text-prompt", {"words": "a photo of a", "position": "middle", "epochs": 12, "lr": 0.02, "optimiser": "adam"}),
    ("text-prompt", {"tokens": 4, "class_specific": True, "epochs": 12, "lr": 0.02, "optimiser": "adam", "augment": "flip"}),
    ("tip-adapter", {}),
    ("tip-adapter", {"alpha": 50.0, "beta": 3.0, "augment": "flip"}),
    ("gda", {}),
    ("gda", {"choose": "loo", "prior": "text", "augment": "flip"}),
    ("ridge", {"choose": "cv"}),
    ("ridge", {"choose": "loo", "prior": "text"}),
    ("kernel-ridge", {}),
    ("kernel-ridge", {"choose": "loo", "prior": "text", "augment": "flip"}),
    ("ncm", {}),
    ("lp++", {}),
    ("laplace", {}),
    ("clap", {"epochs": 40}),
    ("taskres", {"lr": 0.05, "epochs": 30}),
    ("clip-adapter", {"ratio": 0.6, "lr": 0.01, "epochs": 40, "augment": "flip"}),
    ("cross-modal", {"lr": 0.02, "epochs": 30}),
    ("transclip", {}),
    ("transclip", {"gamma": 0.2, "rounds": 4, "neighbours": 2}),
    ("prolip", {"steps": 60}),
    ("prolip", {"steps": 40, "lr": 1e-2, "hold": 0.0, "augment": "flip"}),
    ("ncm", {"choose": "loo", "prior": "text"}),
    ("lora", {"last": 1, "epochs": 6, "lr": 0.01, "places": "q,v", "dropout": 0.2}),
    ("lora", {"last": "all", "epochs": 6, "lr": 0.01, "head": "normal", "augment": "flip"}),
    ("dora", {"last": 1, "epochs": 6, "lr": 0.01}),
    ("lokr", {"last": 1, "epochs": 6, "lr": 0.01, "factor": 4}),
    ("adaptformer", {"last": 2, "epochs": 6, "lr": 0.01, "bottleneck": 8, "wise": 0.5, "head": "probe"}),
    ("adapter", {"last": 1, "epochs": 6, "lr": 0.01, "bottleneck": 8, "head": "probe"}),
    ("attentive-probe", {"epochs": 10, "lr": 0.01, "augment": "flip"}),
    ("side-network", {"epochs": 12, "lr": 0.01, "head": "probe"}),
    ("all-blocks", {}),
    ("all-blocks", {"penalty": 0.1, "head": "probe"}),
    ("ensemble", {"members": "linear-probe,knn"}),
    ("ssf", {"last": 1, "epochs": 6, "lr": 0.02}),
    ("ia3", {"last": 2, "epochs": 6, "lr": 0.05, "head": "probe"}),
    ("bitfit", {"last": 1, "epochs": 6, "lr": 0.02}),
    ("ln-tune", {"last": 1, "epochs": 6, "lr": 0.02, "wise": "auto"}),
    ("bn-tune", {"last": 2, "epochs": 6, "lr": 0.02}),
    ("conv-lora", {"last": 2, "epochs": 6, "lr": 0.01, "rank": 4}),
    ("tip-adapter-f", {"max_alpha": 30.0, "epochs": 6, "lr": 0.02, "batch_size": 16, "augment": "flip"}),
]


TRAIN, VAL, TEST = coloured(48, 0, "train"), coloured(18, 1, "val"), coloured(30, 2, "test")


TEXT_HEADS = ("lp++", "clap", "taskres", "clip-adapter", "cross-modal", "prolip", "transclip")
LAST_BLOCKS = (
    "attentive-probe", "ensemble", "side-network", "all-blocks", "lora", "dora", "lokr", "adaptformer", "adapter", "ssf",
    "ia3", "bitfit", "ln-tune",
)  # fmt: skip


def network(name: str, settings: dict[str, Any], seed: int = 0) -> Backbone:
    """Return the network that a row is tested on: one with a text tower where the method needs texts."""
    texts = name in ("deep-prompt", "text-prompt", "tip-adapter", "tip-adapter-f", *TEXT_HEADS, *LAST_BLOCKS)
    if name in ("conv-lora", "bn-tune"):
        return tiny_classifier(seed=seed)
    texts = texts or "text" in (settings.get("head"), settings.get("mapping"), settings.get("prior"))
    return tiny_clip(seed) if texts else TinyBackbone(seed, width=12)


def make(name: str, settings: dict[str, Any]) -> Method:
    """Return the method of a row, so that it keeps what it learns even where the start is as good."""
    kind, kept = method_class(name), {"margin": 0.0, "head": "text" if name in LAST_BLOCKS else "normal"}
    if name == "deep-prompt" or name in ("conv-lora", "bn-tune"):
        del kept["head"]
    return kind(network(name, settings), **{key: value for key, value in kept.items() if key in kind.settings()} | settings)


@pytest.mark.parametrize(("name", "settings"), CASES)
def test_contract(name: str, settings: dict[str, Any], tmp_path: Path) -> None:
    other = network(name, settings, seed=5)
    logits = check_method(lambda: make(name, settings), TRAIN, VAL, TEST, tmp_path, other=other)
    # What a method learns from the same images is part of every result that was published with it.
    same_numbers(__file__, "contract", {f"{name} {settings}": logits.softmax(-1)}, 0.01)


def test_every_method_has_its_row() -> None:
    """Zero-shot learns nothing, so that there is nothing for the contract to fit."""
    assert METHODS.keys() - {name for name, _ in CASES} == {"zero-shot"}


OWN = """
from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from coldframe.methods import Method
from coldframe.types import FEATURES


class Nearest(Method):
    \"\"\"The class whose mean feature is nearest.

    Args:
        backbone: the frozen network.
        power: of the distance.
    \"\"\"

    name: ClassVar[str] = "own-nearest"
    power: float = 2.0

    @property
    def cut(self) -> str:
        return FEATURES

    def warm(self, x: Tensor) -> Tensor:
        return -torch.cdist(x, self.means) ** self.power

    def state(self) -> dict[str, Tensor]:
        return {"means": self.means}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        self.means = state["means"]

    def _fit(self, train, val, cold, run, report) -> None:
        features = cold.activations(self.backbone, train, FEATURES).gather(torch.arange(len(train)))
        labels = torch.from_numpy(train.labels)
        self.means = torch.stack([features[labels == k].mean(0) for k in range(len(self.classes))])
"""
"""A method as a user writes it, in a file of the user's own."""


def test_a_method_of_a_users_own_passes_the_contract(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_nearest.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(METHODS, "own-nearest", "own_nearest:Nearest")
    kind = method_class("own-nearest")
    check_method(lambda: kind(TinyBackbone(width=12), power=1.0), TRAIN, VAL, TEST, tmp_path, other=TinyBackbone(5, width=12))
    with pytest.raises(InputError, match="power"):
        kind(TinyBackbone(), power="much")
    found = compare(["own-nearest"], Dataset("colours", TRAIN, VAL, TEST), model=TinyBackbone(width=12), seeds=1,
                    latency=False, cold=ColdPass(Store(tmp_path / "store")))  # fmt: skip
    assert found.groups()[0].label == "own nearest" and found.rows[0]["top1"] > 0.8


def test_the_contract_notices_what_it_is_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each broken promise fails the check, at the place that asks for it."""
    kind = method_class("ncm")

    def checked(name: str) -> None:
        check_method(lambda: kind(TinyBackbone(width=12)), TRAIN, VAL, TEST, tmp_path / name)

    checked("whole")
    plain = kind.warm
    with monkeypatch.context() as patch, pytest.raises(AssertionError):
        patch.setattr(kind, "warm", lambda self, x: plain(self, x) + torch.rand(()))
        checked("random")
    with monkeypatch.context() as patch, pytest.raises(AssertionError):
        patch.setattr(kind, "__call__", lambda self, pixels: Method.__call__(self, pixels * 1.01))
        checked("other pixels")


def test_choices_are_made_on_val_and_say_so(tmp_path: Path) -> None:
    cold = ColdPass(Store(tmp_path))
    wrong = Split("val", VAL.images, (VAL.labels + 1) % 3, VAL.classes)
    honest = make("knn", {"refit": False}).fit(TRAIN, VAL, cold=cold)
    misled = make("knn", {"refit": False}).fit(TRAIN, wrong, cold=cold)
    assert honest.choices["chosen on"] == "val"
    assert misled.choices["path"] != honest.choices["path"]
    alone = make("linear-probe", {}).fit(TRAIN, None, cold=cold)
    assert alone.choices["chosen on"] == "held-out train"


def test_neighbours_with_equal_accuracy_are_chosen_by_the_lower_loss(tmp_path: Path) -> None:
    labels = VAL.labels.copy()
    labels[:2] = (labels[:2] + 1) % 3  # two that no k gets right: every k has 16 of 18, few neighbours are surest
    choices = make("knn", {}).fit(TRAIN, replace(VAL, labels=labels), cold=ColdPass(Store(tmp_path))).choices
    assert {step["val_top1"] for step in choices["path"]} == {choices["path"][0]["val_top1"]}
    assert choices["k"] == min(choices["path"], key=lambda step: step["val_loss"])["k"] > 1


def test_fine_tune_changes_the_layers_that_were_named_and_no_others(tmp_path: Path) -> None:
    cold = ColdPass(Store(tmp_path))
    method = make("fine-tune", {"layers": "block1", "epochs": 1}).fit(TRAIN, VAL, cold=cold)
    names = set(method.state())
    trained = {f"backbone.{part}.{kind}" for part in ("blocks.1", "norm") for kind in ("weight", "bias")}
    assert names == {"head.weight", "head.bias"} | trained
    network = method.network.module.state_dict()  # type: ignore[attr-defined]
    original = TinyBackbone(width=12).module.state_dict()
    for key in original:
        assert torch.equal(network[key], original[key]) == (f"backbone.{key}" not in names), key


def test_head_starts_as_published() -> None:
    method = make("fine-tune", {"layers": "head"})
    method._prepare(1000)  # type: ignore[attr-defined]
    weight = method.linear.weight  # type: ignore[attr-defined]
    assert abs(float(weight.detach().std()) - 0.01) < 3e-4
    assert not method.linear.bias.any()  # type: ignore[attr-defined]


def test_presets_hold_the_published_settings() -> None:
    method = method_class("fine-tune").preset("uva-a2", TinyBackbone())
    config = method.config()
    assert (config["lr"], config["batch_size"], config["epochs"], config["optimiser"]) == (1e-3, 128, 30, "adam")
    assert method.backbone.preprocess.mean == (0.5071, 0.4867, 0.4408)
    assert PREPROCESS.mean != method.backbone.preprocess.mean
    with pytest.raises(InputError, match="uva-a2"):
        method_class("fine-tune").preset("uva", TinyBackbone())


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("linear-probe", {"l2": -1.0}, "above 0"),
        ("linear-probe", {"solver": "svm"}, "logistic, ridge"),
        ("linear-probe", {"at": "block7"}, "no cut 'block7'"),
        ("knn", {"k": 0}, "expected k of knn to be a whole number from 1 to 1,000,000,000 or auto, found 0"),
        ("fine-tune", {"layers": "block9"}, "block9"),
        ("fine-tune", {"epochs": 0}, "epochs"),
        ("fine-tune", {"augment": "mirror"}, "none, flip"),
        ("pixel-prompt", {"size": 8}, "pad of 1 to 7 pixels on images of 16 x 16"),
        ("pixel-prompt", {"kind": "patch", "size": 17}, "patch of 1 to 16 pixels"),
        ("pixel-prompt", {"scale": 0.0}, "scale of pixel-prompt to be a number above 0"),
        ("pixel-prompt", {"kind": "frame"}, "pad, patch, random-patch"),
        ("pixel-prompt", {"mapping": "iterative"}, "no classifier of its own"),
        ("pixel-prompt", {"mapping": "text", "template": "a photo"}, "place of the class"),
        ("deep-prompt", {"layer": 2}, "layer of 0 to 1"),
        ("deep-prompt", {"tokens": 0}, "a whole number from 1"),
        ("deep-prompt", {"layer": 1, "depth": 2}, "depth of 1 to 1"),
        ("deep-prompt", {"template": "a photo"}, "place of the class"),
        ("fine-tune", {"wise": 0.5, "head": "normal"}, "head='probe'"),
        ("fine-tune", {"head": "text", "wise": 1.5}, "from 0"),
        ("text-prompt", {"tokens": 0}, "a whole number from 1"),
        ("text-prompt", {"position": "back"}, "end, middle, front"),
        ("tip-adapter", {"alpha": -1.0}, "alpha"),
        ("gda", {"shrinkage": 0.0}, "shrinkage of gda to be a number above 0"),
        ("gda", {"alpha": float("nan")}, "alpha of gda to be a number from 0"),
        ("ridge", {"penalty": -1}, "penalty of ridge to be a number above 0"),
        ("kernel-ridge", {"beta": float("inf")}, "beta of kernel-ridge to be a number"),
        ("ncm", {"choose": "test"}, "choose of ncm to be auto, loo, cv, val"),
        ("tip-adapter-f", {"max_beta": 0.0}, "max_beta"),
    ],
)
def test_bad_settings_are_one_sentence(name: str, settings: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        make(name, settings)
    assert "\n" not in str(caught.value)


def test_zero_shot_needs_texts() -> None:
    with pytest.raises(InputError, match="no text tower"):
        method_class("gda")(TinyBackbone(), prior="text")
    with pytest.raises(InputError, match="no text tower"):
        make("zero-shot", {}).fit(TRAIN)
    with pytest.raises(InputError, match="template"):
        method_class("zero-shot")(tiny_clip(), template="a photo")
    with pytest.raises(InputError, match="did you mean 'linear-probe'"):
        method_class("linear-prob")


def test_unfitted_methods_refuse(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not been fitted"):
        make("knn", {}).score(TEST)
    with pytest.raises(InputError, match=r"adaptation\.json"):
        load(tmp_path)
