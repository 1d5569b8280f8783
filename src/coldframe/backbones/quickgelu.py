"""GELU or QuickGELU: a CLIP runs with either and is right with the one that it was trained with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor

from coldframe.backbones.ids import ModelId
from coldframe.errors import ModelError

OPENAI = {"input_resolution", "context_length", "vocab_size"}
"""Numbers that OpenAI's own files hold beside the weights; all of OpenAI's were trained with QuickGELU."""


def activated(
    model: ModelId, config: Mapping[str, Any], state: Mapping[str, Tensor], listed: Callable[[str], Sequence[str]]
) -> ModelId:
    """Return the id of timm's network with the activation that the weights were trained with: a CLIP's GELU or QuickGELU.

    Args:
        model: as it was asked for.
        config: timm's own settings of it.
        state: its weights.
        listed: the names that timm has for a pattern.

    Raises:
        ModelError: a local file may be either, and neither it nor the name says which.
    """
    plain, _, tag = model.name.partition(".")
    twin = plain.replace("_clip_", "_clip_quickgelu_")
    if twin == plain or "quickgelu" in plain or not listed(twin):
        return model
    noted = any("quickgelu" in str(note).lower() for note in config.get("notes") or ())
    if (tag and noted) or state.keys() >= OPENAI:
        return replace(model, name=f"{twin}.{tag}" if tag else twin)
    if model.checkpoint is not None and not tag:
        other = next(iter(listed(f"{plain}.laion*")), f"{plain}.TAG")
        raise ModelError(
            f"expected {model.checkpoint} to say whether it was trained with QuickGELU, found no sign of it in the weights; "
            f"write timm:{twin}@PATH if it was (OpenAI's, MetaCLIP's and DFN's are), or name a tag that was trained with GELU, "
            f"such as timm:{other}@PATH"
        )
    return model


def corrected(asked: ModelId, built: ModelId) -> str:
    """Return what to say of weights whose activation is not that of the name; empty where it is."""
    return "" if asked.name == built.name else f" (with QuickGELU, as these weights were trained, not as {asked.name} is named)"
