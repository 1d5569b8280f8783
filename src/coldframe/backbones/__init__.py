"""Frozen networks, seen as chains of stages with named cuts between them."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_args

from coldframe.errors import InputError, ModelError, nearest
from coldframe.files.own import is_own
from coldframe.machine.lean import put_off_compiler
from coldframe.registry import BACKBONES, resolve
from coldframe.types import Fit

if TYPE_CHECKING:
    import torch

    from coldframe.backbones.base import Backbone

__all__ = ["load_backbone"]

put_off_compiler()  # before any file here imports a zoo


def load_backbone(
    name: str,
    *,
    device: torch.device | str = "cpu",
    dtype: str | None = None,
    pretrained: bool = True,
    checkpoint: str | Path | None = None,
    download: bool = False,
    fit: Fit | None = None,
) -> Backbone:
    """Load a frozen network by its id.

    Ids: ``lite0``, ``lite1``, ``lite2``; ``pocket``; ``open_clip:NAME/TAG`` (without a tag the weights are random),
    ``open_clip:hf-hub:ORG/NAME``, ``open_clip:local-dir:PATH``; ``timm:NAME``, ``timm:hf_hub:ORG/NAME``,
    ``timm:local-dir:PATH``; ``torchvision:NAME`` or ``torchvision:NAME/WEIGHTS``. ``/random`` at the end of an id asks for
    random weights, the same ones each time; ``@PATH`` for those of a local file (safetensors, or any torch file, of which the
    tensors are read and the objects are not). What timm needs to be told comes behind the name or the file:
    ``timm:mobilenetv2_100@PATH?pad_type=same&mean=0.5&std=0.5&resize=256``, ``timm:vit_base_patch16_224?size=384``.

    A name without its zoo will do where only one id has it: ``mobilenetv2_100``.

    ``FILE.py:NAME`` calls NAME of a file of your own, which returns a torch module and its ``Preprocess``.

    Args:
        name: the id.
        device: where the network shall be.
        dtype: ``"fp32"`` (default) or ``"bf16"``, of weights and computing. On a GPU fp32 turns TF32 off in cuDNN, for the
            whole process.
        pretrained: False means the same as ``/random``.
        checkpoint: the same as ``@PATH``.
        download: whether weights that are not on this disk may be fetched; without it the network is never used.
        fit: how pictures become square; the model's own way when None. See :class:`coldframe.types.Preprocess`.

    Returns:
        The network in evaluation mode, with no parameter that requires a gradient.

    Raises:
        ModelError: no such model, or a checkpoint that does not fit it.
        WeightsNotFound: its weights are not on this disk: what, where it looked, how to get it.
        MissingPackage: the package that carries the weights is not installed.

    Example:
        >>> load_backbone("timm:test_vit/random").layers
        6
    """
    from coldframe.backbones.ids import parse

    if is_own(name):
        from coldframe.backbones.module import load_own

        return shaped(load_own(name), fit).to(device, _precision(dtype, device))
    model = parse(name, pretrained=pretrained, checkpoint=checkpoint, download=download)
    if model.zoo not in BACKBONES:
        from coldframe.backbones.short import completed

        whole = completed(model, name)
        model = model if whole is None else whole
    if model.zoo not in BACKBONES:
        raise ModelError(f"unknown model {name!r}{nearest(model.zoo, BACKBONES)} (list models with: coldframe models)")
    if model.options and model.zoo != "timm":
        raise ModelError(f"options behind the ? are for timm's networks, found some in {name!r}; leave them out")
    backbone: Backbone = resolve(BACKBONES, model.zoo, "model")(model)
    return shaped(backbone, fit).to(device, _precision(dtype, device))


def shaped(backbone: Backbone, fit: Fit | str | None) -> Backbone:
    """Return the backbone with another way to make pictures square, a part of its preprocessing and so of every digest."""
    if fit is None or fit == backbone.preprocess.mode:
        return backbone
    if fit not in get_args(Fit):
        raise ModelError(f"expected fit of {', '.join(get_args(Fit))}, found {fit!r}{nearest(fit, get_args(Fit))}")
    changed = copy.copy(backbone)
    changed.preprocess = replace(backbone.preprocess, mode=cast(Fit, fit))
    return changed


def _precision(dtype: str | None, device: Any) -> Any:
    """Return torch's type. On a GPU fp32 means fp32: cuDNN would round the inputs of convolutions to TF32."""
    import torch

    known = {None: torch.float32, "fp32": torch.float32, "bf16": torch.bfloat16}
    if dtype not in known:
        raise InputError(f"expected dtype fp32 or bf16, found {dtype!r}")
    if known[dtype] == torch.float32 and torch.device(device).type == "cuda":
        torch.backends.cudnn.allow_tf32 = False
    return known[dtype]
