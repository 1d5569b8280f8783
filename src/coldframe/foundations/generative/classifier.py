"""A small classifier of handwritten digits, shipped with weights, whose features measure how alike two sets of pictures are.

``weights/digits.json`` names the SHA-256 of ``weights/digits.safetensors``; ``coldframe train digit-classifier`` made both.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from coldframe.errors import DataError, ModelError, WeightsNotFound
from coldframe.files import read_safetensors, write_json, write_safetensors
from coldframe.files.formats import Digits
from coldframe.files.reading import read

FEATURES, CLASSES = 64, 10
FILE, ABOUT = "digits.safetensors", "digits.json"
FOLDER = Path(str(resources.files("coldframe.foundations.generative"))) / "weights"
_CHUNK = 500
"""Pictures at a time: their activations stay in the processor's cache."""


class DigitNet(nn.Module):
    """Three convolutions with batch normalisation, 64 features after a ReLU, 10 logits: 58,378 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 16, 5, 2, 2, bias=False), nn.BatchNorm2d(16), nn.ReLU(),  # [B, 16, 14, 14]
            nn.Conv2d(16, 32, 3, 1, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),  # [B, 32, 7, 7]
            nn.Conv2d(32, 40, 3, 2, 1, bias=False), nn.BatchNorm2d(40), nn.ReLU(),  # [B, 40, 4, 4]
            nn.Flatten(), nn.Linear(40 * 16, FEATURES), nn.ReLU(),  # [B, 64]
        )  # fmt: skip
        self.head = nn.Linear(FEATURES, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits [B, 10] of pictures [B, 1, 28, 28] in [-1, 1]."""
        logits: Tensor = self.head(self.body(x))
        return logits


@dataclass(frozen=True, eq=False)
class Classifier:
    """The trained network.

    Args:
        network: in evaluation mode.
        scale: factor on its features, chosen when it was trained so that distances have a known size; see ``quality``.
        digest: SHA-256 of the file of the weights, the scale included.
    """

    network: DigitNet
    scale: float
    digest: str

    @torch.inference_mode()
    def read(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return features and class probabilities.

        Args:
            images: [N, 28, 28], uint8 or floats in [0, 1].

        Returns:
            Features times the scale [N, 64] and probabilities [N, 10], both float64.

        Raises:
            DataError: another shape, or a value out of range.
        """
        if not len(images):
            raise DataError("expected at least one picture, found none")
        features, probabilities = [], []
        for chunk in torch.split(images, _CHUNK):
            hidden = self.network.body(signed(chunk)[:, None])
            features.append(hidden.double() * self.scale)
            probabilities.append(self.network.head(hidden).double().softmax(dim=1))
        return torch.cat(features), torch.cat(probabilities)


def signed(images: Tensor) -> Tensor:
    """Return pictures in [-1, 1], 2 x - 1 with x in [0, 1].

    Args:
        images: [N, 28, 28], uint8 or floats in [0, 1].

    Raises:
        DataError: another shape, or a value out of range.
    """
    if images.ndim != 3 or tuple(images.shape[1:]) != (28, 28):
        raise DataError(f"expected pictures of shape [N, 28, 28], found {list(images.shape)}; resize them")
    if images.dtype == torch.uint8:
        return images.float() / 127.5 - 1
    least, most = (float(edge) for edge in torch.aminmax(images)) if images.numel() else (0.0, 0.0)
    # Written so that a value that is not a number is refused as well.
    if not (images.is_floating_point() and least >= 0 and most <= 1):
        raise DataError(f"expected uint8 or floats from 0 to 1, found {images.dtype} from {least:g} to {most:g}; scale them")
    return images.float() * 2 - 1


def save(folder: Path, network: DigitNet, scale: float, about: dict[str, Any]) -> str:
    """Write weights, scale and their description; return the SHA-256 of the weights' file."""
    path = folder / FILE
    state = {name: tensor for name, tensor in network.state_dict().items() if tensor.is_floating_point()}
    write_safetensors(path, state, {"scale": repr(scale)})
    digest = _sha256(path)
    write_json(folder / ABOUT, {**about, "scale": scale, "sha256": digest})
    return digest


def load(folder: Path = FOLDER) -> Classifier:
    """Return the shipped classifier, or the one that ``coldframe train digit-classifier`` wrote into ``folder``.

    Raises:
        WeightsNotFound: there are none.
        ModelError: they are damaged.
    """
    path = folder / FILE
    if not path.is_file() or not (folder / ABOUT).is_file():
        raise WeightsNotFound(
            f"expected a digit classifier in {folder}, found none; install coldframe again, or make one with "
            "coldframe train digit-classifier"
        )
    digest = _sha256(path)
    if read(folder / ABOUT, Digits, remedy="install again").sha256 != digest:
        raise ModelError(f"the weights in {path} are damaged: their SHA-256 is not the one written beside them; install again")
    state, note = read_safetensors(path)
    network = DigitNet()
    network.load_state_dict(state, strict=False)
    return Classifier(network.eval(), float(note["scale"]), digest)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
