"""A classifier's answers to pictures: in a stream, as a data frame, and how sure an answer must be to be given at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from coldframe.cold.feed import ahead
from coldframe.data.anything import Anything, pictures
from coldframe.data.base import Images
from coldframe.data.decode import load_pixels
from coldframe.errors import InputError, MissingPackage
from coldframe.machine.room import check_batch
from coldframe.methods.calibrated import HeldOut
from coldframe.types import Preprocess

if TYPE_CHECKING:
    from pandas import DataFrame

Progress = Callable[[int, int], None]
"""Called with (images done, images in all)."""
Call = Callable[[Tensor], Tensor]
"""uint8 images or floats in [0, 1], [b, 3, S, S], to probabilities [b, K]."""


def fitted(images: Anything, size: int) -> Tensor | None:
    """Return images [N, 3, S, S] where they are a tensor at the model's resolution already, else None."""
    if isinstance(images, Tensor) and images.ndim in (3, 4) and images.shape[-3:] == (3, size, size):
        return images[None] if images.ndim == 3 else images
    return None


def stream(
    call: Call, preprocess: Preprocess, images: Anything, batch_size: int, progress: Progress | None
) -> Iterator[Tensor]:
    """Yield probabilities [b, K] batch by batch, pictures decoded two batches ahead of the network."""
    if batch_size < 1:
        raise InputError(f"expected a batch of 1 image or more, found batch_size={batch_size}")
    tensor = fitted(images, preprocess.size)
    parts: Iterable[Tensor]
    if tensor is not None:
        total, parts = len(tensor), torch.split(tensor, batch_size) if len(tensor) else ()
    else:
        held = pictures(images)
        total = len(held)
        check_batch(batch_size, total, preprocess.size, 2 * 12 * preprocess.size**2)  # as numbers, and what a first layer makes
        chunks = [range(at, min(at + batch_size, total)) for at in range(0, total, batch_size)]
        parts = ahead(lambda chunk: torch.from_numpy(load_pixels(held, chunk, preprocess)), chunks)
    done = 0
    for part in parts:
        with torch.no_grad():
            yield call(part)
        done += len(part)
        if progress is not None:
            progress(done, total)


def named(images: Anything, size: int) -> Images | Tensor:
    """Return pictures that have names, or the tensor that needs no more decoding."""
    tensor = fitted(images, size)
    return pictures(images) if tensor is None else tensor


def frame(held: Images | Tensor, probabilities: Tensor, classes: Sequence[str], least: float) -> DataFrame:
    """Return ``path``, ``class`` and ``probability`` of each picture; the class is None where the answer is not sure enough."""
    try:
        from pandas import DataFrame
    except ImportError as error:
        raise MissingPackage("predict_frame needs the package pandas; pip install pandas") from error
    best, taken = probabilities.max(-1)
    names = [f"picture row {row}" if isinstance(held, Tensor) else held.name(row) for row in range(len(best))]
    answers = [classes[k] if p >= least else None for p, k in zip(best.tolist(), taken.tolist(), strict=True)]
    return DataFrame({"path": names, "class": answers, "probability": best.numpy()})


def threshold(validated: HeldOut | None, precision: float, name: str) -> float:
    """Return the smallest probability from which on a share of at least ``precision`` of the answers on ``val`` was right.

    Args:
        validated: answers to the validation images.
        precision: wanted share, in (0, 1].
        name: what errors call the run.
    """
    if not 0 < precision <= 1:
        raise InputError(f"expected a wanted precision above 0 and up to 1, such as 0.95, found {precision:g}")
    if validated is None or not len(validated.right):
        raise InputError(f"expected validation answers in {name} to choose a threshold on, found none; fit it again with val")
    sure, order = validated.probability.double().sort(descending=True)
    right = validated.right[order].double().cumsum(0) / torch.arange(1, len(order) + 1)
    ends = torch.cat([sure[1:] < sure[:-1], torch.tensor([True])])  # equal probabilities are answered together
    good = ((right >= precision - 1e-12) & ends).nonzero()
    if not len(good):
        reached = f"{float(right[ends].max()):.3f} on its {len(order):,} validation images"
        raise InputError(f"expected a precision that {name} reaches, found {precision:g}; it reaches {reached} at most")
    return float(sure[int(good[-1])])
