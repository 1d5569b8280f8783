"""Write an adapted network as one file that others serve, once the file gives what the library gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from coldframe.delivery import formats
from coldframe.delivery.about import about
from coldframe.delivery.formats import ENDINGS, KINDS, OLDEST, Format
from coldframe.delivery.servable import Input, Servable, given, in_half
from coldframe.errors import FileError, InputError, ModelError
from coldframe.files import expanded, replacing
from coldframe.methods.base import Method

TOLERANCE, HALF_TOLERANCE = 1e-5, 2e-2
"""Most that a probability may differ from the library's: in fp32, and where the network computes in fp16."""


@dataclass(frozen=True)
class Exported:
    """A file that was written and checked.

    Args:
        path: where it lies.
        to: its format.
        bytes: its size.
        difference: largest |probability of the file - probability of the library| over the checked images and classes.
        images: how many were checked.
        tolerance: what the difference had to stay within.
        metadata: what the file says of itself.
    """

    path: Path
    to: str
    bytes: int
    difference: float
    images: int
    tolerance: float
    metadata: dict[str, str]

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        return {
            "file": str(self.path), "format": self.to, "bytes": self.bytes, "max_difference": self.difference,
            "images": self.images, "tolerance": self.tolerance, "metadata": self.metadata,
        }  # fmt: skip


def target(out: str | Path, to: str) -> Path:
    """Return the path of the file that is to be written.

    Raises:
        InputError: it has the ending of another format, or is a folder.
        FileError: its folder does not exist.
    """
    path, ending = expanded(out), ENDINGS[to]
    others = {value: name for name, value in ENDINGS.items() if name != to}
    if path.suffix in others:
        wanted = f"expected a file name ending in {ending} for {to}, found {path.name}"
        raise InputError(f"{wanted}; rename it, or take --to {others[path.suffix]}")
    if path.is_dir():
        raise InputError(f"expected the name of a file to write, found the folder {path}; take {path / ('model' + ending)}")
    if not path.parent.is_dir():
        raise FileError(f"cannot write {path}: expected its folder to exist, found no {path.parent}; make it first")
    return path


def export(
    method: Method,
    out: str | Path,
    images: Tensor,
    *,
    to: Format = "onnx",
    takes: Input = "uint8",
    opset: int | None = None,
    fp16: bool = False,
    tolerance: float | None = None,
) -> Exported:
    """Write a fitted method as one file from pixels to probabilities.

    The file is served once with the first image alone and once with all of them, and takes its name only when every probability
    is within ``tolerance`` of the library's; else nothing is left behind.

    Args:
        method: fitted; it is not changed.
        out: the file.
        images: what is checked, uint8 [N, 3, S, S] at the model's resolution.
        to: the format.
        takes: what the file takes.
        opset: of ONNX.
        fp16: let the network compute in half precision.
        tolerance: see above; ``TOLERANCE`` or ``HALF_TOLERANCE`` when None.

    Raises:
        InputError: an argument cannot be used.
        ModelError: the format cannot hold the network, or the file does not agree.
    """
    formats.check(to, opset)
    path = target(out, to)
    limit = tolerance if tolerance is not None else HALF_TOLERANCE if fp16 else TOLERANCE
    if not limit > 0:
        raise InputError(f"expected a tolerance above 0, found {limit}")
    if not len(images):
        raise InputError("expected at least one image to check the file on, found none")
    expected = method.predict_proba(images)
    metadata = about(method, takes, "fp16" if fp16 else "fp32")
    network = Servable(in_half(method) if fp16 else method, takes)
    with replacing(path, suffix=ENDINGS[to]) as temporary:
        KINDS[to].write(temporary, network, metadata, opset or OLDEST)
        difference = compared(KINDS[to].open(temporary, network), given(images, takes), expected)
        if not difference <= limit:
            raise ModelError(
                f"the {to} file of {method.name} on {method.backbone.name} does not agree with coldframe: expected "
                f"probabilities within {limit:g}, found a difference of {difference:.2g} on {len(images)} images; nothing was "
                "written (see --fp16 and --tolerance)"
            )
    return Exported(path, to, path.stat().st_size, difference, len(images), limit, metadata)


@torch.no_grad()
def compared(served: formats.Served, pixels: Tensor, expected: Tensor, batch: int = 32) -> float:
    """Return the largest |served - expected|, with the first image alone and all in batches; infinite where a shape differs."""
    parts: Sequence[Tensor] = (pixels[:1], *torch.split(pixels, batch))
    wanted = (expected[:1], *torch.split(expected, batch))
    worst = 0.0
    for part, want in zip(parts, wanted, strict=True):
        found = served(part).detach().float().cpu()
        if found.shape != want.shape or not bool(found.isfinite().all()):
            return float("inf")
        worst = max(worst, float((found - want).abs().max()))
    return worst
