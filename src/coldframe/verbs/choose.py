"""Which methods are compared on a model, and what each is called in the table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from coldframe.backbones.base import Backbone
from coldframe.data.base import Dataset
from coldframe.errors import ColdframeError, InputError, ModelError
from coldframe.files.own import is_own
from coldframe.methods import Method, method_class
from coldframe.registry import GROUPS
from coldframe.results.wording import TRANSDUCTIVE

DEFAULT_METHODS = ("zero-shot", "linear-probe", "pixel-prompt", "deep-prompt", "fine-tune")


def distinct(methods: Sequence[Method]) -> list[str | Backbone]:
    """Return the models of methods, each once."""
    found: list[str | Backbone] = []
    for method in methods:
        if not any(method.backbone is known for known in found):
            found.append(method.backbone)
    return found


def methods_for(
    asked: Sequence[str | Method] | None,
    backbone: Backbone,
    options: Mapping[str, Mapping[str, Any]],
    epochs: int | None = None,
    classes: Sequence[str] = (),
    balance: str | None = None,
) -> tuple[list[Method], list[str]]:
    """Return the methods to compare on one model, and a sentence for each default method that it does not allow.

    Args:
        asked: names or objects; None for the default ones that the model allows.
        backbone: the model; objects of other models are left to them.
        options: constructor arguments by method name, or by the name of a group, for those of its members that have them.
        epochs: for every method by name that has them and is given no others in ``options``.
        classes: names of the data's classes.
        balance: the same for what is done about classes of unequal size.

    Raises:
        InputError: nothing is left to compare, or settings that no method takes.
    """
    names, grouped = expanded(asked if asked is not None else DEFAULT_METHODS)
    chosen: list[Method] = []
    skipped: list[str] = []
    for name in names:
        if isinstance(name, Method):
            if name.backbone is backbone:
                chosen.append(name)
            continue
        if (asked is None or name in grouped) and (why := unfit(name, backbone, classes)):
            skipped.append(f"{name} left out: {backbone.name} {why}")
            continue
        kind = method_class(name)
        settings = options.get(name, options.get(kind.name, {}))  # one of the user's own has a file before its name
        settings = _of_groups(options, name, kind) | dict(settings)
        shared = {"epochs": epochs, "balance": balance}
        settings = {word: value for word, value in shared.items() if value is not None and word in kind.settings()} | settings
        try:
            chosen.append(kind(backbone, **settings))
        except (InputError, ModelError) as error:
            if name not in grouped or name in options:
                raise
            skipped.append(f"{name} left out: {error}")
    own = {name for name in names if isinstance(name, str) and is_own(name)}
    groups = {group for group in GROUPS if any(method.name in GROUPS[group] for method in chosen)}
    unknown = set(options) - {method.name for method in chosen} - own - groups
    if unknown:
        raise InputError(f"settings were given for {', '.join(sorted(unknown))}, which is not among the methods compared")
    if not chosen:
        raise InputError("expected at least one method, found none; name some with --methods")
    return chosen, skipped


def _of_groups(options: Mapping[str, Mapping[str, Any]], name: str, kind: type[Method]) -> dict[str, Any]:
    """Return the settings that were given for whole groups and that the method has, such as ``{"peft": {"lr": "auto"}}``."""
    given = [options[group] for group, members in GROUPS.items() if group in options and name in members]
    return {word: value for settings in given for word, value in settings.items() if word in kind.settings()}


def expanded(names: Sequence[str | Method]) -> tuple[list[str | Method], set[str]]:
    """Return methods with groups in the place of which stand their members, each name once, and the names from groups alone."""
    found: list[str | Method] = []
    for name in names:
        members = GROUPS.get(name, (name,)) if isinstance(name, str) else (name,)
        found += [member for member in members if isinstance(member, Method) or member not in found]
    return found, {name for name in found if isinstance(name, str) and name not in names}


def methods_for_all(
    asked: Sequence[str | Method] | None,
    backbones: Sequence[Backbone],
    options: Mapping[str, Mapping[str, Any]],
    epochs: int | None = None,
    classes: Sequence[str] = (),
    balance: str | None = None,
) -> list[tuple[list[Method], list[str]]]:
    """Return for each model what :func:`methods_for` does; one that only some models allow is left out of the others.

    Raises:
        InputError: a method that no model allows, settings that no method takes, or nothing to compare.
    """
    if len(backbones) == 1 or asked is None or any(isinstance(name, Method) for name in asked):
        return [methods_for(asked, backbone, options, epochs, classes, balance) for backbone in backbones]
    able: list[list[str]] = [[] for _ in backbones]
    skipped: list[list[str]] = [[] for _ in backbones]
    names, grouped = expanded(asked)
    for name in [name for name in names if isinstance(name, str)]:
        refusals: list[ColdframeError] = []
        for backbone, mine, left in zip(backbones, able, skipped, strict=True):
            try:
                if name in grouped and (why := unfit(name, backbone, classes)):
                    raise InputError(f"{backbone.name} {why}")
                own = {name: options[name]} if name in options else {}
                methods_for([name], backbone, own, epochs, classes, balance)
                mine.append(name)
            except (InputError, ModelError) as error:
                refusals.append(error)
                left.append(f"{name} left out: {error}")
        if len(refusals) == len(backbones) and name not in grouped:
            raise refusals[0]
    found = []
    for backbone, mine, left in zip(backbones, able, skipped, strict=True):
        own = {name: settings for name, settings in options.items() if name in mine or name not in names}
        found.append((methods_for(mine, backbone, own, epochs, classes, balance)[0] if mine else [], left))
    return found


def check_data(
    chosen: Sequence[tuple[list[Method], list[str]]], datasets: Sequence[Dataset], *, asked: bool
) -> list[tuple[list[Method], list[str]]]:
    """Return the methods of each model that can be fitted on these data sets, as far as it is known before an image is read.

    Args:
        chosen: of each model, its methods, and a sentence for each that was left out.
        datasets: one a seed.
        asked: whether the methods were asked for by name, so that one that no model can fit is refused.

    Raises:
        InputError: a method that was asked for can be fitted on no model, or nothing is left.
    """
    found: list[tuple[list[Method], list[str]]] = []
    refused: dict[str, ColdframeError] = {}
    able: set[str] = set()
    for methods, skipped in chosen:
        fine, left = [], list(skipped)
        for method in methods:
            called = label(method, methods)
            try:
                for dataset in datasets:
                    method.check_data(dataset.train, dataset.val if len(dataset.val) else None)
            except (InputError, ModelError) as error:
                refused.setdefault(called, error)
                left.append(f"{called} left out: {error}")
                continue
            fine.append(method)
            able.add(called)
        found.append((fine, left))
    for called, reason in refused.items():
        if called not in able and (asked or not able):
            raise reason
    return found


def unfit(name: str, backbone: Backbone, classes: Sequence[str] = ()) -> str:
    """Return why a method is left out when none were asked for; empty where it is not."""
    return method_class(name).unfit(backbone, classes)


def label(method: Method, among: Sequence[Method]) -> str:
    """Return the method's name, with what it saw beside train and the settings that tell it from others of the same name."""
    same = [other for other in among if other.name == method.name]
    config = method.config()
    telling = [name for name in config if len({repr(other.config()[name]) for other in same}) > 1]
    parts = [*([TRANSDUCTIVE] if method.transductive else []), *(f"{name}={config[name]}" for name in telling)]
    return f"{method.name} ({', '.join(parts)})" if parts else method.name
