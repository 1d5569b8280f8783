"""Label unions: what was learned on one data set, asked about the images and classes of two at once.

A prompt bends the model towards the classes it was learned on. On the union of two label sets the harm shows: images of the
other part are answered with classes of the first. Three numbers a part tell it apart: top-1 among its own classes alone, top-1
among all, and the share of its images that are answered with a class of each other part. A class name that two parts have
carries its part's name in brackets, as in ``dog (cifar10)``, and so does its text.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coldframe.cold import ColdPass
from coldframe.data.base import Dataset, Part, Split
from coldframe.errors import InputError
from coldframe.evaluation.row import Evaluation, evaluate
from coldframe.methods.base import Method


@dataclass(frozen=True)
class PartScore:
    """What happens to the images of one part.

    Args:
        name: of the part.
        n: its images.
        classes: its classes.
        alone: top-1 where only its own classes may be answered.
        union: top-1 where any class may be answered.
        taken: other part -> share of the images that are answered with one of its classes.
    """

    name: str
    n: int
    classes: int
    alone: float
    union: float
    taken: dict[str, float]


def part_scores(logits: Any, labels: NDArray[np.int64], parts: tuple[Part, ...]) -> list[PartScore]:
    """Return the scores of each part that has images.

    Args:
        logits: [N, K] over the classes of the union; among probabilities, those of the other part may all have become 0.
        labels: class indices [N] of the union.
        parts: where the classes of each part lie.
    """
    scores = np.asarray(logits)
    answers = scores.argmax(1)
    found = []
    for part in parts:
        mine = part.holds(labels)
        if not mine.any():
            continue
        alone = part.start + scores[mine, part.start : part.stop].argmax(1)
        taken = {other.name: float(other.holds(answers[mine]).mean()) for other in parts if other is not part}
        found.append(
            PartScore(
                part.name,
                int(mine.sum()),
                part.stop - part.start,
                float((alone == labels[mine]).mean()),
                float((answers[mine] == labels[mine]).mean()),
                taken,
            )
        )
    return found


def for_union(method: Method, dataset: Dataset) -> Method:
    """Return a method that scores all classes of the union: the same where it has learned them, else a copy by their names.

    Raises:
        InputError: the method knows its classes by labels alone and has not learned the union.
    """
    if method.classes == dataset.classes:
        return method
    reason = method.labels_alone(method.classes)
    if not reason:
        return method.with_classes(dataset.classes)
    names = " + ".join(part.name for part in dataset.parts)
    raise InputError(
        f"expected a method that has learned the {len(dataset.classes)} classes of {names} or scores class names, "
        f"found {method.name} with {len(method.classes)}; fit it on {dataset.spec}: {reason}"
    )


def evaluate_union(
    method: Method, dataset: Dataset, split: Split, *, cold: ColdPass | None = None
) -> tuple[Evaluation, list[PartScore]]:
    """Measure a fitted method on a split of joined data: the row over the union, and what happens to each part.

    Args:
        method: fitted on the union, or on anything where it scores classes by their names.
        dataset: joined, with parts.
        split: of that data set.
        cold: the store.

    Returns:
        The evaluation, whose row has the parts under ``parts``, and the scores of the parts.
    """
    able = for_union(method, dataset)
    done = evaluate(able, split, data=dataset.spec, cold=cold)
    scores = part_scores(done.logits.numpy(), split.labels, dataset.parts)
    done.row["parts"] = [asdict(score) for score in scores]
    return done, scores


def lines(scores: list[PartScore]) -> list[str]:
    """Return the scores of the parts in words, one line a part."""
    said = []
    for s in scores:
        lost = "".join(f", taken for {name} {share:.2%}" for name, share in s.taken.items())
        said.append(f"{s.name}: alone {s.alone:.2%}, in the union {s.union:.2%}{lost} ({s.classes} classes, {s.n:,} images)")
    return said
