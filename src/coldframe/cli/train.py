"""``coldframe train NETWORK``: a sub-command for each line of ``registry.NETWORKS``, its flags the network's own signature.

A network is a function that trains and returns an :class:`Outcome`. Where it takes ``out``, it writes ``results.json``, figures
and ``report.html`` there; ``--json`` is added here.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Protocol

from cyclopts import App, Parameter

from coldframe import registry
from coldframe.cli import common, numbers
from coldframe.values import spelled

if TYPE_CHECKING:
    from pathlib import Path


class Outcome(Protocol):
    """What a network's function returns."""

    def results(self) -> dict[str, Any]:
        """Return the value of ``results.json``."""

    def __str__(self) -> str:
        """Return what the terminal shows."""


app = App(name="train", help="Train a network built to be understood.")
for _name, (_, _line) in registry.NETWORKS.items():
    # Resolved by __getattr__ below when the sub-command is used, so that the help imports no torch.
    app.command(f"{__name__}:{_name}", name=_name, help=_line)


def __getattr__(name: str) -> Callable[..., None]:
    if name not in registry.NETWORKS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _with_json(registry.resolve({name: registry.NETWORKS[name][0]}, name, "network"))


def _with_json(network: Callable[..., Outcome]) -> Callable[..., None]:
    """Return the verb of a network: its signature and ``--json``."""

    @functools.wraps(network)
    def verb(*arguments: Any, json: bool = False, **options: Any) -> None:
        outcome = network(*arguments, **options)
        if json:
            common.print_json(outcome.results())
            return
        common.say_all(str(outcome).split("\n"))
        folder: Path | None = options.get("out")
        if folder is not None:
            common.say(f"report: {folder / 'report.html'}")

    flag = Annotated[bool, Parameter(negative="", help="Print results.json to stdout and nothing else.")]
    parameters = inspect.signature(network, eval_str=True).parameters.values()
    extra = inspect.Parameter("json", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=flag)
    typed = [p.replace(annotation=_option(p.name, p.annotation)) for p in parameters]
    verb.__doc__ = common.plain(inspect.getdoc(network) or "")
    verb.__signature__ = inspect.Signature([*typed, extra], return_annotation=None)  # type: ignore[attr-defined]
    verb.__annotations__ = {p.name: p.annotation for p in [*typed, extra]} | {"return": None}
    return verb


def _option(name: str, annotation: Any) -> Any:
    """Return the annotation of a network's argument, with the name of its option."""
    typed = numbers.option(name, annotation)
    return Annotated[typed, Parameter(name=spelled(name))] if name == "batch" else typed
