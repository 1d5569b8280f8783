"""All methods with gradients learn through one path: shared settings, one rule for the epoch that is kept."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import KW_ONLY
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest
import torch
from fakes import TinyBackbone, coloured, tiny_clip
from torch import Tensor
from torch.nn import functional

from coldframe.cold import ColdPass, Store
from coldframe.data.base import Split
from coldframe.errors import InputError
from coldframe.methods import method_class
from coldframe.methods.base import Method, Report
from coldframe.methods.few_shot import FewShot
from coldframe.methods.headed import Headed
from coldframe.methods.text_heads import TextHead
from coldframe.methods.trained import Trained
from coldframe.methods.tuned import Tuned
from coldframe.registry import METHODS
from coldframe.types import FEATURES

LAST_BLOCKS = ("lora", "dora", "lokr", "adaptformer", "adapter", "ssf", "ia3", "bitfit", "ln-tune")
CONVOLUTIONS = {"conv-lora", "bn-tune"}
"""Methods that the small transformer does not allow; they learn by the very code of lora and ln-tune."""
BRIEF: dict[str, dict[str, Any]] = {
    "pixel-prompt": {"mapping": "text", "size": 7, "init": "normal", "epochs": 3, "lr": 5.0},
    "deep-prompt": {"depth": "all", "epochs": 3, "lr": 0.5, "head": "linear"},
    "text-prompt": {"tokens": 4, "epochs": 3, "lr": 2.0, "optimiser": "adam"},
    "fine-tune": {"layers": "last-block", "epochs": 3, "lr": 0.1},
    "tip-adapter-f": {"alpha": 20.0, "beta": 3.0, "epochs": 3, "lr": 0.5},
    "clap": {"epochs": 3, "lr": 0.5},
    "taskres": {"epochs": 3, "lr": 0.5},
    "clip-adapter": {"ratio": 0.6, "epochs": 3, "lr": 0.5},
    "cross-modal": {"epochs": 3, "lr": 0.5},
    "attentive-probe": {"epochs": 3, "lr": 0.5},
    "side-network": {"epochs": 3, "lr": 0.5},
    **{name: {"last": 1, "epochs": 3, "lr": 0.02} for name in LAST_BLOCKS},
}
SHARED: tuple[type[Method], ...] = (Trained, FewShot, TextHead, Tuned, Headed)
"""Families whose members take the same settings by name."""
ALONE = {
    "prolip": {"lr", "steps", "template", "augment"}, "transclip": {"neighbours", "rounds", "template"},
    "all-blocks": {"seed"}, "ensemble": {"epochs", "seed"},
}  # fmt: skip
"""Settings that a method outside the families takes by name."""


TRAIN, VAL = coloured(48, 0, "train"), coloured(18, 1, "val")


def test_every_trained_method_has_a_row_here() -> None:
    assert {name for name in METHODS if issubclass(method_class(name), Trained)} == BRIEF.keys() | CONVOLUTIONS


@pytest.mark.parametrize("name", BRIEF)
def test_the_state_before_training_counts_as_epoch_0(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cold = ColdPass(Store(tmp_path))
    make = method_class(name)
    wrong = Split("train", TRAIN.images, (TRAIN.labels + 1) % 3, TRAIN.classes)
    with monkeypatch.context() as patch:
        patch.setattr("coldframe.methods.trained.better", lambda *_: False)
        start = make(tiny_clip(), **BRIEF[name]).fit(wrong, VAL, cold=cold)
    # Validation images that have the labels the start gives: nothing can be better than it.
    agreed = Split("val", VAL.images, start.predict(VAL, cold=cold).numpy(), VAL.classes)
    method = make(start.backbone, **BRIEF[name]).fit(wrong, agreed, cold=cold)
    assert method.choices["epoch"] == 0
    assert max(row["val"] for row in method.history) <= 1.0
    for key, value in start.state().items():
        torch.testing.assert_close(method.state()[key], value, rtol=0, atol=0)
    torch.testing.assert_close(method.logits(VAL, cold=cold), start.logits(VAL, cold=cold), rtol=0, atol=0)


@pytest.mark.parametrize("name", BRIEF)
def test_among_equal_epochs_the_lowest_validation_loss_is_kept(name: str, tmp_path: Path) -> None:
    cold, settings = ColdPass(Store(tmp_path)), BRIEF[name] | {"epochs": 6, "lr": BRIEF[name]["lr"] / 20}
    few = coloured(6, 3, "val")
    method = method_class(name)(tiny_clip(), **settings).fit(TRAIN, few, cold=cold)
    best = max(row["val"] for row in method.history)
    lowest = min((row for row in method.history if row["val"] == best), key=lambda row: row["val_loss"])
    assert method.choices["epoch"] in (0, lowest["epoch"]) and method.choices["chosen on"] == "val"
    if method.choices["epoch"]:
        loss = functional.cross_entropy(method.logits(few, cold=cold), torch.from_numpy(few.labels))
        if name != "tip-adapter-f":
            assert float(loss) == pytest.approx(lowest["val_loss"], rel=1e-5)
    assert all({"val", "val_loss"} <= row.keys() for row in method.history)


class Scaled(Trained):
    """logits = s * features[:K].

    Args:
        backbone: any.
        start: where s starts.
        kind: ``one`` or ``two``.
        lr: of s.
    """

    name: ClassVar[str] = "scaled"
    start: float = 1.0
    kind: Literal["one", "two"] = "one"
    _: KW_ONLY
    lr: float = 0.5

    @property
    def cut(self) -> str:
        return FEATURES

    def warm(self, x: Tensor) -> Tensor:
        return self.factor * x[:, : len(self.classes)].float()

    def state(self) -> dict[str, Tensor]:
        return {"factor": self.factor.detach()}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        self.factor = state["factor"]

    def _fit(self, train: Split, val: Split | None, cold: ColdPass, run: Path | None, report: Report | None) -> None:
        self.factor = torch.tensor([self.start])
        self.learn({"factor": self.factor}, train, val, cold=cold, run=run, report=report)


class Classic(Scaled):
    """A method with a constructor of its own."""

    name: ClassVar[str] = "classic"

    def __init__(self, backbone: Any, start: float = 3.0) -> None:
        super().__init__(backbone, start, epochs=2)


def test_a_new_method_lists_its_own_settings_and_gets_the_shared_ones(tmp_path: Path) -> None:
    backbone = TinyBackbone(width=12)
    method = Scaled(backbone, 2.0, "two", epochs=4, seed=3)
    assert list(method.config())[:2] == ["start", "kind"] and method.config()["seed"] == 3
    assert method.recipe.epochs == 4 and method.lr == 0.5
    assert repr(method).startswith(f"Scaled({backbone!r}, start=2.0, kind='two', ")
    assert method.again(seed=5, nothing=1).config() == method.config() | {"seed": 5}
    method.fit(TRAIN, VAL, cold=ColdPass(Store(tmp_path)))
    assert len(method.history) == 4 and method.state()["factor"].shape == (1,)
    with pytest.raises(InputError, match="expected kind of scaled to be one, two, found 'three'"):
        Scaled(backbone, kind="three")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="Early inherits lr by name"):

        class Early(Trained):
            lr: float = 0.1

    with pytest.raises(TypeError, match="positional"):
        Scaled(backbone, 2.0, "two", 4)  # type: ignore[misc]


def test_a_constructor_of_its_own_is_kept(tmp_path: Path) -> None:
    method = Classic(TinyBackbone(width=12))
    assert method.config() == {"start": 3.0} and method.recipe.epochs == 2 and method.classes == ()
    assert list(Classic.settings()) == ["start"]
    assert isinstance(method.again(start=1.0), Classic)


def test_the_inherited_arguments_are_explained_behind_the_own_ones() -> None:
    text = Scaled.explained()
    assert text.index("start: where") < text.index("lr: of s.") < text.index("epochs: passes")
    assert text.count("    lr: ") == 1
    for name in METHODS:
        kind = method_class(name)
        for setting in kind.settings():
            assert f"\n    {setting}: " in kind.explained(), f"{name} does not explain {setting}"


@pytest.mark.parametrize("name", METHODS)
def test_own_settings_come_first_and_shared_ones_by_name(name: str) -> None:
    kind = method_class(name)
    shared = {setting for base in SHARED if issubclass(kind, base) for setting in base.settings()}
    by_name = {setting for setting, p in kind.settings().items() if p.kind is inspect.Parameter.KEYWORD_ONLY}
    assert by_name == shared | ALONE.get(name, set())
    assert issubclass(kind, Method) and not any(isinstance(p.annotation, str) for p in kind.settings().values())
