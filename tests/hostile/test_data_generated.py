"""Damaged images, parquet files and checkpoints by the hundred: each is read, or refused in one sentence that names it."""

from __future__ import annotations

import argparse
import io
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from torch import nn

from coldframe.backbones.checkpoint import read_weights
from coldframe.data import load_dataset
from coldframe.data.decode import FORMATS, decode
from coldframe.errors import ColdframeError
from coldframe.files import write_safetensors

KINDS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000", "AVIF")
FEW, MANY = 6, 40
"""Damaged copies of each file in the fast part and in the whole."""


def damaged(content: bytes, seed: int) -> bytes:
    """Return a copy that is cut, has bytes turned, zeroed, doubled or noise in it; which, the seed says."""
    draw = np.random.default_rng(seed)
    at = int(draw.integers(0, max(1, len(content))))
    length = int(draw.integers(1, 64))
    way = seed % 6
    if way == 0:
        return content[:at]
    if way == 1:
        return content[:at] + bytes([content[at] ^ int(draw.integers(1, 256))]) + content[at + 1 :]
    if way == 2:
        return content[:at] + bytes(length) + content[at + length :]
    if way == 3:
        return content[:at] + content[at : at + length] * 2 + content[at + length :]
    if way == 4:
        return content[:at] + draw.bytes(length) + content[at + length :]
    return content[:at] + b"\xff" * length + content[at + length :]


def picture(kind: str) -> bytes:
    held = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 20, 3), dtype=np.uint8)).save(held, kind)
    return held.getvalue()


def parquet(_: str) -> bytes:
    held = io.BytesIO()
    table = pa.table({"image": [{"bytes": picture("PNG"), "path": ""}] * 12, "label": ["cat", "dog"] * 6})
    pq.write_table(table, held, row_group_size=5)
    return held.getvalue()


def checkpoint(kind: str) -> bytes:
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    held = io.BytesIO()
    if kind == "plain":
        torch.save(net.state_dict(), held)
    elif kind == "beside":
        torch.save({"model": net.state_dict(), "args": argparse.Namespace(lr=1), "best": np.float64(1)}, held)
    elif kind == "legacy":
        torch.save(net.state_dict(), held, _use_new_zipfile_serialization=False)
    else:
        path = Path(kind)
        return write_safetensors(path, net.state_dict()).read_bytes()
    return held.getvalue()


def read_parquet(path: Path) -> object:
    data = load_dataset(f"parquet:{path}")
    return [split.images.open(n) for split in (data.train, data.val, data.test) for n in range(len(split))]


def fell_short(read: Callable[[Path], object], content: bytes, path: Path, seeds: range) -> list[str]:
    """Return the seeds whose damaged copy ended in anything but a result or one sentence that names the file."""
    wrong = []
    for seed in seeds:
        path.unlink(missing_ok=True)
        path.write_bytes(damaged(content, seed))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                read(path)
        except ColdframeError as error:
            said = str(error)
            if "\n" in said or path.name not in said or len(said) > 700:
                wrong.append(f"{seed}: {said}")
        except Exception as error:
            wrong.append(f"{seed}: {type(error).__name__}: {error}")
    return wrong


SIZES = [pytest.param(FEW, id="few"), pytest.param(MANY, id="many", marks=pytest.mark.slow)]


@pytest.mark.parametrize("count", SIZES)
@pytest.mark.parametrize("kind", KINDS)
def test_images(kind: str, count: int, tmp_path: Path) -> None:
    if kind not in FORMATS:
        pytest.skip(f"this Pillow has no {kind}")
    assert not fell_short(lambda path: decode(path, str(path)), picture(kind), tmp_path / "photo.jpg", range(count))


@pytest.mark.parametrize("count", SIZES)
def test_parquet(count: int, tmp_path: Path) -> None:
    assert not fell_short(read_parquet, parquet(""), tmp_path / "train.parquet", range(5 * count))


@pytest.mark.parametrize("count", SIZES)
@pytest.mark.parametrize("kind", ["plain", "beside", "legacy", "safetensors"])
def test_checkpoints(kind: str, count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ending = "safetensors" if kind == "safetensors" else "pt"
    content = checkpoint("made.safetensors" if kind == "safetensors" else kind)
    assert not fell_short(read_weights, content, tmp_path / f"net.{ending}", range(3 * count))
