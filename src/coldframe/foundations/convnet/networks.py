"""Three small convolutional networks for 32 x 32 pictures: the exercise's, the same with batch normalisation, a better one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from coldframe.errors import InputError, nearest
from coldframe.foundations.convnet.activation import Mish

NetworkName = Literal["plain", "batch-norm", "better"]


class Small(nn.Module):
    """The exercise's network: 32 7 x 7 filters, 2 x 2 maximum, two layers of 64 3 x 3 filters, Mish, average, classes.

    The exercise names no padding, so there is none: 32 x 32 pixels become maps of 26, 13, 11 and 9 pixels a side, and the
    average runs over 9 x 9. Weights start from Kaiming's normal distribution, std sqrt(2 / fan in), and biases from 0.

    Args:
        classes: K.
        batch_norm: normalise after each convolution, before Mish; the convolutions then have no bias, which would cancel.
        generator: draws the weights.
    """

    def __init__(self, classes: int, *, batch_norm: bool = False, generator: torch.Generator | None = None) -> None:
        super().__init__()

        def stage(inputs: int, outputs: int, side: int) -> list[nn.Module]:
            convolution = nn.Conv2d(inputs, outputs, side, bias=not batch_norm)
            return [convolution, *([nn.BatchNorm2d(outputs)] if batch_norm else []), Mish()]

        self.layers = nn.Sequential(*stage(3, 32, 7), nn.MaxPool2d(2, 2), *stage(32, 64, 3), *stage(64, 64, 3))
        self.head = nn.Linear(64, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight, generator=generator)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    @property
    def first(self) -> Tensor:
        """The first layer's filters [32, 3, 7, 7]."""
        return next(module.weight for module in self.layers if isinstance(module, nn.Conv2d))

    def forward(self, x: Tensor) -> Tensor:
        """Return logits [B, K] of pictures [B, 3, 32, 32]."""
        logits: Tensor = self.head(self.layers(x).mean(dim=(2, 3)))
        return logits


class Better(nn.Module):
    """A network in the manner of airbench: frozen whitening filters, then three groups of two convolutions.

    The first layer has 2 x 2 filters, the principal directions of training patches over their standard deviations and the
    same negated, so that what follows sees uncorrelated inputs of unit variance. A group is convolution, 2 x 2 maximum,
    batch normalisation, GELU, convolution, batch normalisation, GELU. Batch normalisation learns shifts only, because the
    next convolution can take up any scale. Each convolution starts with the identity on its first channels, so that
    the network passes its input on before it has learned.

    Args:
        classes: K.
        widths: channels of the three groups.
        whitening: filters from :func:`coldframe.foundations.convnet.whitening.filters` [W, 3, 2, 2].
        generator: draws the weights.

    Source: the design follows Keller Jordan, "94% on CIFAR-10 in 3.29 seconds on a single GPU", 2024, with fewer channels.
    """

    def __init__(
        self, classes: int, widths: Sequence[int], whitening: Tensor, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        self.whiten = nn.Conv2d(3, len(whitening), 2, bias=False)
        self.whiten.weight.requires_grad_(False).copy_(whitening)
        layers: list[nn.Module] = [nn.GELU()]
        inputs = len(whitening)
        for width in widths:
            layers += [nn.Conv2d(inputs, width, 3, padding=1, bias=False), nn.MaxPool2d(2), _shift_norm(width), nn.GELU()]
            layers += [nn.Conv2d(width, width, 3, padding=1, bias=False), _shift_norm(width), nn.GELU()]
            inputs = width
        self.layers = nn.Sequential(*layers)
        self.head = nn.Linear(inputs, classes, bias=False)
        for module in self.layers:
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_uniform_(module.weight, a=5**0.5, generator=generator)
                same = min(module.in_channels, module.out_channels)
                nn.init.dirac_(module.weight.data[:same])
        nn.init.kaiming_uniform_(self.head.weight, a=5**0.5, generator=generator)

    @property
    def first(self) -> Tensor:
        """The whitening filters [W, 3, 2, 2]."""
        return self.whiten.weight

    def forward(self, x: Tensor) -> Tensor:
        """Return logits [B, K] of pictures [B, 3, 32, 32]."""
        logits: Tensor = self.head(self.layers(self.whiten(x)).amax(dim=(2, 3))) / 9
        return logits


def _shift_norm(width: int) -> nn.BatchNorm2d:
    norm = nn.BatchNorm2d(width, eps=1e-12, momentum=0.4)
    norm.weight.requires_grad_(False)
    return norm


def build(
    name: NetworkName, classes: int, *, widths: Sequence[int], whitening: Tensor | None = None, seed: int = 0
) -> Small | Better:
    """Return a network by name; ``whitening`` is needed by ``better``.

    Raises:
        InputError: the name is unknown.
    """
    if name not in get_args(NetworkName):
        raise InputError(f"unknown network {name!r}{nearest(name, get_args(NetworkName))}")
    generator = torch.Generator().manual_seed(seed)
    if name == "better":
        if whitening is None:
            raise InputError("expected whitening filters for the network better, found none; make them with whitening.filters")
        return Better(classes, widths, whitening, generator)
    return Small(classes, batch_norm=name == "batch-norm", generator=generator)
