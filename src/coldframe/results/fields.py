"""Every number of a row, once: its name in files, its heading, its meaning, how it is written, and how it is measured.

Rows, their means over seeds, the check of what is read from a file, columns, CSV, the terminal and the page's legend all follow
this list. A new measure is its function in ``measures`` and one line here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from coldframe.measures import ece, mean_per_class, top1, top5
from coldframe.results import wording
from coldframe.results.trusted import TRUSTED

Show = Callable[[float | None, float | None], str]
"""(mean over seeds, half of the 95% interval or None) -> the text of a cell."""


@dataclass(frozen=True)
class Field:
    """One number of a row.

    Args:
        name: in ``results.json`` and CSV.
        title: heading of its column; empty for none.
        meaning: what it says, for a reader who has never seen the tool.
        kind: ``"fraction"`` in [0, 1], an ``"amount"`` of 0 or more, or a ``"correlation"`` in [-1, 1].
        weight: columns of the lowest weight go first where room is short.
        format: how a cell says it.
        optional: whether a row has it only where it was asked for.
        strength: the attribute of :class:`~coldframe.results.parts.About` that the heading ends with.
        measure: (probabilities [N, K], labels [N]) -> its value; None for what a verb measures otherwise.
        section: the part of the page that shows it with its interval; empty for a column of the table.
    """

    name: str
    title: str
    meaning: str
    kind: Literal["fraction", "amount", "correlation"]
    weight: int
    format: Show
    optional: bool = False
    strength: str = ""
    measure: Callable[[Any, Any], float | None] | None = None
    section: str = ""


def alone(show: Callable[[float | None], str]) -> Show:
    """Return a format that leaves the interval out."""
    return lambda mean, half: show(mean)


PLAIN = alone(wording.percent)
_AMOUNTS = (wording.plain_number,)

TRUST = tuple(
    Field(name, title, meaning, "amount" if show in _AMOUNTS else "fraction", 0, alone(show), optional=True, section=section)
    for section, name, title, meaning, show in TRUSTED
)
"""What says whether answers can be believed: sections of the page, no columns of the table."""

FIELDS: tuple[Field, ...] = (
    Field("top1", "top-1", "percent of test images whose first answer is right, ± the 95% interval over seeds",
          "fraction", 99, wording.percent, measure=top1),
    Field("val_top1", "", "top-1 on the validation images, which choices were made on", "fraction", 0, PLAIN, optional=True),
    Field("top5", "top-5", "percent of test images whose true class is among the first five answers",
          "fraction", 3, PLAIN, measure=top5),
    Field("mean_per_class", "per class", "top-1 averaged over classes, so that small classes count as much as large ones",
          "fraction", 8, PLAIN, measure=mean_per_class),
    Field("map", "mAP", "mean over labels of average precision: how far each label ranks the images that have it before others",
          "fraction", 99, wording.percent, optional=True),
    Field("micro_f1", "micro F1", "F1 over all labels together, each given from a threshold that validation images chose",
          "fraction", 9, PLAIN, optional=True),
    Field("macro_f1", "macro F1", "mean over labels of F1, so that rare labels count as much as frequent ones",
          "fraction", 8, PLAIN, optional=True),
    Field("kappa", "kappa", "quadratic weighted kappa of ranks: 1 all right, 0 as chance, far answers count most",
          "correlation", 8, alone(wording.plain_number), optional=True),
    Field("spearman", "Spearman", "rank correlation of expected and true ranks",
          "correlation", 4, alone(wording.plain_number), optional=True),
    Field("rank_error", "ranks off", "mean distance of answers from true ranks",
          "amount", 8, alone(wording.plain_number), optional=True),
    Field("clean_top1", "clean, same",
          "clean top-1 of the same test images that were disturbed; compare the next columns with this one",
          "fraction", 7, PLAIN, optional=True),
    Field("noise_top1", "noise", "top-1 after Gaussian noise of this standard deviation is added to the test images",
          "fraction", 7, PLAIN, optional=True, strength="noise"),
    Field("corruption_top1", "corrupted", "top-1 over corrupted test images: blur, weather, compression and the like",
          "fraction", 6, PLAIN, optional=True),
    Field("robust_top1", "attacked",
          "top-1 after an attack has changed every value of the test images by at most this much, against each method itself",
          "fraction", 7, PLAIN, optional=True, strength="attack"),
    Field("fooled", "", "share of the right answers that an attack turns wrong", "fraction", 0, PLAIN, optional=True),
    Field("ece", "ECE",
          "expected calibration error: how far stated confidence is from being right that often, before temperature scaling",
          "fraction", 5, alone(wording.decimal), measure=ece),
    Field("train_seconds", "training",
          "time to learn, once the images have gone through the frozen part; - if nothing is learned",
          "amount", 10, alone(wording.seconds)),
    Field("settings_tried", "search",
          "among how many settings the method chose on held images before it was measured, epochs not counted; 1: none chosen",
          "amount", 1, alone(wording.count), optional=True),
    Field("cold_seconds", "", "time of the cold pass that all methods share", "amount", 0, alone(wording.seconds)),
    Field("latency_ms", "latency",
          "time to classify one image: the network, measured once for all its methods, plus what the method adds",
          "amount", 97, alone(wording.milliseconds)),
    Field("latency_processor_ms", "", "processor time to classify one image, which other work on the machine hardly changes",
          "amount", 0, alone(wording.milliseconds), optional=True),
    Field("peak_memory_mb", "memory",
          "peak memory while learning, model and libraries included; on a GPU what its allocator held",
          "amount", 2, alone(wording.megabytes)),
    Field("trainable_parameters", "trained", "how many numbers are learned", "amount", 9, alone(wording.count)),
    Field("stored_bytes", "saved", "size on disk of what was learned", "amount", 96, alone(wording.size)),
    *TRUST,
)  # fmt: skip
"""In the order of the columns."""

IDENTITY = ("method", "model", "data", "seed", "split", "n")
"""What a row is about."""
REQUIRED = (*IDENTITY, *(field.name for field in FIELDS if not field.optional))
"""What every row of ``results.json`` has; None where it was not measured."""
OPTIONAL = tuple(field.name for field in FIELDS if field.optional)
FRACTIONS = tuple(field.name for field in FIELDS if field.kind == "fraction")
CORRELATIONS = tuple(field.name for field in FIELDS if field.kind == "correlation")
MEASURED = (*REQUIRED[len(IDENTITY) :], *OPTIONAL)


def measured(probabilities: Any, labels: Any) -> dict[str, float | None]:
    """Return every field that follows from probabilities [N, K] and labels [N], by name."""
    return {field.name: field.measure(probabilities, labels) for field in FIELDS if field.measure is not None}
