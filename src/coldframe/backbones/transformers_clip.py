"""CLIP checkpoints under the names of the package transformers, as open_clip names and shapes them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from coldframe.errors import ModelError
from coldframe.files.reading import read

_TOWERS = {"text_model.": "transformer.resblocks.", "vision_model.": "visual.transformer.resblocks."}
_BLOCK = {
    "layer_norm1": "ln_1", "layer_norm2": "ln_2", "mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj",
    "self_attn.out_proj": "attn.out_proj",
}  # fmt: skip
_REST = {
    "logit_scale": "logit_scale",
    "text_model.embeddings.token_embedding.weight": "token_embedding.weight",
    "text_model.embeddings.position_embedding.weight": "positional_embedding",
    "text_model.final_layer_norm.weight": "ln_final.weight",
    "text_model.final_layer_norm.bias": "ln_final.bias",
    "vision_model.embeddings.class_embedding": "visual.class_embedding",
    "vision_model.embeddings.patch_embedding.weight": "visual.conv1.weight",
    "vision_model.embeddings.position_embedding.weight": "visual.positional_embedding",
    "vision_model.pre_layrnorm.weight": "visual.ln_pre.weight",
    "vision_model.pre_layrnorm.bias": "visual.ln_pre.bias",
    "vision_model.post_layernorm.weight": "visual.ln_post.weight",
    "vision_model.post_layernorm.bias": "visual.ln_post.bias",
}
_TURNED = {"text_projection.weight": "text_projection", "visual_projection.weight": "visual.proj"}
_LAYER = re.compile(r"(text_model\.|vision_model\.)encoder\.layers\.(\d+)\.(.*)\.(weight|bias)")
_POSITIONS = ("text_model.embeddings.position_ids", "vision_model.embeddings.position_ids")


def is_transformers(state: Mapping[str, Tensor]) -> bool:
    """Whether tensors bear the names that transformers gives a CLIP."""
    return "vision_model.embeddings.patch_embedding.weight" in state


def renamed(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors under open_clip's names: queries, keys and values in one matrix, projections transposed.

    A name that is none of a CLIP's is kept, so that what loads it can say that it is unknown.
    """
    result: dict[str, Tensor] = {}
    for name, tensor in state.items():
        layer = _LAYER.fullmatch(name)
        if name in _POSITIONS:
            continue
        if name in _TURNED:
            result[_TURNED[name]] = tensor.T.contiguous()
        elif layer is None:
            result[_REST.get(name, name)] = tensor
        elif layer[3] in _BLOCK:
            result[f"{_TOWERS[layer[1]]}{layer[2]}.{_BLOCK[layer[3]]}.{layer[4]}"] = tensor
        elif layer[3] == "self_attn.q_proj":
            begin = f"{layer[1]}encoder.layers.{layer[2]}.self_attn."
            parts = [state.get(f"{begin}{which}_proj.{layer[4]}") for which in "qkv"]
            if all(part is not None for part in parts):
                joined = torch.cat([part for part in parts if part is not None])
                result[f"{_TOWERS[layer[1]]}{layer[2]}.attn.in_proj_{layer[4]}"] = joined
        elif layer[3] not in ("self_attn.k_proj", "self_attn.v_proj"):
            result[name] = tensor
    return result


def activation_beside(file: Path) -> bool | None:
    """Return whether ``config.json`` beside a checkpoint says QuickGELU; None where there is none, or it says nothing of CLIP.

    Raises:
        ModelError: it names another activation, or different ones for its two towers.
    """
    path = file.parent / "config.json"
    if not path.is_file():
        return None
    config = read(path, dict[str, Any], remedy="fetch it again")
    if config.get("model_type") != "clip":
        return None
    towers = [tower for key in ("vision_config", "text_config") if isinstance(tower := config.get(key), Mapping)]
    found = {str(tower.get("hidden_act", "quick_gelu")) for tower in towers} or {"quick_gelu"}  # transformers' own default
    if len(found) != 1 or not found <= {"quick_gelu", "gelu"}:
        raise ModelError(f"expected one activation, quick_gelu or gelu, in {path}, found {', '.join(sorted(found))}")
    return found == {"quick_gelu"}
