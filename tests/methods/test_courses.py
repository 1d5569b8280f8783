"""What every method computes on images that are hard to tell apart: its answers, its choices, and how it came to them.

The contract uses colours that any method tells apart, so that most settings end in the same answers. Here labels are partly
wrong, classes are of different sizes, one has a single image, and little is learned: what a method does shows in its numbers.
They are kept in the folder ``drawn``; they tell that something moved, not that it was right before.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import numpy as np
import pytest
from drawn import same_numbers, same_words
from fakes import Pictures, TinyBackbone, tiny_classifier, tiny_clip

from coldframe.backbones.base import Backbone
from coldframe.cold import ColdPass, Store
from coldframe.data.base import Split
from coldframe.methods import method_class
from coldframe.methods.folds import fit_crossed

CLASSES = ("red", "green", "dark blue", "grey")


def hard(sizes: tuple[int, ...], seed: int, name: str) -> Split:
    """Return noise with a little of a colour each; every fifth image has the colour of another class."""
    generator = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(sizes)), sizes).astype(np.int64)
    labels = labels[generator.permutation(len(labels))]
    arrays = []
    for row, label in enumerate(labels):
        picture = generator.integers(0, 190, (18, 18, 3))
        picture[..., (int(label) + (row % 5 == 4)) % 3] += 40
        arrays.append(picture.astype(np.uint8))
    return Split(name, Pictures(arrays), labels, CLASSES[: len(sizes)])


TRAIN, VAL, TEST = hard((9, 7, 5, 1), 0, "train"), hard((4, 4, 3, 1), 1, "val"), hard((3, 3, 2, 1), 2, "test")
SHOTS = hard((1, 1, 1), 3, "train")

CLIP: list[tuple[str, dict[str, Any]]] = [
    ("knn", {}),
    ("linear-probe", {}),
    ("linear-probe", {"solver": "ridge", "at": "block0"}),
    ("laplace", {}),
    ("gda", {}),
    ("ridge", {}),
    ("kernel-ridge", {}),
    ("ncm", {}),
    ("tip-adapter", {}),
    ("lp++", {"steps": 25}),
    ("prolip", {"steps": 7}),
    ("transclip", {"rounds": 3}),
    ("all-blocks", {}),
    ("ensemble", {"members": "knn,linear-probe"}),
]
"""Methods on a network with texts, tried with validation images, with none, and over folds."""

BY_VAL: list[tuple[str, dict[str, Any]]] = [
    ("knn", {"k": 4, "temperature": 0.02}),
    ("linear-probe", {"l2": [0.1, 0.01], "balance": "loss", "normalise": "standard"}),
    ("gda", {"prior": "none"}),
    ("ridge", {"augment": "flip", "choose": "cv"}),
    ("kernel-ridge", {"beta": 2.0, "penalty": 0.3, "augment": "flip"}),
    ("tip-adapter", {"max_alpha": 2.0, "max_beta": 3.0, "choose": "loo", "augment": "flip"}),
    ("tip-adapter", {"alpha": 0.5, "beta": 2.0}),
    ("prolip", {"steps": 5, "lr": 1e-2, "hold": 0.3, "augment": "flip"}),
    ("transclip", {"gamma": 0.1, "neighbours": 2, "rounds": 2, "shots": False}),
    ("all-blocks", {"penalty": 0.3, "head": "normal"}),
    ("taskres", {"epochs": 2, "lr": 0.05, "alpha": 0.7, "warmup": 1}),
    ("clip-adapter", {"epochs": 2, "lr": 0.01, "ratio": 0.6, "reduction": 5}),
    ("cross-modal", {"epochs": 2, "lr": 0.02, "text_weight": 0.4}),
    ("clap", {"epochs": 3, "augment": "flip"}),
    ("tip-adapter-f", {"epochs": 2, "lr": 0.02}),
    ("deep-prompt", {"layer": 0, "depth": 2, "shared": True, "init": "uniform", "epochs": 1, "lr": 0.2, "clip": 0.1}),
    ("deep-prompt", {"layer": 1, "tokens": 3, "epochs": 2, "lr": 0.2, "head": "probe", "optimiser": "sgd", "warmup": 2}),
    ("text-prompt", {"tokens": 3, "epochs": 1, "lr": 0.2, "position": "middle"}),
    ("text-prompt", {"words": "one photo", "epochs": 1, "lr": 0.2, "class_specific": True, "position": "front"}),
    ("pixel-prompt", {"epochs": 1, "lr": 5.0, "size": 3, "scale": 0.6, "init": "normal"}),
    ("pixel-prompt", {"epochs": 1, "lr": 5.0, "kind": "random-patch", "size": 6, "augment": "flip", "seed": 2}),
    ("pixel-prompt", {"epochs": 1, "lr": 5.0, "kind": "patch", "size": 5, "mapping": "linear", "place": "batch"}),
    ("fine-tune", {"epochs": 2, "lr": 0.01, "layers": "last-half", "layer_decay": 0.5, "label_smoothing": 0.2}),
    ("fine-tune", {"epochs": 2, "lr": 0.01, "layers": "all", "head": "text", "wise": "auto", "balance": "sample", "seed": 2}),
    ("lora", {"epochs": 1, "lr": 0.02, "dropout": 0.3, "weight_decay": 0.1, "seed": 2, "last": 1}),
    ("dora", {"epochs": 1, "lr": 0.02, "head": "normal", "last": 1}),
    ("lokr", {"epochs": 1, "lr": 0.02, "factor": 4, "last": 1}),
    ("adaptformer", {"epochs": 2, "lr": 0.02, "bottleneck": 6, "wise": 0.6, "last": 2}),
    ("adapter", {"epochs": 2, "lr": 0.02, "bottleneck": 6, "kind": "pfeiffer", "last": 2}),
    ("ssf", {"epochs": 1, "lr": 0.05, "optimiser": "muon", "last": 2}),
    ("ia3", {"epochs": 1, "lr": 0.1, "schedule": "constant", "last": 2}),
    ("bitfit", {"epochs": 1, "lr": 0.05, "balance": "loss", "last": 2}),
    ("ln-tune", {"epochs": 1, "lr": 0.05, "seed": 3, "last": 2}),
    ("attentive-probe", {"epochs": 2, "lr": 0.05, "queries": 3}),
    ("side-network", {"epochs": 2, "lr": 0.05, "reduction": 4}),
]
"""Settings beyond the usual ones, with validation images."""

CLASSIFIER: list[tuple[str, dict[str, Any]]] = [
    ("conv-lora", {"epochs": 1, "lr": 0.02, "rank": 3, "last": 2}),
    ("bn-tune", {"epochs": 1, "lr": 0.05, "last": 2}),
    ("ssf", {"epochs": 1, "lr": 0.05, "last": 1}),
    ("fine-tune", {"epochs": 1, "lr": 0.01, "layers": "last-conv", "resize": "squash", "normalisation": "cifar10"}),
    ("pixel-prompt", {"epochs": 1, "lr": 5.0, "mapping": "iterative", "sources": 2, "size": 4}),
    ("pixel-prompt", {"epochs": 1, "lr": 5.0, "mapping": "full", "size": 4, "place": "batch", "kind": "random-patch"}),
]
"""Methods on a convolutional network that has a classifier of its own."""

ONE_SHOT: list[tuple[str, dict[str, Any]]] = [
    ("knn", {}), ("gda", {}), ("ridge", {"prior": "none"}), ("kernel-ridge", {"alpha": 0.4}), ("ncm", {}), ("tip-adapter", {}),
    ("prolip", {"steps": 2}), ("clap", {"epochs": 1}), ("all-blocks", {}), ("tip-adapter-f", {"epochs": 1}), ("laplace", {}),
    ("ensemble", {"members": "knn,ncm"}), ("deep-prompt", {"epochs": 1, "layer": 1}),
]  # fmt: skip
"""Methods on one image of each class, of which nothing can be left out or held out."""


@cache
def network(kind: str) -> Backbone:
    return {"clip": tiny_clip, "tiny": lambda: TinyBackbone(width=12), "classifier": lambda: tiny_classifier(9)}[kind]()


@pytest.fixture(scope="module")
def cold(tmp_path_factory: pytest.TempPathFactory) -> ColdPass:
    """Return one store for all, so that each network runs once."""
    return ColdPass(Store(tmp_path_factory.mktemp("courses")))


def numbers(found: Any) -> list[float]:
    """Return every number in what was chosen, in the order of the names, but no seconds."""
    if isinstance(found, dict):
        return [number for name in sorted(found) if name != "seconds" for number in numbers(found[name])]
    if isinstance(found, list | tuple):
        return [number for each in found for number in numbers(each)]
    return [float(found)] if isinstance(found, int | float) else []


def words(found: Any) -> str:
    """Return what was chosen as text, without the numbers."""
    if isinstance(found, dict):
        return "; ".join(f"{name}: {words(found[name])}" for name in sorted(found, key=str))
    if isinstance(found, list | tuple):
        return f"{len(found)} x ({words(found[0])})" if len(found) else "none"
    return found if isinstance(found, str) else type(found).__name__


def kept(about: str, method: Any, cold: ColdPass) -> None:
    """Compare a fitted method with what is kept of it."""
    left_out = method.out_of_sample_logits(TRAIN, cold) if len(method.classes) == 4 else None
    found = {
        "answers": method.logits(TEST, cold=cold).log_softmax(-1),
        "choices": numbers(method.choices), "course": numbers(method.history),
        "sizes": [method.trainable_parameters, method.stored_bytes, method.settings_tried],
    } | ({} if left_out is None else {"left out": left_out})  # fmt: skip
    same_numbers(__file__, "courses", {f"{about}, {name}": values for name, values in found.items()}, 5e-3)
    said = re.sub(r"\d+ of \d+", "some", words(method.choices))
    same_words(__file__, "choices", about, f"{said} | {method}")


def made(name: str, settings: dict[str, Any], kind: str = "clip") -> Any:
    """Return a method that keeps what it learns even where the start is as good."""
    cls = method_class(name)
    return cls(network(kind), **({"margin": 0.0} if "margin" in cls.settings() else {}) | settings)


@pytest.mark.parametrize(("name", "settings"), CLIP)
def test_choices_on_validation_images_and_the_fit_on_both(name: str, settings: dict[str, Any], cold: ColdPass) -> None:
    method = made(name, settings).fit(TRAIN, VAL, cold=cold)
    kept(f"{name} {settings} by val", method, cold)
    kept(f"{name} {settings} refitted", method.refitted(TRAIN, VAL, cold=cold), cold)


@pytest.mark.parametrize(("name", "settings"), CLIP)
def test_choices_without_validation_images(name: str, settings: dict[str, Any], cold: ColdPass) -> None:
    kept(f"{name} {settings} alone", made(name, settings).fit(TRAIN, cold=cold), cold)


@pytest.mark.parametrize(("name", "settings"), BY_VAL)
def test_settings_that_are_asked_for(name: str, settings: dict[str, Any], cold: ColdPass) -> None:
    kept(f"{name} {settings}", made(name, settings).fit(TRAIN, VAL, cold=cold), cold)


@pytest.mark.parametrize(("name", "settings"), CLASSIFIER)
def test_a_network_with_a_classifier(name: str, settings: dict[str, Any], cold: ColdPass) -> None:
    kept(f"{name} {settings} on a classifier", made(name, settings, "classifier").fit(TRAIN, VAL, cold=cold), cold)


@pytest.mark.parametrize(("name", "settings"), ONE_SHOT)
def test_one_image_of_each_class(name: str, settings: dict[str, Any], cold: ColdPass) -> None:
    kept(f"{name} {settings} of one shot", made(name, settings).fit(SHOTS, cold=cold), cold)


@pytest.mark.parametrize(
    ("name", "settings"),
    [("linear-probe", {"solver": "ridge"}), ("knn", {}), ("tip-adapter", {"beta": 2.0}), ("lp++", {"steps": 11}),
     ("prolip", {"steps": 3}), ("transclip", {"rounds": 1, "gamma": 0.1}), ("ridge", {}),
     ("bitfit", {"epochs": 1, "lr": 0.05, "last": 1, "wise": "auto"})],
)  # fmt: skip
def test_choices_over_folds(name: str, settings: dict[str, Any], cold: ColdPass) -> None:
    kept(f"{name} {settings} over folds", fit_crossed(made(name, settings), TRAIN, cold=cold), cold)
