"""What a table consists of beside its rows: the circumstances, what the figures show, and paired differences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from coldframe.errors import InputError
from coldframe.files.formats import Fraction, Size, Spent
from coldframe.measures.accuracy import as_array, confusion, correct, per_class
from coldframe.measures.calibration import reliability
from coldframe.measures.decision import MARGIN
from coldframe.results.rows import Key, plain

DENSE = 50
"""Above so many classes a confusion is written as one text a row."""
MOST_CLASSES = 20_000
"""Rows of a confusion that are read, at most."""


@dataclass
class About:
    """What stands above the table and below it: the circumstances of all rows. Everything may be left out.

    Args:
        model: the model as a person says it, such as ``"ViT-B-32 (openai)"``.
        parameters: its parameters.
        data: name of the data.
        train: number of training images; ``val`` and ``test`` alike.
        classes: K class names.
        device: such as ``"cpu, 2 threads"``.
        precision: such as ``"fp32"``.
        noise: the strength of ``noise_top1``, such as ``"0.1"``.
        attack: the radius of ``robust_top1``, such as ``"4/255"``.
        splits: how the splits came about, in words.
        choices: on which split choices were made, as a sentence: ``"Chosen on val; test was read once."``
        cold: the cold pass, in words.
        margin: the difference in top-1 that does not matter in practice, a fraction.
        settings: method -> its settings as code.
        digests: what -> digest of weights, data and the like.
    """

    model: str = ""
    parameters: Size | None = None
    data: str = ""
    train: Size | None = None
    val: Size | None = None
    test: Size | None = None
    classes: Sequence[str] = ()
    device: str = ""
    precision: str = ""
    noise: str = ""
    attack: str = ""
    splits: str = ""
    choices: str = ""
    cold: str = ""
    margin: Fraction = MARGIN
    settings: dict[str, str] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)


@dataclass
class Curve:
    """One line of a robustness or training figure.

    Args:
        figure: title of the figure it belongs to, such as ``"Gaussian noise"``; lines of one title are drawn together.
        x: positions.
        y: values; accuracies as fractions.
        x_label: what x is, with its unit.
        y_label: what y is; ``"top-1"`` is drawn in percent.
        kind: ``"robustness"`` or ``"training"``: which part of the page.
        name: added to the method's name where it has several lines.
    """

    figure: str
    x: list[float]
    y: list[float | None]
    x_label: str = ""
    y_label: str = "top-1"
    kind: Literal["robustness", "training"] = "robustness"
    name: str = ""


def training_curves(history: Sequence[dict[str, Any]]) -> list[Curve]:
    """Return loss and validation against epochs, from the metrics of each epoch; none for fewer than two epochs."""
    epochs = [step for step in history if "epoch" in step]
    if len(epochs) < 2:
        return []
    x = [float(step["epoch"]) for step in epochs]
    curves = [Curve("Training loss", x, [step["loss"] for step in epochs], "epoch", "loss", "training")]
    if "val" in epochs[0]:
        curves.append(Curve("Validation", x, [step["val"] for step in epochs], "epoch", "top-1", "training"))
    return curves


@dataclass
class Shown:
    """What one method's figures show, as it stands in ``results.json``.

    Args:
        method: as in the rows; ``model`` and ``data`` too.
        per_class: top-1 of each class, mean over seeds [K]; None for a class without test images.
        confusion: counts summed over seeds [K, K], row true, column predicted.
        sparse: the same as one text a row, in place of it where classes are many; see :func:`sparse`.
        reliability: ``count``, ``confidence``, ``accuracy``, all seeds pooled.
        curves: robustness and training lines.
    """

    method: str
    model: str = ""
    data: str = ""
    per_class: list[float | None] | None = None
    confusion: list[list[Size]] | None = None
    sparse: list[str] | None = None
    reliability: dict[str, list[float | None]] | None = None
    curves: list[Curve] = field(default_factory=list)


@dataclass
class Detail(Shown):
    """What one method's figures show. Build it with :meth:`of`, or leave parts out.

    Args:
        correct: whether each test item is right [S, N]; kept out of the files. For the others see :class:`Shown`.
    """

    correct: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        if self.sparse is not None:
            self.confusion, self.sparse = dense(self.sparse), None

    @property
    def key(self) -> Key:
        """(method, model, data)."""
        return self.method, self.model, self.data

    @classmethod
    def of(
        cls,
        method: str,
        probabilities: Sequence[Any],
        labels: Any,
        *,
        model: str = "",
        data: str = "",
        curves: Sequence[Curve] = (),
    ) -> Self:
        """Return the details of a method from its probabilities, one [N, K] a seed, on the same items with labels [N]."""
        if not probabilities:
            raise InputError(f"expected probabilities of {method} for at least one seed, found none")
        stacked = [np.asarray(per_class(p, labels), dtype=np.float64) for p in probabilities]
        truth = as_array(labels)
        pooled = reliability(np.concatenate([as_array(p) for p in probabilities]), np.tile(truth, len(probabilities)))
        return cls(
            method,
            model,
            data,
            per_class=plain(np.mean(stacked, axis=0)),
            confusion=plain(np.sum([confusion(p, labels) for p in probabilities], axis=0)),
            reliability=asdict(pooled),
            curves=list(curves),
            correct=np.stack([correct(p, labels) for p in probabilities]),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the details as plain values, without ``correct`` and what is None."""
        kept = {f.name: getattr(self, f.name) for f in fields(Shown) if f.name != "curves"}
        if self.confusion is not None and len(self.confusion) > DENSE:
            kept |= {"confusion": None, "sparse": sparse(self.confusion)}
        return dict(plain({k: v for k, v in kept.items() if v is not None} | {"curves": [asdict(c) for c in self.curves]}))


