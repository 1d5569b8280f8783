"""Which backbone suits some images: left-out accuracy of ridge regression on a sample of cached features, with its interval."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from coldframe import measures
from coldframe.backbones import load_backbone
from coldframe.cold import ColdPass
from coldframe.data import load_dataset
from coldframe.data.base import Split
from coldframe.errors import ColdframeError, InputError
from coldframe.methods.ridge import Ridge


@dataclass(frozen=True)
class Ranked:
    """One candidate.

    Args:
        model: its id.
        top1: left-out top-1 of ridge regression on its features, a fraction.
        low: lower end of the 95% interval (Wilson, over images).
        high: upper end.
        n: images, none of which had a part in its own score.
        latency_ms: median milliseconds an image, one at a time.
        parameters: of the whole network.
    """

    model: str
    top1: float
    low: float
    high: float
    n: int
    latency_ms: float
    parameters: int

    def as_dict(self) -> dict[str, Any]:
        """Return the line as plain values."""
        return asdict(self)


def rank(
    candidates: Sequence[str],
    data: str,
    *,
    images: int = 1000,
    seed: int = 0,
    device: str = "cpu",
    precision: str = "fp32",
    download: bool = False,
    cold: ColdPass | None = None,
    told: Callable[[str], None] = lambda text: None,
) -> tuple[list[Ranked], list[str]]:
    """Rank backbones by what ridge regression on their features gets right of images it was not fitted on.

    The penalty is chosen on the same left-out scores; with 19 penalties and hundreds of images this adds little.
    The texts of vision-language models have no part in it. Test images are not read.

    Args:
        candidates: model ids.
        data: a data spec with labels.
        images: most training images that are looked at, the same share of each class.
        seed: of the sample.
        device: where to run.
        precision: of the networks.
        download: whether weights and data may be fetched.
        cold: how features are kept.
        told: called with the name of each candidate before its turn.

    Returns:
        The candidates from best to worst, and a sentence for each that could not be loaded.

    Raises:
        InputError: no candidate, or none that can be loaded.
    """
    if not candidates:
        raise InputError("expected at least one candidate, found none; name some with --candidates")
    train = sample(load_dataset(data, seed=seed, download=download).train, images, seed)
    cold, found, left = cold or ColdPass(), [], []
    for name in dict.fromkeys(candidates):
        told(name)
        try:
            backbone = load_backbone(name, device=device, dtype=precision, download=download)
        except ColdframeError as error:
            left.append(f"{name} left out: {error}")
            continue
        method = Ridge(backbone, prior="none", choose="loo").fit(train, cold=cold)
        right = int((method.out_of_sample.argmax(-1).cpu() == torch.from_numpy(train.labels)).sum())
        interval = measures.wilson(right, len(train))
        size = backbone.preprocess.size

        def made(batch: int, size: int = size, backbone: Any = backbone) -> torch.Tensor:
            return torch.zeros(batch, 3, size, size, device=backbone.device, dtype=backbone.dtype)

        with torch.inference_mode():
            taken = measures.latency(backbone.run, made, min_seconds=0.3)
        assert interval.low is not None and interval.high is not None
        ends = interval.low, interval.high
        found.append(Ranked(name, right / len(train), *ends, len(train), round(taken.median, 3), backbone.parameter_count))
    if not found:
        raise InputError(f"expected a candidate that can be loaded, found none: {left[0]}")
    return sorted(found, key=lambda one: (-one.top1, one.latency_ms)), left


def sample(split: Split, most: int, seed: int) -> Split:
    """Return at most ``most`` images, classes in turn, so that small classes keep what they have."""
    order = np.random.default_rng(seed).permutation(len(split))
    place = np.empty(len(split), dtype=np.int64)
    counts: dict[int, int] = {}
    for row in order:
        label = int(split.labels[row])
        place[row] = counts[label] = counts.get(label, -1) + 1
    ranks = np.lexsort((order.argsort(), place))
    return split.subset(np.sort(ranks[:most]))
