"""What a method says of itself: its cut, its step from there to logits, what it learned, its settings and its names."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import field
from typing import Any, ClassVar, Self

from torch import Tensor

from coldframe.backbones.base import Backbone
from coldframe.data.base import Split
from coldframe.errors import InputError
from coldframe.methods.calibrated import HeldOut
from coldframe.methods.settings import Settings
from coldframe.methods.templates import texts_of
from coldframe.types import digest_of

THRESHOLDS = "thresholds"
"""Among ``choices``: from which probability each label is given, where images have several."""
CALIBRATION = "calibration"
"""Among ``choices``: the temperature, what it was chosen on and on how many images."""


class Contract(Settings, ABC):
    """What has to be known of a method before it is fitted and after; see :class:`coldframe.methods.base.Method`."""

    name: ClassVar[str]
    spoken: ClassVar[str] = ""
    """What people call it; empty where that is its name with spaces for dashes."""
    subject: ClassVar[str] = ""
    """What a sentence calls it, such as ``"the linear probe"``; empty where that is its spoken name."""
    colour: ClassVar[int | None] = None
    """Its place in the palette of figures, the same in every report; None takes the next that is free."""
    trains: ClassVar[bool] = True
    """Whether fitting learns anything from the images."""
    transductive: ClassVar[bool] = False
    """Whether it learns from unlabelled images too, the test images where a verb is given no others; its line says so."""
    crosses: ClassVar[bool] = False
    """Whether fitting chooses something on validation images that :meth:`tried` and :meth:`adopt` know, so that folds can."""
    starts: ClassVar[tuple[Hashable, ...]] = ()
    """Those of :meth:`tried` that leave everything as it was before training."""
    several: ClassVar[bool] = False
    """Whether it can learn and score several labels per image."""
    gradientless: ClassVar[str] = ""
    """Why the gradients of the logits say too little for an attack; empty where the method can be attacked."""
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """Published settings by name, used with :meth:`preset`."""
    protocols: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """What a preset asks of ``load_dataset`` beside its settings; see :func:`coldframe.methods.protocols.load_as`."""

    backbone: Backbone
    classes: tuple[str, ...] = field(default=(), init=False)
    choices: dict[str, Any] = field(default_factory=dict, init=False)
    history: list[dict[str, Any]] = field(default_factory=list, init=False)
    tensorboard: bool = field(default=False, init=False)
    validated: HeldOut | None = field(default=None, init=False)
    """Answers to images that had no part in learning; see :mod:`coldframe.methods.calibrated`."""
    unlabelled: Split | None = field(default=None, init=False)
    """Images whose labels are not known, for a transductive method; given before it is fitted."""

    @property
    @abstractmethod
    def cut(self) -> str:
        """The cut of the backbone that the method enters at."""

    @abstractmethod
    def warm(self, x: Tensor) -> Tensor:
        """Map activations at ``cut`` [B, ...] to logits [B, K]."""

    @abstractmethod
    def state(self) -> dict[str, Tensor]:
        """Return what was learned, by name: all that a saved adaptation holds."""

    @abstractmethod
    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Take over what another object of the same configuration and classes learned."""

    @classmethod
    def preset(cls, name: str, backbone: Backbone, **changes: Any) -> Self:
        """Return the method with published settings. Raises :class:`InputError` for an unknown name."""
        if name not in cls.presets:
            known = ", ".join(cls.presets) or "none"
            raise InputError(f"{cls.name} has no preset {name!r} (known: {known})")
        return cls(backbone, **{**cls.presets[name], **changes})

    @property
    def cuts(self) -> tuple[str, ...]:
        """The cuts at which activations are stored: ``cut``, and those of other settings that are tried first."""
        return (self.cut,)

    @property
    def views(self) -> tuple[str, ...]:
        """The views of a training image that are stored."""
        return ("plain",)

    @property
    def trainable_parameters(self) -> int:
        """Number of learned numbers."""
        return sum(tensor.numel() for tensor in self.state().values())

    @property
    def stored_bytes(self) -> int:
        """Bytes of what a saved adaptation holds beside its settings."""
        return sum(tensor.numel() * tensor.element_size() for tensor in self.state().values())

    def config(self) -> dict[str, Any]:
        """Return the constructor's arguments by name, without the backbone."""
        return {name: getattr(self, name) for name in self.settings()}

    def again(self, **changes: Any) -> Self:
        """Return an unfitted copy with some arguments changed; arguments the method does not have are ignored."""
        config = self.config()
        return type(self)(self.backbone, **{**config, **{name: value for name, value in changes.items() if name in config}})

    def take(self, settings: Mapping[str, Any]) -> None:
        """Change some settings to these; for those that were left open, such as ``lr="auto"``."""
        for name, value in settings.items():
            setattr(self, name, value)

    def key(self, train: Split, val: Split | None) -> str:
        """Return a digest of settings, weights, preprocessing and data: equal keys mean the same run."""
        parts = [split for split in (train, val) if split is not None]
        rows = [[split.images.digest(i) for i in range(len(split))] + split.labels.tolist() for split in parts]
        preprocess = self.backbone.preprocess.as_dict()
        several = [split.tags.astype(int).tolist() for split in parts if split.tags is not None]
        about = [self.name, self.config(), self.backbone.digest, preprocess, train.classes, rows]
        return digest_of([*about, several] if several else about)

    def check_data(self, train: Split, val: Split | None) -> None:
        """Refuse what these settings cannot learn from or choose on, as far as it is known before an image is read.

        Args:
            train: what would be learned from.
            val: what choices would be made on; None where there are no such images.

        Raises:
            InputError: the sentence says what is missing.
        """
        if len(train) == 0:
            raise InputError("expected at least one training image, found none; check the data and --shots")
        if train.tags is not None and not self.several:
            raise InputError(
                f"expected one label per image for {self.name}, found several; choose linear-probe or zero-shot, which score "
                "each label by itself"
            )
        if val is None and self.needs_val:
            what, instead = self.needs_val
            raise InputError(f"expected validation images to choose {what} on, found none; {instead}")
        template = self.config().get("template")
        if template is not None:
            texts_of(template, train.classes)  # prompts by class have texts for each

    @property
    def needs_val(self) -> tuple[str, str] | None:
        """What is to be chosen on validation images and nowhere else, and what to do without any, as a sentence says both."""
        return None

    @property
    def thresholds(self) -> list[float]:
        """The probability from which each label is given [K]; empty where each image has one label."""
        return list(self.choices.get(THRESHOLDS) or [])

    def probabilities(self, logits: Tensor) -> Tensor:
        """Return softmax(logits / T), with the temperature T; where images have several labels, sigmoid(logits)."""
        return logits.sigmoid() if self.thresholds else (logits / self.divisor).softmax(-1)

    @property
    def divisor(self) -> float:
        """The temperature that logits are divided by before they become probabilities; 1 where none was chosen."""
        found = self.choices.get(CALIBRATION)
        return float(found["temperature"]) if isinstance(found, dict) else 1.0

    @property
    def settings_tried(self) -> int:
        """Among how many settings the last fit chose on held images; epochs are not counted, 1 means that none was chosen."""
        return int(self.choices.get("settings tried") or max(1, len(self.tried())))

    def tried(self) -> dict[Hashable, tuple[float, float]]:
        """Return (top-1, cross-entropy) on the validation images of everything that was tried in the last fit."""
        return {}

    def outdoes(self, values: Sequence[float], before: Sequence[float]) -> bool:
        """Return whether a candidate is taken before those of ``starts``, by the top-1 of both in each fold."""
        return True

    def adopt(self, fits: Sequence[Self], best: Any) -> None:
        """Take over, as one of several fits on folds, what they chose together, for :meth:`_refit` to learn with.

        Args:
            fits: one per fold.
            best: the candidate of :meth:`tried` that is best over all of them; None where they have none in common.
        """

    def prompted(self, images: Tensor) -> tuple[Tensor, Tensor] | None:
        """Return what the method adds to images, and the images as the network sees them; None where it adds nothing.

        Args:
            images: [B, 3, S, S] at the model's resolution, uint8.

        Returns:
            The prompt [3, S, S] in units of pixel values in [0, 1], of either sign, and images [B, 3, S, S] in the same units.
        """
        return None

    @classmethod
    def unfit(cls, backbone: Backbone, classes: Sequence[str] = ()) -> str:
        """Return why a comparison leaves the method out where nobody asked for it by name; empty where it does not.

        Args:
            backbone: the model.
            classes: names of the data's classes.

        Returns:
            What follows the model's name in a sentence: ``"has no text tower"``.
        """
        return ""

    def labels_alone(self, classes: Sequence[str]) -> str:
        """Return why the method, once it has learned ``classes``, can score no others, and what to do; empty where it can.

        Asked of the object, fitted or not: its settings decide, not its class.
        """
        return (
            f"{self.name} learns its classes from labels and can score no others; "
            "choose a method that scores texts, such as zero-shot or text-prompt"
        )

    def with_classes(self, classes: Sequence[str]) -> Self:
        """Return a copy that scores other classes with what was learned.

        Raises:
            InputError: the method knows its classes by their labels alone.
        """
        self._check_fitted()
        reason = self.labels_alone(self.classes)
        if reason:
            raise InputError(reason)
        return self._for_names(tuple(classes))

    def _for_names(self, classes: tuple[str, ...]) -> Self:
        """Return a copy that scores other classes; asked only where :meth:`labels_alone` says nothing."""
        raise NotImplementedError

    def _check_fitted(self) -> None:
        if not self.classes:
            raise InputError(f"{self.name} has not been fitted yet; call fit, or load a saved run")

    def __str__(self) -> str:
        """Return the method in a line: settings that differ from the usual ones, and how many classes it has learned."""
        usual = {name: parameter.default for name, parameter in self.settings().items()}
        told = ", ".join(f"{name}={value!r}" for name, value in self.config().items() if value != usual[name])
        state = f"{len(self.classes)} classes" if self.classes else "not fitted"
        return f"{self.name} on {self.backbone.name}{f' ({told})' if told else ''}: {state}"

    def __repr__(self) -> str:
        arguments = "".join(f", {name}={value!r}" for name, value in self.config().items())
        return f"{type(self).__name__}({self.backbone!r}{arguments})"
