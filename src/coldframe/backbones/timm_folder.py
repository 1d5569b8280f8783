"""Models outside timm's list, in its own layout: ``config.json`` beside the weights, in a folder or on a hub."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import timm

from coldframe.backbones import hub
from coldframe.backbones.ids import HUB, LOCAL, ModelId
from coldframe.errors import ModelError, nearest
from coldframe.files.reading import read

CONFIG = "config.json"
FILES = ("model.safetensors", "pytorch_model.bin")


@dataclass(frozen=True)
class Described:
    """A network as its configuration describes it.

    Args:
        name: timm's name of the architecture.
        config: timm's settings of its weights: input size, mean, classifier.
        settings: what the network is built with besides.
        weights: the file of its weights, or None where they are drawn.
        classes: names of its outputs, or none.
    """

    name: str
    config: dict[str, Any]
    settings: dict[str, Any] = field(default_factory=dict)
    weights: Path | None = None
    classes: tuple[str, ...] = ()


def is_outside(model: ModelId) -> bool:
    """Whether an id names a folder or a repository instead of a network that timm lists."""
    return model.name.startswith((HUB, LOCAL))


def find(model: ModelId) -> Described:
    """Return what a folder or a repository describes; the network is used only where the id allows.

    Raises:
        ModelError: the folder is none, or its configuration describes no network of timm.
        WeightsNotFound: configuration or weights are not on this disk.
    """
    if model.name.startswith(HUB):
        repository = model.name.removeprefix(HUB)
        if repository.count("/") != 1 or repository.endswith("/") or model.tag:
            raise ModelError(f"expected timm:{HUB}ORG/NAME, found {str(model)!r}; name one repository of the hub")
        file = hub.find(str(model), hub=repository, files=(CONFIG,), download=model.download)
    else:
        file = Path(model.name.removeprefix(LOCAL)).expanduser() / CONFIG
        if not file.is_file():
            advice = "name the folder that holds it, or an architecture with timm:NAME@FILE"
            raise ModelError(f"expected {CONFIG} in {file.parent}, found none; {advice}")
    described = _described(read(file, dict[str, Any], remedy="fetch it again"), file)
    return replace(described, weights=hub.beside(model, file.parent, FILES))


def _described(found: Mapping[str, Any], file: Path) -> Described:
    name, nested = found.get("architecture"), found.get("pretrained_cfg")
    if not isinstance(name, str):
        other = f"a model of transformers ({found['model_type']})" if "model_type" in found else "none"
        raise ModelError(f"expected the architecture of a timm model in {file}, found {other}; choose a model saved by timm")
    if not timm.is_model(name):
        raise ModelError(f"timm has no model {name!r}, which {file} names{nearest(name, timm.list_models())}")
    config = dict(nested if isinstance(nested, Mapping) else found)  # older files have no level between
    settings = found.get("model_args")
    if "num_classes" in found:
        config["num_classes"] = found["num_classes"]
    names = found.get("label_names", config.get("label_names", config.get("labels")))
    known = set(timm.models.PretrainedCfg().to_dict(remove_source=False, remove_null=False))
    config = {key: value for key, value in config.items() if key in known}
    for key in ("source", "file", "hf_hub_id", "hf_hub_filename", "url", "state_dict"):
        config.pop(key, None)
    for key in ("mean", "std", "input_size"):
        if isinstance(config.get(key), list):
            config[key] = tuple(config[key])
    settings = dict(settings) if isinstance(settings, Mapping) else {}
    if "num_classes" in config:
        settings["num_classes"] = config["num_classes"]
    classes = tuple(map(str, names)) if isinstance(names, list) else ()
    return Described(name, config, settings, classes=classes if len(set(classes)) == len(classes) else ())
