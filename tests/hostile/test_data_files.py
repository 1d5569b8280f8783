"""Files that are no pictures, no regular files, or too large: none starts a program, waits for ever or fills the memory."""

from __future__ import annotations

import ast
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from coldframe import files
from coldframe.backbones.checkpoint import read_weights
from coldframe.data import decode as decoding
from coldframe.data import load_dataset
from coldframe.data.decode import decode
from coldframe.data.folder import digest_file
from coldframe.errors import ColdframeError, DataError, FileError
from coldframe.verbs.plan import read as read_plan

SRC = Path(files.__file__).parents[1]
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n0 0 8 8 rectfill\nshowpage\n%%EOF\n"


@pytest.mark.parametrize("ending", [".jpg", ".png", ".tif", ".eps"])
def test_no_program_of_the_system_is_started(ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    for name in ("gs", "gswin64c", "gswin32c", "gswin"):
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\ntouch {tmp_path / 'started'}\necho 10.0\n")
        (tmp_path / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    path = tmp_path / f"drawing{ending}"
    path.write_bytes(EPS)
    with pytest.raises(DataError, match=r"expected an image that coldframe reads \(JPEG, PNG"):
        decode(path, str(path))
    with pytest.raises(DataError, match="expected an image that coldframe reads"):
        decode(EPS, "row 3")
    assert not (tmp_path / "started").exists()


def test_every_opener_of_pictures_names_its_formats() -> None:
    bare = []
    for path in SRC.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            called = isinstance(node, ast.Call) and ast.unparse(node.func) in ("Image.open", "PIL.Image.open")
            if called and not any(word.arg == "formats" for word in node.keywords):  # type: ignore[attr-defined]
                bare.append(f"{path.relative_to(SRC)}:{node.lineno}")
    assert not bare


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000", "AVIF"])
def test_what_is_promised_is_read(kind: str, tmp_path: Path) -> None:
    if kind not in decoding.FORMATS:
        pytest.skip(f"this Pillow has no {kind}")
    Image.new("RGB", (16, 16), (200, 10, 10)).save(tmp_path / "picture", kind)
    assert decode(tmp_path / "picture", "picture").size == (16, 16)


@pytest.mark.parametrize("kind", ["ICO", "TGA", "PCX", "DDS", "SGI", "PDF", "XBM", "MSP", "ICNS"])
def test_what_is_not_promised_is_not_read(kind: str, tmp_path: Path) -> None:
    mode = "1" if kind in ("XBM", "MSP") else "RGB"
    Image.new(mode, (32, 32)).save(tmp_path / "picture.png", kind)
    with pytest.raises(DataError, match="expected an image that coldframe reads"):
        decode(tmp_path / "picture.png", "picture.png")


def pipe(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def folder(path: Path) -> None:
    path.mkdir()


def listening(path: Path) -> None:
    before = Path.cwd()
    os.chdir(path.parent)  # the name of a socket is at most some hundred characters
    held = socket.socket(socket.AF_UNIX)
    held.bind(path.name)
    held.close()
    os.chdir(before)


def huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2**40)


def dangling(path: Path) -> None:
    path.symlink_to(path.parent / "nowhere")


def circle(path: Path) -> None:
    path.symlink_to(path)


NOT_REGULAR = (pipe, device, folder, listening, huge, dangling, circle)
READERS: dict[str, Callable[[Path], object]] = {
    "picture.jpg": lambda path: decode(path, str(path)),
    "picture.png": digest_file,
    "names.txt": files.read_text,
    "results.json": files.read_json,
    "weights.safetensors": files.read_safetensors,
    "weights.pt": read_weights,
    "train.parquet": lambda path: load_dataset(f"parquet:{path}"),
    "plan.toml": lambda path: read_plan(str(path)),
}


@pytest.mark.timeout(30)
@pytest.mark.skipif(os.name != "posix", reason="pipes, devices and sockets of POSIX")
@pytest.mark.parametrize("make", NOT_REGULAR, ids=lambda make: str(make.__name__))
@pytest.mark.parametrize("name", READERS)
def test_only_regular_files_of_a_size_are_read(make: Callable[[Path], None], name: str, tmp_path: Path) -> None:
    make(tmp_path / name)
    with pytest.raises(ColdframeError) as caught:
        READERS[name](tmp_path / name)
    said = str(caught.value)
    assert name.partition(".")[0] in said and "\n" not in said and len(said) < 600


def test_a_file_that_grows_while_it_is_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "names.txt").write_bytes(b"x" * 100)
    monkeypatch.setattr("coldframe.files.opening._measured", lambda found, path, most: 0)
    with pytest.raises(FileError, match="expected at most 10 bytes, found more"):
        files.read_bytes(tmp_path / "names.txt", 10)