def sparse(counts: Sequence[Sequence[int]]) -> list[str]:
    """Return a matrix as one text a row: ``column:count`` of what is not 0.

    Example:
        >>> sparse([[3, 0, 1], [0, 0, 0]])
        ['0:3 2:1', '']
    """
    return [" ".join(f"{k}:{n}" for k, n in enumerate(row) if n) for row in counts]


def dense(rows: Sequence[str]) -> list[list[int]]:
    """Return the matrix [K, K] of K texts that :func:`sparse` gave. Raises :class:`InputError` for other texts."""
    if len(rows) > MOST_CLASSES:
        raise InputError(f"expected {MOST_CLASSES:,} rows of a confusion at most, found {len(rows):,}; write it again")
    found = [[0] * len(rows) for _ in rows]
    for line, row in zip(found, rows, strict=True):
        for entry in row.split():
            column, _, count = entry.partition(":")
            if not (column.isdecimal() and count.isdecimal() and int(column) < len(rows)):
                raise InputError(f"expected column:count below {len(rows)} columns in a confusion, found {entry!r}")
            line[int(column)] = int(count)
    return found


@dataclass(frozen=True)
class Comparison:
    """A paired difference in top-1, ``a`` minus ``b``, with its 95% interval; see :func:`coldframe.measures.paired`."""

    a: Key
    b: Key
    difference: float
    low: float
    high: float
    n: Size
    p: Fraction | None = None
    seeds: Size = 1
    image_variance: Spent = 0.0
    seed_variance: Spent = 0.0


@dataclass(frozen=True)
class Picture:
    """A picture on the page.

    Args:
        png: its bytes.
        title: what stands under it.
        text: a second, smaller line.
    """

    png: bytes
    title: str
    text: str = ""


@dataclass(frozen=True)
class HardImage:
    """A test image that is wrong with the most confidence.

    Args:
        png: its bytes, some 160 pixels wide.
        true: name of its class.
        predicted: name of the class it was taken for.
        probability: of the predicted class, in [0, 1].
        name: its file.
    """

    png: bytes
    true: str
    predicted: str
    probability: float
    name: str = ""
