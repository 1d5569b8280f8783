"""Models outside open_clip's list, in its own layout: ``open_clip_config.json`` beside the weights, in a folder or on a hub."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coldframe.backbones import hub
from coldframe.backbones.ids import HUB, LOCAL, ModelId
from coldframe.errors import ModelError
from coldframe.files.reading import read

CONFIG = "open_clip_config.json"
FILES = (
    "open_clip_model.safetensors", "open_clip_pytorch_model.safetensors", "open_clip_pytorch_model.bin",
    "model.safetensors", "pytorch_model.bin",
)  # fmt: skip
TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "vocab.txt")


@dataclass(frozen=True)
class Outside:
    """A model that open_clip does not list.

    Args:
        folder: what open_clip calls it by: ``local-dir:`` and the folder of its configuration.
        config: the architecture.
        weights: the file of its weights, or None where they are drawn.
        tokenizer: whether the folder holds a tokenizer of its own.
    """

    folder: str
    config: dict[str, Any]
    weights: Path | None
    tokenizer: bool


def is_outside(model: ModelId) -> bool:
    """Whether an id names a folder or a repository instead of a model that open_clip lists."""
    return model.name.startswith((HUB, LOCAL))


def find(model: ModelId) -> Outside:
    """Return where a model lies; of the hub, its cache is looked into and the network used only where the id allows.

    Raises:
        ModelError: the folder is none, or its configuration describes no model.
        WeightsNotFound: configuration or weights are not on this disk.
    """
    if model.name.startswith(HUB):
        repository = model.name.removeprefix(HUB)
        owner, _, name = repository.partition("/")
        if not owner or not name or model.tag:
            raise ModelError(f"expected open_clip:{HUB}ORG/NAME, found {str(model)!r}; name one repository of the hub")
        config = hub.find(str(model), hub=repository, files=(CONFIG,), download=model.download)
    else:
        config = Path(model.name.removeprefix(LOCAL)).expanduser() / CONFIG
        if not config.is_file():
            advice = "name the folder that holds it, or an architecture with open_clip:NAME@FILE"
            raise ModelError(f"expected {CONFIG} in {config.parent}, found none; {advice}")
    found = read(config, dict[str, Any], remedy="fetch it again").get("model_cfg")
    if not isinstance(found, dict) or not all(isinstance(found.get(key), dict) for key in ("vision_cfg", "text_cfg")):
        raise ModelError(f"expected model_cfg with vision_cfg and text_cfg in {config}, found none; fetch it again")
    own = model.name.startswith(LOCAL) and any((config.parent / name).is_file() for name in TOKENIZER)
    return Outside(f"{LOCAL}{config.parent}", found, hub.beside(model, config.parent, FILES), own)


def text_of(config: Mapping[str, Any], key: str) -> str:
    """Return a text of the configuration of the text tower, or an empty one."""
    return str(config["text_cfg"].get(key) or "")
