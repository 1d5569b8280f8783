"""Numbers on the command line: one set of types for every option of every verb, each with the range that it accepts.

The ranges themselves are those of :mod:`coldframe.values`, so that a constructor says the same sentence.
"""

from __future__ import annotations

from typing import Annotated, Any

from cyclopts import Parameter

from coldframe import values
from coldframe.values import Number


def _option(number: Number) -> Parameter:
    return Parameter(converter=number, allow_leading_hyphen=True)


Seed = Annotated[int, _option(values.SEED)]
"""Of a generator."""
Seeds = Annotated[int, _option(values.SEEDS)]
"""How many seeds."""
Count = Annotated[int, _option(values.COUNT)]
"""How many of what there is: more than there are is all of them."""
Shown = Annotated[int, _option(values.SHOWN)]
"""Pictures in one figure, or none."""
Limit = Annotated[int, _option(values.LIMIT)]
"""Lines of a list, each of which takes a moment to find out."""
Pictures = Annotated[int, _option(values.PICTURES)]
"""Pictures drawn by a model into one sheet."""
Side = Annotated[int, _option(values.SIDE)]
"""Pictures along a side of a sheet."""
Length = Annotated[int, _option(values.LENGTH)]
"""Steps of a walk."""
Steps = Annotated[int, _option(values.STEPS)]
"""How often something is repeated."""
Top = Annotated[int, _option(values.TOP)]
"""How many lines or pictures are shown."""
Epochs = Annotated[int, _option(values.EPOCHS)]
"""Passes over the training images."""
Batch = Annotated[int, _option(values.BATCH)]
"""Images in one forward pass."""
Place = Annotated[int, _option(values.PLACE)]
"""A number that names one of several things, from 0."""
Places = Annotated[list[int], _option(values.PLACE)]
"""Several of these."""
Seconds = Annotated[float, _option(values.SECONDS)]
"""A span of time."""
Points = Annotated[float, _option(values.POINTS)]
"""A difference of accuracies in points of a hundred."""
Fraction = Annotated[float, _option(values.FRACTION)]
"""A share, from 0 to 1."""
Gigabytes = Annotated[float, _option(values.GIGABYTES)]
"""A size on disk."""


def option(name: str, annotation: Any) -> Any:
    """Return the annotation of a foreign argument with the number type that its name and type ask for.

    Args:
        name: of the argument, such as ``"epochs"``.
        annotation: its resolved type; anything without numbers is returned as it is.
    """
    number = values.number_of(name, annotation)
    return annotation if number is None else Annotated[annotation, _option(number)]
