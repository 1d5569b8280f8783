"""PyTorch's padding or TensorFlow's: a convolutional network runs with either, and loses points with the wrong one.

Nothing in a file says which it was trained with. What tells is how sure the network is of photographs: with foreign padding
every strided convolution looks half a pixel beside the place it learned, and its answers spread out.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor, nn

from coldframe.data import load_dataset
from coldframe.data.decode import load_pixels
from coldframe.types import Preprocess

EACH = 4
"""Photographs of each of the seven classes of ``mini:caltech7`` that are looked at."""
SURE = 3.0
"""Standard errors by which the other padding has to be surer before it is recommended."""


class PaddingWarning(UserWarning):
    """A network answers photographs more surely with the padding that it does not run with."""


@dataclass(frozen=True)
class Compared:
    """Two paddings on the same photographs.

    Args:
        own: mean entropy of the answers with the padding that runs, in nats.
        other: with the other one.
        difference: mean of own - other.
        error: its standard error over photographs.
        n: how many.
    """

    own: float
    other: float
    difference: float
    error: float
    n: int

    @property
    def wrong(self) -> bool:
        """Whether the other padding is surer by more than chance."""
        return self.difference > SURE * self.error


def compare(own: nn.Module, other: nn.Module, preprocess: Preprocess) -> Compared:
    """Return how sure two networks are of the bundled photographs: H = -sum p log p, a photograph at a time.

    Args:
        own: the network as it runs, giving logits [B, K].
        other: the same weights with the other padding.
        preprocess: of both.
    """
    x = _photographs(preprocess)
    entropies = [_entropy(network, x) for network in (own, other)]
    d = entropies[0] - entropies[1]
    error = float(d.std()) / len(d) ** 0.5
    return Compared(float(entropies[0].mean()), float(entropies[1].mean()), float(d.mean()), error, len(d))


def warn(found: Compared, what: str, remedy: str) -> None:
    """Warn where the other padding is the surer one.

    Args:
        found: both paddings.
        what: the model.
        remedy: how the other padding is asked for.
    """
    if found.wrong:
        sure = f"(entropy {found.other:.2f} against {found.own:.2f} nats)"
        said = (
            f"{what} runs with PyTorch's padding, but its answers on {found.n} photographs are more certain with TensorFlow's "
            f"{sure}. It was probably trained with TensorFlow's, and loses accuracy without it; {remedy}"
        )
        warnings.warn(said, PaddingWarning, stacklevel=3)


@cache
def _photographs(preprocess: Preprocess) -> Tensor:
    test = load_dataset("mini:caltech7").test
    rows = np.concatenate([np.flatnonzero(test.labels == k)[:EACH] for k in range(len(test.classes))])
    x = torch.from_numpy(load_pixels(test.images, rows, preprocess)).float() / 255  # [N, 3, S, S]
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (preprocess.mean, preprocess.std))
    return (x - mean) / std


@torch.no_grad()
def _entropy(network: nn.Module, x: Tensor) -> Tensor:
    training = network.training
    logs = torch.cat([network.eval()(part).log_softmax(1) for part in torch.split(x, 14)])
    network.train(training)
    return -(logs.exp() * logs).sum(1)  # [N]
