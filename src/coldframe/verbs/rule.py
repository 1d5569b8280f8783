"""The one rule by which all methods of a table choose their settings, and the sentence that says so."""

from __future__ import annotations

from collections.abc import Mapping

from coldframe.errors import InputError
from coldframe.methods import Method
from coldframe.methods.folds import Rule, settings_for


def ruled(method: Method, choose: Rule) -> Method:
    """Return the method with its own ``choose`` set by the rule of the table.

    Raises:
        InputError: the method was told to choose in another way.
    """
    own = settings_for(method, choose)
    asked = method.config().get("choose", "auto")
    if choose != "val" and asked not in ("auto", own.get("choose", choose)):
        raise InputError(
            f"expected one rule of choice for all methods, found choose={asked} for {method.name} beside --choose {choose}; "
            "leave one of them out"
        )
    return method.again(**own) if own else method


def said(choose: Rule, ways: Mapping[str, str | None], seeds: int) -> str:
    """Return what a table says of its choices.

    Args:
        choose: the rule.
        ways: by method, how it chose; see :func:`coldframe.methods.folds.how`.
        seeds: how many there are.
    """
    read = f"test was read once{' a fit' if seeds > 1 else ''}."
    if choose == "val":
        return f"Choices were made on val; {read}"
    parts = [
        f"{words} ({', '.join(method for method, way in ways.items() if way == words)})"
        for words in dict.fromkeys(way for way in ways.values() if way)
    ]
    rule = "exact leave-one-out where a method has it, else folds" if choose == "loo" else "folds"
    return f"Choices were made by one rule, {rule}, and no image was held out: {'; '.join(parts)}; {read}"
