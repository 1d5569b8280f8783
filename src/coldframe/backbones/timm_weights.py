"""Weights into a timm network, through timm's own filters: those of a zoo, and those that people saved themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import timm
from torch import Tensor, nn

from coldframe.backbones import timm_folder
from coldframe.backbones.checkpoint import drawn, misfit, unfit
from coldframe.backbones.ids import ModelId
from coldframe.backbones.options import built
from coldframe.backbones.timm_folder import Described
from coldframe.backbones.unwrapped import fitting, headless
from coldframe.errors import ModelError

_SIZE = "?size=S with the pixels on a side that they shall have; positions are then resampled as timm does"


def network(name: str, **settings: Any) -> nn.Module:
    """Build a timm network with drawn weights, the same each time."""
    net: nn.Module = drawn(lambda: timm.create_model(name, pretrained=False, **settings))
    return net


def loaded(
    about: Described, asked: ModelId, state: dict[str, Tensor], source: str, settings: Mapping[str, Any]
) -> nn.Module:
    """Build the network and load named tensors through timm's own filter; K follows a local file's classifier."""
    overlay: dict[str, Any] = {"custom_load": False}
    made = dict(settings)
    if asked.checkpoint is not None:
        state, made = _headed(about, asked, dict(state), source, made)
        if made.get("num_classes", about.config.get("num_classes")) != about.config.get("num_classes"):
            overlay["num_classes"] = made["num_classes"]
    overlay["state_dict"] = dict(state)
    chosen = {"pretrained_cfg": about.config} if timm_folder.is_outside(asked) else {}
    try:
        net: nn.Module = timm.create_model(about.name, pretrained=True, pretrained_cfg_overlay=overlay, **chosen, **made)
    except (RuntimeError, KeyError, AttributeError, AssertionError, TypeError, ValueError) as error:
        wrong = misfit(built(network, about.name, made).state_dict(), state) or str(error).splitlines()[0]
        raise ModelError(unfit(source, asked.trained, wrong)) from error
    getattr(net, "pretrained_cfg", {}).pop("state_dict", None)
    return net


def _headed(
    about: Described, asked: ModelId, state: dict[str, Tensor], source: str, settings: dict[str, Any]
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return a local file's tensors under the network's names, and the settings with the number of classes of its head.

    A file without a head, or with one of another kind, gives a network without one.
    """
    own = about.config.get("classifier")
    heads = [own] if isinstance(own, str) else [str(name) for name in own or ()]
    expected = built(network, about.name, settings).state_dict()
    state = fitting(state, expected, source)
    head = state.get(f"{heads[0]}.weight") if heads else None
    if head is not None and head.shape[0] != about.config.get("num_classes"):
        settings["num_classes"] = int(head.shape[0])
    last = [name for name in expected if name.rpartition(".")[0] in heads]
    bare = headless(state, expected, last, tuple(f"{head}." for head in heads), f"{source} is none of {asked.trained}")
    if bare is not None:
        state, settings["num_classes"] = bare, 0
    expected = built(network, about.name, settings).state_dict()
    wrong = [name for name, tensor in state.items() if name in expected and expected[name].shape != tensor.shape]
    moved = [name for name in wrong if "pos" in name or "relative" in name]
    if wrong and (moved != wrong or "img_size" not in settings):  # timm would resample positions without a word
        advice = f" (if only the size of the images differs, add {_SIZE})" if moved == wrong else ""
        raise ModelError(unfit(source, asked.trained, misfit(expected, state)) + advice)
    return state, settings
