"""What a fitted method answers: logits, probabilities and classes of images, and how many of them are right."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from coldframe.cold import ColdPass
from coldframe.data.anything import Anything
from coldframe.data.base import Split
from coldframe.errors import InputError
from coldframe.measures import tags
from coldframe.methods import answers
from coldframe.methods.contract import Contract

if TYPE_CHECKING:
    from pandas import DataFrame


class Scoring(Contract):
    """The answers of every method; see :class:`coldframe.methods.base.Method`."""

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
