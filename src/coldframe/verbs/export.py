"""From the folder of a run to a file that is served: what ``coldframe export`` does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from coldframe.data import load_dataset
from coldframe.data.decode import load_pixels
from coldframe.data.folder import Files
from coldframe.data.places import find_files, readable
from coldframe.delivery import export as delivery
from coldframe.delivery import formats
from coldframe.delivery.export import Exported
from coldframe.delivery.formats import Format
from coldframe.delivery.servable import Input
from coldframe.errors import InputError
from coldframe.methods import load
from coldframe.methods.run_folder import run_folder
from coldframe.types import Preprocess

BUNDLED = "mini:caltech7"
"""Photographs that come with coldframe: files are checked on some of its test images where no others are named."""
CHECKED = 16
"""How many of them; of the user's own at most ``MOST_CHECKED``."""
MOST_CHECKED = 256


def photographs(preprocess: Preprocess, places: Sequence[str | Path] = ()) -> Tensor:
    """Return images to check a file on, uint8 [N, 3, S, S].

    Args:
        preprocess: of the model.
        places: files, folders and globs; without any, test images of ``BUNDLED``.
    """
    if places:
        files, _ = readable(find_files(places))
        chosen = files[:: -(-len(files) // MOST_CHECKED)]
        return torch.from_numpy(load_pixels(Files(tuple(chosen)), list(range(len(chosen))), preprocess))
    test = load_dataset(BUNDLED).test
    rows = np.linspace(0, len(test) - 1, CHECKED).astype(int).tolist()
    return torch.from_numpy(load_pixels(test.images, rows, preprocess))


def export(
    run: str | Path,
    out: str | Path,
    *,
    to: Format = "onnx",
    takes: Input = "uint8",
    opset: int | None = None,
    fp16: bool = False,
    check: Sequence[str | Path] = (),
    tolerance: float | None = None,
    download: bool = False,
) -> Exported:
    """Write a saved run as one file from pixels to probabilities, checked on photographs; see :func:`delivery.export`.

    Args:
        run: the folder of a saved run, or of a comparison that holds ``best``.
        out: the file.
        to: ``"onnx"``, ``"torchscript"``, ``"torch-export"`` or ``"safetensors"``.
        takes: ``"uint8"`` [B, S, S, 3] or ``"float"`` in [0, 1] [B, 3, S, S].
        opset: of ONNX; 18 when None.
        fp16: let the network compute in half precision.
        check: photographs to check the file on.
        tolerance: most that a probability may differ.
        download: whether the backbone's weights may be fetched.

    Raises:
        InputError: an argument cannot be used; told before any work.
        MissingPackage: a package of the extra ``export`` is not installed.
        ModelError: the file does not agree with the library.
    """
    formats.check(to, opset)
    folder = run_folder(run)
    path = delivery.target(out, to)
    if tolerance is not None and not tolerance > 0:
        raise InputError(f"expected a tolerance above 0, found {tolerance}")
    method = load(folder, download=download)
    images = photographs(method.backbone.preprocess, check)
    return delivery.export(method, path, images, to=to, takes=takes, opset=opset, fp16=fp16, tolerance=tolerance)
