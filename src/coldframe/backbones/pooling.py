"""From maps to features to logits in networks of timm's habits: ``forward_features``, ``forward_head``, ``get_classifier``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from coldframe.backbones.chain import classify
from coldframe.backbones.trace import Trace
from coldframe.errors import ModelError


def forward_features(net: Any, x: Tensor) -> Tensor:
    """Return the maps or tokens before pooling. Raises :class:`ModelError` where a network returns several of them."""
    found: Any = net.forward_features(x)
    if not isinstance(found, Tensor):
        kinds = f"{type(net).__name__}, found a {type(found).__name__}"
        raise ModelError(f"expected one tensor of features from {kinds}; choose another model")
    return found


def features_of(net: Any, x: Tensor) -> Tensor:
    """Return the features [B, D] of maps or tokens: everything of the head but the classifier."""
    features: Tensor = net.forward_head(x, pre_logits=True)
    return features


def classifier_of(net: nn.Module) -> str | None:
    """Return the dotted name of the classifier, or None where there is none, or more than one."""
    last = net.get_classifier()  # type: ignore[operator]
    if not isinstance(last, nn.Module) or not list(last.parameters()):
        return None
    return next((name for name, module in net.named_modules() if module is last), None)


class Pooling:
    """What leaves ``forward_head`` for drawn activations of the right shape.

    Args:
        net: a network in evaluation mode.
        size: S, pixels on a side of its images.

    ``width`` is D. Raises :class:`ModelError` where the features are not one vector per image.
    """

    def __init__(self, net: nn.Module, size: int) -> None:
        self.net = net
        first, generator = next(net.parameters()), torch.Generator().manual_seed(0)
        with torch.no_grad():
            try:
                shape: Sequence[int] = Trace(net, (2, 3, size, size), forward_features).output.shape
            except (RuntimeError, NotImplementedError, AttributeError):
                shape = forward_features(net, torch.zeros(2, 3, size, size).to(first.device, first.dtype)).shape
            self.x = torch.randn(tuple(shape), generator=generator).to(first.device, first.dtype)
            try:
                features: Any = features_of(net, self.x)
            except (RuntimeError, IndexError, TypeError) as error:
                kind = type(net).__name__
                raise ModelError(f"expected {kind} to pool its own maps, found {error}; choose another model") from error
        if not isinstance(features, Tensor) or features.dim() != 2:
            found = f"shape {list(features.shape[1:])}" if isinstance(features, Tensor) else type(features).__name__
            kind = type(net).__name__
            raise ModelError(f"expected one feature vector per image from {kind}, found {found}; choose another model")
        self.features, self.width = features, int(features.shape[1])

    def followed_by(self, classifier: str) -> bool:
        """Return whether the classifier, on the features, gives the network's own logits."""
        last = self.net.get_submodule(classifier)
        with torch.no_grad():
            own = self.net.forward_head(self.x)  # type: ignore[operator]
            found = classify(last, self.features)
        same_kind = isinstance(own, Tensor) and isinstance(found, Tensor) and own.shape == found.shape
        return same_kind and torch.allclose(own, found, rtol=1e-4, atol=1e-5)
