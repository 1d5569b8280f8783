"""A grid of runs as data: what a TOML file or the command line asks of ``sweep``."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import Any

from coldframe import registry
from coldframe.errors import InputError, nearest
from coldframe.files.formats import PlanFile, Published
from coldframe.files.own import is_own
from coldframe.files.reading import read_toml, typed
from coldframe.methods import method_class

Settings = dict[str, Any]


@dataclass(frozen=True)
class Part:
    """One method with some settings fixed and some varied.

    Args:
        method: its name.
        preset: published settings to start from, or None; seeds and splits are the plan's and the data's.
        settings: constructor arguments that stay.
        grid: argument -> values; ``a+b`` varies two arguments together, each value a list of two.
    """

    method: str
    preset: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    grid: Mapping[str, Sequence[Any]] = field(default_factory=dict)

    def cells(self) -> list[Settings]:
        """Return what is varied, one dict a run, the last name of the grid changing fastest."""
        found = []
        for values in itertools.product(*self.grid.values()):
            cell: Settings = {}
            for name, value in zip(self.grid, values, strict=True):
                names = name.split("+")
                parts = [value] if len(names) == 1 else value
                if not isinstance(parts, list | tuple) or len(parts) != len(names):
                    raise InputError(f"expected {len(names)} values together for {name}, found {value!r}")
                cell |= dict(zip(names, parts, strict=True))
            found.append(cell)
        return found


@dataclass(frozen=True)
class Plan:
    """What a sweep runs.

    Args:
        parts: methods with their grids.
        data: data specs; a table each.
        model: a backbone's name.
        seeds: number of seeds.
        shots: training images per class, for all data or by data spec; None for all.
        noise: standard deviations of Gaussian noise on test images.
        published: known results, each with ``data``, ``method``, ``top1`` and settings.
        title: in words.
    """

    parts: tuple[Part, ...]
    data: tuple[str, ...]
    model: str = registry.EMBEDDED
    seeds: int = 1
    shots: int | Mapping[str, int] | None = None
    noise: tuple[float, ...] = ()
    published: tuple[Mapping[str, Any], ...] = ()
    title: str = "Sweep"

    def shots_of(self, spec: str) -> int | None:
        """Return the training images per class of one data set; None for all."""
        return self.shots.get(spec) if isinstance(self.shots, Mapping) else self.shots


def recipes() -> dict[str, Path]:
    """Return the plans that come with the package, by name."""
    folder = Path(str(resources.files("coldframe.recipes")))
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def read(name: str) -> Plan:
    """Return a plan from a TOML file, from a recipe of the package, or an empty one of a method.

    Raises:
        InputError: nothing has this name, or the file is not a plan.
    """
    known = recipes()
    if name in registry.METHODS or is_own(name):
        method_class(name)
        return Plan((Part(name),), (), title=f"A grid of {name}")
    path = known.get(name, Path(name))
    if not path.is_file():
        choices = [*known, *registry.METHODS]
        raise InputError(f"expected a TOML file, a recipe or a method, found {name!r}{nearest(name, choices)}")
    return _plan(read_toml(path, PlanFile), path)


def _plan(text: PlanFile, path: Path) -> Plan:
    if not text.runs:
        raise InputError(f"expected at least one [[runs]] with a method in {path}, found none")
    for number, known in enumerate(text.published):
        typed(known, Published, f"{path}, published {number}", remedy="correct the file", strict=False)
    parts = []
    for run in text.runs:
        if is_own(run.method):
            method_class(run.method)
        elif run.method not in registry.METHODS:
            raise InputError(f"{path} asks for the unknown method {run.method!r}{nearest(run.method, registry.METHODS)}")
        grid = {key: value if isinstance(value, list) else [value] for key, value in run.grid.items()}
        empty = [key for key, value in grid.items() if not value]
        if empty:
            raise InputError(f"expected values for {empty[0]} in a grid of {path}, found an empty list; correct the file")
        parts.append(Part(run.method, run.preset, run.settings, grid))
    return Plan(
        tuple(parts), (text.data,) if isinstance(text.data, str) else tuple(text.data), text.model or registry.EMBEDDED,
        text.seeds, text.shots, tuple(text.noise), tuple(text.published), text.title or path.stem,
    )  # fmt: skip


def grid_of(pairs: Sequence[str]) -> dict[str, list[Any]]:
    """Return ``NAME=V1,V2`` texts as a grid; with ``a+b=1+2,3+4`` two arguments vary together.

    Example:
        >>> grid_of(["tokens=1,8", "position+readout=front+first,back+class"])
        {'tokens': [1, 8], 'position+readout': [['front', 'first'], ['back', 'class']]}
    """
    grid: dict[str, list[Any]] = {}
    for pair in pairs:
        name, equals, values = pair.partition("=")
        if not (name and equals and values):
            raise InputError(f"expected --grid NAME=VALUE,VALUE, such as tokens=1,4,8, found {pair!r}")
        together = "+" in name
        grid[name.replace("-", "_")] = [
            [parsed(part) for part in value.split("+")] if together else parsed(value) for value in values.split(",")
        ]
    return grid


def parsed(text: str) -> Any:
    """Return a value as JSON reads it, or the text itself."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # no JSON, a number of too many digits, or brackets without end
        return text


def changed(plan: Plan, fixed: Mapping[str, Mapping[str, Any]], varied: Mapping[str, Sequence[Any]]) -> Plan:
    """Return the plan with settings of some methods fixed otherwise, and the grid of its only method replaced.

    Args:
        plan: the plan.
        fixed: constructor arguments by method name.
        varied: a grid, or nothing to keep the plan's.

    Raises:
        InputError: a method is not in the plan, or a grid is given to several methods.
    """
    names = [part.method for part in plan.parts]
    for method in fixed:
        if method not in names and all(method_class(name).name != method for name in names):
            raise InputError(f"settings were given for {method}, which is not in the plan ({', '.join(dict.fromkeys(names))})")
    if varied and len(plan.parts) > 1:
        raise InputError(f"expected a plan of one method for --grid, found {len(plan.parts)}; write the grid into a TOML file")
    parts = [
        replace(part, settings={**part.settings, **_of(part, fixed)}, grid=varied or part.grid) for part in plan.parts
    ]
    return replace(plan, parts=tuple(parts))


def _of(part: Part, fixed: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return what is fixed of a part's method, by the name in the plan or by the method's own."""
    return fixed.get(part.method, fixed.get(method_class(part.method).name, {}))
