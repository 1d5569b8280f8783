"""Short names of models: ``mobilenetv2_100`` in place of ``timm:mobilenetv2_100.ra_in1k``."""

from __future__ import annotations

from dataclasses import replace

from coldframe.backbones.ids import ModelId, parse
from coldframe.errors import ModelError

SHOWN = 4
"""Most ids that a sentence names."""


def completed(model: ModelId, text: str) -> ModelId | None:
    """Return the model that a name without its zoo stands for, or None where no zoo has it.

    The name stands for every id ``ZOO:NAME``, ``ZOO:NAME/TAG`` and ``ZOO:NAME.TAG``, in any case of letters. Where weights are
    drawn or come from a file, tags make no difference.

    Args:
        model: what was asked for, taken apart; its zoo is no zoo.
        text: as the user wrote it.

    Raises:
        ModelError: it stands for several, which the sentence names, one of each zoo first; or for one without trained weights.
    """
    from coldframe.backbones.index import indexed

    if model.name or not model.zoo:
        return None
    short = f"{model.zoo}.{model.tag}." if model.tag else f"{model.zoo}."
    named = {entry.id: entry for entry in indexed() if f"{_name(entry.id)}.".startswith(short.lower())}
    found = list(named)
    if model.random or model.checkpoint is not None:
        found = list(dict.fromkeys(name[: name.index(":") + 1 + len(model.zoo)] for name in named))
    if not found:
        return None
    if len(found) > 1:
        first = {name.partition(":")[0]: name for name in reversed(found)}
        shown = list(dict.fromkeys([*reversed(first.values()), *found]))
        more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        raise ModelError(
            f"the name {text!r} stands for several models: {', '.join(shown[:SHOWN])}{more}; give one of them in full "
            f"(coldframe models {model.zoo} lists them)"
        )
    whole, drawn = parse(found[0]), model.random or model.checkpoint is not None
    if not drawn and named[found[0]].random:
        raise ModelError(
            f"no trained weights of {text!r} are known; give a file with {text}@PATH, or take {replace(whole, random=True)} "
            "(random ones)"
        )
    return replace(whole, random=model.random, checkpoint=model.checkpoint, download=model.download, options=model.options)


def _name(full: str) -> str:
    """Return an id without its zoo and in small letters, with a point before its tag."""
    return full.partition(":")[2].lower().replace("/", ".")
