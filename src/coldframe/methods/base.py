"""What every way to adapt a frozen model has in common.

A method says at which cut it enters (``cut``), what it does from there (``warm``), and what it learned (``state``). From
these follow training on stored activations, prediction on pixels, scoring, saving and loading.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from coldframe import files
from coldframe.backbones.base import Backbone
from coldframe.cold import ColdPass
from coldframe.data.anything import Anything
from coldframe.data.base import Split
from coldframe.data.joined import Joined
from coldframe.errors import ColdframeError, InputError, ModelError
from coldframe.files import formats
from coldframe.measures import tags
from coldframe.methods import answers
from coldframe.methods.calibrated import HeldOut
from coldframe.methods.settings import Settings
from coldframe.types import digest_of
from coldframe.version import __version__

if TYPE_CHECKING:
    from pandas import DataFrame

Report = Callable[[dict[str, Any]], None]
VALIDATED = "validation.safetensors"
"""Beside a saved run: how sure its answers on the validation images were, whether they were right, how well classes fit."""
THRESHOLDS = "thresholds"
"""Among ``choices``: from which probability each label is given, where images have several."""
CALIBRATION = "calibration"
"""Among ``choices``: the temperature, what it was chosen on and on how many images."""


class Method(Settings, ABC):
    """One way to adapt a frozen backbone. Hyper-parameters go to the constructor, data to the call.

    Settings are annotated fields of the class, kept under their own names, so that the constructor, ``config``, ``repr``, the
    flags of ``coldframe fit`` and plans follow; see :class:`coldframe.methods.settings.Settings`.
    """

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

    @abstractmethod
    def _fit(self, train: Split, val: Split | None, cold: ColdPass, run: Path | None, report: Report | None) -> None:
        """Learn from ``train``; choose on ``val`` where there is one."""

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

    @property
    def needs_val(self) -> tuple[str, str] | None:
        """What is to be chosen on validation images and nowhere else, and what to do without any, as a sentence says both."""
        return None

    def fit(
        self,
        train: Split,
        val: Split | None = None,
        *,
        cold: ColdPass | None = None,
        run: str | Path | None = None,
        report: Report | None = None,
        refit: bool = False,
    ) -> Self:
        """Learn from ``train``; make choices on ``val``, which nothing is learned from unless ``refit`` asks for it.

        Args:
            train: what is learned from.
            val: what choices are made on; without it, methods that choose hold out a part of ``train``.
            cold: how cold activations are computed and kept; the user's store when None.
            run: folder of checkpoints and metrics; an unfinished run found there goes on where it stood.
            report: called with the metrics of each epoch, for methods that have epochs.
            refit: learn once more from ``train`` and ``val`` together, see :meth:`refitted`.

        Returns:
            self.
        """
        held = val if val is not None and len(val) else None
        self.check_data(train, held)
        self.classes = train.classes
        cold, folder = cold or ColdPass(), Path(run) if run is not None else None
        found = self._settings_found(train, held, cold)
        self._fit(train, held, cold, folder, report)
        self.choices |= found
        self.choices["images"] = {"train": len(train), "val": 0 if held is None else len(held)}
        if train.tags is None:
            self.calibrate(train, held, cold)
        else:
            self.choose_thresholds(train if held is None else held, cold)
        if refit and held is not None:
            other = self.refitted(train, held, cold=cold, run=folder, report=report)
            self.load_state({name: value.clone() for name, value in other.state().items()})
            self.choices = other.choices
        return self

    def calibrate(self, train: Split, held: Split | None, cold: ColdPass) -> None:
        """Choose the temperature on ``held``, else on ``train`` where the method has answers without each image itself."""
        logits = self.out_of_sample_logits(train, cold) if held is None else self.logits(held, cold=cold)
        labels = torch.from_numpy((train if held is None else held).labels)
        if held is None and logits is not None:  # an image that is alone in its class is left out by no one who knows the class
            several = torch.bincount(labels)[labels] > 1
            logits, labels = logits[several] if bool(several.any()) else None, labels[several]
        self.keep_held(logits, labels, "left-out training images" if held is None else "validation images")

    def keep_held(self, logits: Tensor | None, labels: Tensor, on: str) -> None:
        """Choose the temperature on logits [N, K] of images that had no part in learning; none where there are no logits."""
        self.validated = None
        self.choices.pop(CALIBRATION, None)
        if logits is not None and bool(torch.isfinite(logits).all()):
            self.validated, divisor = HeldOut.of(logits, labels)
            self.choices[CALIBRATION] = {"temperature": divisor, "on": on, "images": len(labels)}

    def choose_thresholds(self, split: Split, cold: ColdPass) -> None:
        """Choose the probability from which each label is given, with the highest F1 on a split's images."""
        assert split.tags is not None
        self.choices[THRESHOLDS] = [0.5] * len(self.classes)
        found = self.probabilities(self.logits(split, cold=cold))
        self.choices[THRESHOLDS] = tags.thresholds(found, split.tags)
        self.choices["thresholds chosen on"] = split.name

    @property
    def thresholds(self) -> list[float]:
        """The probability from which each label is given [K]; empty where each image has one label."""
        return list(self.choices.get(THRESHOLDS) or [])

    def probabilities(self, logits: Tensor) -> Tensor:
        """Return softmax(logits / T), with the temperature T; where images have several labels, sigmoid(logits)."""
        return logits.sigmoid() if self.thresholds else (logits / self.divisor).softmax(-1)

    def out_of_sample_logits(self, train: Split, cold: ColdPass) -> Tensor | None:
        """Return logits of the training images [N, K], none of which had a part in its own; None where there are none."""
        return None

    @property
    def divisor(self) -> float:
        """The temperature that logits are divided by before they become probabilities; 1 where none was chosen."""
        found = self.choices.get(CALIBRATION)
        return float(found["temperature"]) if isinstance(found, dict) else 1.0

    def refitted(
        self, train: Split, val: Split, *, cold: ColdPass | None = None, run: Path | None = None, report: Report | None = None
    ) -> Self:
        """Return a copy that learned from ``train`` and ``val`` together, with all that was chosen kept.

        One rule for all methods: settings that were chosen on ``val`` stay, and a method that is trained by epochs runs the
        number of epochs that was chosen, on the same schedule. Where the start was kept, nothing is learned.

        Args:
            train: what this object learned from.
            val: what its choices were made on.
            cold: see :meth:`fit`.
            run: the folder that was given to :meth:`fit`; the second run keeps its checkpoints in ``refit`` inside.
            report: see :meth:`fit`.
        """
        self._check_fitted()
        labels = np.concatenate([train.labels, val.labels])
        held = None if train.tags is None or val.tags is None else np.concatenate([train.tags, val.tags])
        both = Split("train and val", Joined([train.images, val.images]), labels, self.classes, tags=held)
        other = self.again()
        other.classes = self.classes
        other._refit(self, both, cold or ColdPass(), None if run is None else run / "refit", report)
        other.choices = {**self.choices, "refit on train and val": True}
        other.history, other.validated = self.history, self.validated
        return other

    def _refit(self, chosen: Self, both: Split, cold: ColdPass, run: Path | None, report: Report | None) -> None:
        """Learn from all labelled images with what ``chosen``, a fitted copy, has chosen. Here: nothing was."""
        self._fit(both, None, cold, run, report)

    def _settings_found(self, train: Split, val: Split | None, cold: ColdPass) -> dict[str, Any]:
        """Settle the settings that were left open; return them as ``settled`` and what was tried as ``search``."""
        return {}

    @property
    def settings_tried(self) -> int:
        """Among how many settings the last fit chose on held images; epochs are not counted, 1 means that none was chosen."""
        return int(self.choices.get("settings tried") or max(1, len(self.tried())))

    def tried(self) -> dict[Hashable, tuple[float, float]]:
        """Return (top-1, cross-entropy) on the validation images of everything that was tried in the last fit."""
        return {}

    def adopt(self, fits: Sequence[Self], best: Any) -> None:
        """Take over, as one of several fits on folds, what they chose together, for :meth:`_refit` to learn with.

        Args:
            fits: one per fold.
            best: the candidate of :meth:`tried` that is best over all of them; None where they have none in common.
        """

    def __call__(self, pixels: Tensor) -> Tensor:
        """Map normalised images [B, 3, S, S] to logits [B, K]: the whole network, nothing stored."""
        return self.warm(self.backbone.run(pixels, stop=self.cut))

    @torch.no_grad()
    def logits(self, split: Split, *, cold: ColdPass | None = None, batch_size: int = 64) -> Tensor:
        """Return logits [N, K] of a split in fp32 on the CPU, from stored activations."""
        self._check_fitted()
        activations = (cold or ColdPass()).activations(self.backbone, split, self.cut)
        batches = torch.split(torch.arange(len(split)), batch_size)
        return torch.cat([self.warm(activations.gather(batch)).float().cpu() for batch in batches])

    @torch.no_grad()
    def predict_proba(
        self,
        images: Anything,
        *,
        cold: ColdPass | None = None,
        batch_size: int = 64,
        progress: answers.Progress | None = None,
    ) -> Tensor:
        """Return probabilities [N, K]: softmax(logits / T), with the temperature T that was chosen on validation images.

        Where images have several labels, that of each label by itself.

        Args:
            images: a split, whose stored activations are used; a path, a list of paths, a folder, pictures of Pillow, arrays
                [H, W, 3] or [N, H, W, 3], which are resized and cropped as files are; or a tensor [N, 3, H, W], which is
                taken as it is where H = W = S, the model's resolution, and resized like a file where it is not. Arrays and
                tensors are uint8 or floats in [0, 1].
            cold: the store for a split.
            batch_size: images in one pass; pictures are decoded batch by batch.
            progress: called with (images done, images in all) after each batch.

        Raises:
            DataError: something else was given, or a picture does not decode; the sentence names it.
        """
        self._check_fitted()
        if isinstance(images, Split):
            return self.probabilities(self.logits(images, cold=cold, batch_size=batch_size))
        found = list(self.stream(images, batch_size=batch_size, progress=progress))
        return torch.cat(found) if found else torch.zeros(0, len(self.classes))

    def stream(
        self, images: Anything, *, batch_size: int = 64, progress: answers.Progress | None = None
    ) -> Iterator[Tensor]:
        """Yield probabilities [b, K] batch by batch; of a folder of any size no more than three batches are in memory."""
        self._check_fitted()

        def call(pixels: Tensor) -> Tensor:
            return self.probabilities(self(self.backbone.normalise(pixels)).float()).cpu()

        return answers.stream(call, self.backbone.preprocess, images, batch_size, progress)

    def predict(self, images: Anything, *, cold: ColdPass | None = None, batch_size: int = 64) -> Tensor:
        """Return the most probable class of each image [N], int64, an index of ``classes``; see :meth:`predict_proba`.

        Where images have several labels, whether each has each [N, K].
        """
        found = self.predict_proba(images, cold=cold, batch_size=batch_size)
        return found >= found.new_tensor(self.thresholds) if self.thresholds else found.argmax(-1)

    def predict_frame(
        self, images: Anything, *, abstain: float | None = None, batch_size: int = 64, progress: answers.Progress | None = None
    ) -> DataFrame:
        """Return a data frame of pandas with a row per image: ``path``, ``class``, ``probability``.

        Args:
            images: see :meth:`predict_proba`.
            abstain: wanted share of right answers among those given, in (0, 1]; answers that are less sure than the
                :meth:`threshold` for it become None.
            batch_size: images in one pass.
            progress: see :meth:`predict_proba`.

        Raises:
            MissingPackage: pandas is not installed.
        """
        if self.thresholds:
            raise InputError("expected a run of one label per image for one answer each, found several; use predict_proba")
        least = 0.0 if abstain is None else self.threshold(abstain)
        held = answers.named(images, self.backbone.preprocess.size)
        probabilities = torch.cat(list(self.stream(held, batch_size=batch_size, progress=progress)))
        return answers.frame(held, probabilities, self.classes, least)

    def threshold(self, precision: float) -> float:
        """Return the smallest probability from which on a share of at least ``precision`` of the answers on ``val`` was right.

        The answers are those given before the validation images joined the training images, where they did.

        Raises:
            InputError: there are no validation answers, or no threshold reaches the precision.
        """
        return answers.threshold(self.validated, precision, self.name)

    def score(self, split: Split, *, cold: ColdPass | None = None) -> float:
        """Return top-1 accuracy on a split, or mAP where images have several labels, a fraction.

        Raises:
            InputError: its classes are others, or it has one label per image and several were learned, or the other way round.
        """
        self.check_classes(split.classes)
        self.check_targets(split)
        if split.tags is not None:
            return tags.mean_average_precision(self.predict_proba(split, cold=cold), split.tags) or 0.0
        return float((self.predict(split, cold=cold) == torch.from_numpy(split.labels)).float().mean())

    def check_targets(self, split: Split) -> None:
        """Refuse images with several labels where one was learned, and the other way round."""
        if (split.tags is not None) != bool(self.thresholds):
            one, other = ("several labels", "one") if self.thresholds else ("one label", "several")
            raise InputError(f"expected {one} per image for this {self.name}, found {other}; fit it on data of this kind")

    def check_classes(self, classes: Sequence[str]) -> None:
        """Refuse data whose classes are not the ones that were learned."""
        self._check_fitted()
        if tuple(classes) == self.classes:
            return
        if len(classes) != len(self.classes):
            raise InputError(
                f"expected data with the {len(self.classes)} classes that {self.name} learned, "
                f"found {len(classes)} classes; fit it on this data, or evaluate it on data of the same classes"
            )
        mine, theirs = next((a, b) for a, b in zip(self.classes, classes, strict=True) if a != b)
        raise InputError(
            f"expected the classes that {self.name} learned, in their order, found {theirs!r} in the place of {mine!r}; "
            "give the class names with --classes"
        )

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

    def save(self, folder: str | Path) -> Path:
        """Write ``adaptation.safetensors`` and ``adaptation.json``: what was learned, never the backbone."""
        self._check_fitted()
        folder = Path(folder)
        state = self.state()
        files.write_safetensors(folder / "adaptation.safetensors", state)
        about = formats.Adaptation(
            coldframe=__version__,
            method=self.name,
            config=self.config(),
            backbone=formats.Weights(self.backbone.name, self.backbone.digest),
            preprocess=self.backbone.preprocess.as_dict(),
            classes=list(self.classes),
            choices=self.choices,
            state={name: list(tensor.shape) for name, tensor in state.items()},
        )
        files.write_json(folder / "adaptation.json", formats.plain(about))
        if self.validated is not None:
            files.write_safetensors(folder / VALIDATED, self.validated.tensors())
        return folder

    def restore(self, classes: Sequence[str], state: Mapping[str, Tensor], where: str | Path) -> None:
        """Take over classes and tensors that were read from a file.

        Raises:
            ModelError: they do not belong to these settings; the sentence names ``where``.
        """
        said = f"{where} is damaged: its tensors do not belong to its settings and classes; fit it again"
        self.classes = tuple(classes)
        try:
            self.load_state({name: tensor.to(self.backbone.device) for name, tensor in state.items()})
            found = {name: tensor.shape for name, tensor in self.state().items()}
            side = self.backbone.preprocess.size
            blank = torch.zeros(1, 3, side, side, device=self.backbone.device, dtype=self.backbone.dtype)
            with torch.inference_mode():
                sound = self(blank).shape == (1, len(self.classes))
        except ColdframeError:
            raise
        except (LookupError, TypeError, ValueError, RuntimeError, AttributeError) as error:
            raise ModelError(said) from error
        if not sound or found != {name: tensor.shape for name, tensor in state.items()}:
            raise ModelError(said)

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


def holdout(train: Split, share: float = 0.2, seed: int = 0) -> tuple[Split, Split]:
    """Split a training set by class into two, for methods that must choose and were given no validation images."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.from_numpy(train.labels)
    kept, held = [], []
    for label in torch.unique(labels):
        rows = (labels == label).nonzero().flatten()
        rows = rows[torch.randperm(len(rows), generator=generator)]
        count = round(share * len(rows))
        held.append(rows[:count])
        kept.append(rows[count:])
    return (
        train.subset(torch.cat(kept).sort().values.numpy()),
        train.subset(torch.cat(held).sort().values.numpy(), "held-out train"),
    )
