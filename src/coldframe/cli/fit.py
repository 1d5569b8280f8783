"""``coldframe fit METHOD``: the flags of a method are its constructor's arguments."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Group, Parameter

from coldframe.cli import common, numbers, shared, spread

EVERY = {
    "data": "Data spec, such as mini:cifar10 or folder:PATH.",
    "out": "Folder for what is learned, its result and its checkpoints.",
    "model": "Model id; 'coldframe models' lists what can be loaded.",
    "shots": "Training images per class; by default all.",
    "seed": "Decides the split, the order of the images and where training starts; by default the preset's, else 0.",
    "preset": "Published settings to start from; settings given beside it win.",
    "classes": "Class names in place of the data's own: a,b,c or a file of lines.",
    "tensorboard": "Write curves for TensorBoard (extra track).",
    "base_to_new": "Learn the first half of the classes and measure on both halves.",
    "refit": "Learn again from training and validation images together once the choices are made.",
    "json": "Print the result as JSON and nothing else.",
}
"""What every method's command line has in common -> its line in the help; the rest is in :mod:`coldframe.cli.shared`."""


def fit(
    method: Annotated[str, Parameter(allow_leading_hyphen=True, help="The method's name.")] = "",
    /,
    *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
) -> None:
    """Fit one method, evaluate it, save what it learned; 'coldframe fit METHOD --help' lists the method's own settings."""
    from coldframe import registry
    from coldframe.errors import InputError

    if not method or method in ("--help", "-h"):
        print("Usage: coldframe fit METHOD --data SPEC --out DIR [--model ID] [settings of the method]\n")
        print("Methods: " + ", ".join(registry.METHODS))
        print("'coldframe fit METHOD --help' lists a method's settings.")
        if not method:
            raise InputError("expected the name of a method after 'coldframe fit', found none")
        return
    spread.hush()
    method_app(method)(tokens, exit_on_error=False, print_error=False)


def method_app(method: str) -> App:
    """Return the command line of one method: the options of every fit, and those of its constructor.

    Raises:
        InputError: no method has this name.
    """
    from coldframe.methods import method_class

    kind = method_class(method)
    hints = inspect.get_annotations(_fit, eval_str=True)
    every = [p.replace(annotation=hints[name]) for name, p in inspect.signature(_fit).parameters.items()]
    of_all = [
        p.replace(annotation=Annotated[p.annotation, Parameter(help=EVERY[p.name])]) if p.name in EVERY else p
        for p in every
        if p.name not in ("kind", "settings") and (p.name != "shard_weights" or method == spread.SPREAD)
    ]
    group = Parameter(group=Group(f"Settings of {method}", sort_key=0))
    own = [
        p.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=Annotated[numbers.option(name, p.annotation), group])
        for name, p in kind.settings().items()
        if name not in {q.name for q in of_all}
    ]

    def call(**arguments: Any) -> None:
        settings = {p.name: arguments.pop(p.name) for p in own if p.name in arguments}
        whole = {name: bool(arguments.get(name)) for name in ("refit", "base_to_new")}
        sharded = bool(arguments.pop("shard_weights", False))
        with spread.processes(kind.name, arguments.pop("device", None), sharded, **whole) as device:
            _fit(kind, settings, **arguments, device=device)

    call.__signature__ = inspect.Signature([*of_all, *own])  # type: ignore[attr-defined]
    call.__annotations__ = {p.name: p.annotation for p in [*of_all, *own]}
    call.__doc__ = common.plain(kind.explained())
    app = App(
        name=f"coldframe fit {method}", help_format="plaintext", version_flags=[], suppress_keyboard_interrupt=False,
        default_parameter=Parameter(negative_iterable=(), json_list=False),
    )  # fmt: skip
    app.default(call)
    app["--help"].show = False  # else it stands in a frame of its own
    return app


def _fit(
    kind: Any,
    settings: dict[str, Any],
    *,
    data: str,
    out: Path,
    model: str = "pocket",
    fit_: shared.Square = None,
    shots: numbers.Count | None = None,
    seed: numbers.Seed | None = None,
    preset: str | None = None,
    classes: str | None = None,
    on_error: shared.OnError = "raise",
    device: shared.Device = None,
    precision: shared.Precision = "fp32",
    storage: shared.Storage = "fp32",
    budget_gb: shared.BudgetGb = None,
    batch: shared.Frozen = 64,
    engine: shared.Engine = "eager",
    download: shared.Download = False,
    tensorboard: bool = False,
    base_to_new: bool = False,
    refit: bool = False,
    shard_weights: shared.ShardWeights = False,
    json: bool = False,
) -> None:
    from coldframe.backbones import load_backbone
    from coldframe.cli.live import Terminal
    from coldframe.methods import protocols
    from coldframe.training.ranks import here
    from coldframe.verbs.fit import fit_one
    from coldframe.verbs.watch import Watch

    backbone = load_backbone(model, device=common.device_name(device), dtype=precision, download=download, fit=fit_)
    names = common.class_names(classes)
    seed = protocols.seed_of(kind, preset, seed)
    dataset, left = protocols.load_as(
        kind, preset, data, shots=shots, seed=seed, classes=names, on_error=on_error, download=download, several=True
    )
    first = here().first  # among processes that share the training, the one that prints
    if left and first:
        print(left, file=sys.stderr)
    if "seed" in kind.settings():
        settings["seed"] = seed
    method = kind.preset(preset, backbone, **settings) if preset else kind(backbone, **settings)
    watch = Watch() if json or not first else Terminal()
    cold = common.cold_pass(storage, budget_gb, batch, engine)
    method.tensorboard = tensorboard
    if base_to_new:
        from coldframe.verbs import base_to_new as verb

        found = verb.base_to_new(method, dataset, out, cold=cold, watch=watch)
        if isinstance(watch, Terminal):
            watch.stop()
        if json:
            common.print_json([outcome.to_json() for outcome in found.outcomes])
        else:
            common.say_all([*found.lines(), f"saved: {out}"])
        return
    before = " in place of the run that was there" if (out / "result.json").exists() else ""
    row = fit_one(method, dataset, out, cold=cold, watch=watch, tensorboard=tensorboard, refit=refit)
    if isinstance(watch, Terminal):
        watch.stop()
    if row is None:
        return
    common.print_row(row, json=json)
    if not json:
        common.say(f"saved: {out}{before}")
