"""``pocket``: a small vision-language model of coldframe's own, in open_clip's ``CLIP`` class, with whole words.

``weights/pocket.json`` describes it: shape, words, normalisation, and the SHA-256 of the weights where they are shipped.
``docs/pocket.md`` is its model card; ``coldframe train pocket`` makes weights, in half precision.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from msgspec import Struct
from torch import Tensor, nn

from coldframe.backbones.base import Backbone
from coldframe.backbones.checkpoint import drawn, load_state, read_weights
from coldframe.backbones.entry import Entry, Place
from coldframe.backbones.ids import ModelId
from coldframe.backbones.words import Words
from coldframe.errors import ModelError, WeightsNotFound
from coldframe.files import read_safetensors, write_json, write_safetensors
from coldframe.files.reading import read, typed
from coldframe.types import Preprocess

CONTEXT = 16
"""Ids in a text, start and end included."""
FOLDER = Path(str(resources.files("coldframe.backbones"))) / "weights"
FILE = "pocket.safetensors"


@dataclass(frozen=True)
class Shape:
    """What decides the network's tensors.

    Args:
        size: S, pixels on a side.
        patch: pixels on a side of a patch; the grid is at most 8 patches wide.
        width: D of the image tower, a multiple of 32.
        mlp_ratio: hidden width of the image tower's perceptrons over D.
        layers: blocks of the image tower.
        text_width: D of the text tower, a multiple of 32.
        text_layers: blocks of the text tower.
        embedding: D that both towers share.
    """

    size: int = 32
    patch: int = 4
    width: int = 160
    mlp_ratio: float = 2.0
    layers: int = 12
    text_width: int = 128
    text_layers: int = 2
    embedding: int = 128


def network(shape: Shape, words: Words) -> nn.Module:
    """Return open_clip's ``CLIP`` of this shape with random weights."""
    from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg

    vision = CLIPVisionCfg(
        layers=shape.layers,
        width=shape.width,
        head_width=32,
        mlp_ratio=shape.mlp_ratio,
        patch_size=shape.patch,
        image_size=shape.size,
    )
    text = CLIPTextCfg(
        context_length=words.context_length,
        vocab_size=words.vocab_size,
        width=shape.text_width,
        heads=shape.text_width // 32,
        layers=shape.text_layers,
    )
    model: nn.Module = CLIP(shape.embedding, vision, text)
    return model


class Description(Struct):
    """``pocket.json``: the network beside its weights; how they were made may follow."""

    sha256: str | None
    shape: Shape
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    trained: list[str]
    spelt: list[str]


def preprocess(shape: Shape, mean: Sequence[float], std: Sequence[float]) -> Preprocess:
    """Return how a file becomes pocket's input: shorter side to S (bicubic), centre crop."""
    means, stds = (mean[0], mean[1], mean[2]), (std[0], std[1], std[2])
    return Preprocess(size=shape.size, resize=shape.size, mean=means, std=stds, interpolation="bicubic")


def description(folder: Path = FOLDER) -> dict[str, Any]:
    """Return what ``pocket.json`` says: shape, words, normalisation, digest of the weights, and how they were trained."""
    path, remedy = folder / "pocket.json", "install again, or train pocket again"
    found = read(path, dict[str, Any], remedy=remedy)
    typed(found, Description, str(path), remedy=remedy, strict=False)
    return found


def write(folder: Path, weights: Mapping[str, Tensor], about: Mapping[str, Any]) -> Path:
    """Write weights in half precision and their description, digest included; return the path of the weights."""
    path = folder / FILE
    write_safetensors(path, {name: tensor.to(torch.float16) for name, tensor in sorted(weights.items())})
    write_json(folder / "pocket.json", {**about, "sha256": _sha256(path)})
    return path


def load(model: ModelId, folder: Path = FOLDER) -> Backbone:
    """Return pocket: a class token and 64 patches of 4 x 4 pixels, 12 blocks of width 160, 128 features.

    Args:
        model: ``pocket``, or ``pocket@PATH`` with weights that ``coldframe train pocket`` wrote; random weights on request.
        folder: where ``pocket.json`` and, where they are shipped, ``pocket.safetensors`` are.

    Raises:
        WeightsNotFound: there are no weights in the package, or none at the path.
        ModelError: the weights are damaged or of another shape.
    """
    from coldframe.backbones.open_clip import adapt

    if model.name or model.tag:
        raise ModelError(f"expected the id 'pocket', found {str(model)!r}; pocket has no variants")
    about = description(folder)
    words = Words(about["trained"], about["spelt"], CONTEXT)
    shape = Shape(**about["shape"])
    clip = drawn(lambda: network(shape, words))
    weights = "random"
    if not model.random:
        source = model.checkpoint or folder / FILE
        state = read_weights(source) if model.checkpoint is not None else _shipped(source, about["sha256"])
        load_state(clip, {name: tensor.float() for name, tensor in state.items()}, "pocket", str(source))
        weights = f"coldframe's own training, from {source.name}"
    return adapt(str(model), clip, words, preprocess(shape, about["mean"], about["std"]), weights)


def _shipped(path: Path, expected: str | None) -> dict[str, Tensor]:
    if expected is None or not path.is_file():
        raise WeightsNotFound(
            "pocket has no trained weights in this package; make them with 'coldframe train pocket' and "
            f"name them as pocket@runs/pocket/{FILE}, or choose another model"
        )
    if _sha256(path) != expected:
        raise ModelError(f"the weights in {path} are damaged: their SHA-256 is not the one written beside them; install again")
    return read_safetensors(path)[0]


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def entries() -> Iterator[Entry]:
    """Yield pocket where its weights are shipped, for the list of models."""
    path = FOLDER / FILE
    if path.is_file():
        yield Entry("pocket", Place(path=str(path)), lambda: load(ModelId("pocket")).parameter_count, "mit")
