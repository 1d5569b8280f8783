"""From stored bytes to upright 8-bit RGB, and from there to the pixels of one model.

Choices made here: transparent pixels are laid on white; grey of more than 8 bits is scaled by 255/white and rounded, never
clipped, with the white of :func:`white_of`; of an animation the first frame counts; pictures of more than ``LARGEST`` pixels
are refused before they are decoded. Resizing and cropping equal ``torchvision.transforms.Resize`` and ``CenterCrop`` on PIL
images to the bit.
"""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin, UnidentifiedImageError, features

from coldframe.data.base import Images, Unreadable
from coldframe.data.own_png import is_fitted
from coldframe.errors import DataError, FileError
from coldframe.files import opened
from coldframe.types import Preprocess

LARGEST = 89_478_485
"""Most pixels of a picture: a quarter of a gigabyte as RGB, Pillow's own limit for a warning."""

MOST_BYTES = 2**30
"""Most bytes of an image file: a picture of ``LARGEST`` pixels with 16 bits and transparency, uncompressed, is smaller."""
_AVIF = ("AVIF",) if features.check("avif") else ()
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "DIB", "TIFF", "PPM", "JPEG2000", *_AVIF)
"""What is opened at all. Pillow knows more, and hands some of it (EPS) to programs of the system."""
READS = "JPEG, PNG, WebP, GIF, BMP, TIFF, PPM, JPEG 2000" + (", AVIF" if "AVIF" in FORMATS else "")

# A large colour profile or text is no damage; what unpacks to more than this is.
PngImagePlugin.MAX_TEXT_CHUNK, PngImagePlugin.MAX_TEXT_MEMORY = 2**26, 2**28
WHITE = "coldframe-white"
"""In ``info`` of a picture that was scaled from deep grey: the value that became 255."""
_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_FILTER = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


def decode(source: Path | bytes, name: str, *, draft: bool = False) -> Image.Image:
    """Return a picture as upright 8-bit RGB.

    Args:
        source: a file, or the bytes of one.
        name: what errors call it.
        draft: decode a JPEG at an eighth of its size, to learn cheaply whether it is whole.

    Raises:
        Unreadable: the bytes are no picture of the ``FORMATS``, the file is no regular one, is damaged or truncated, or is
            more than ``LARGEST`` pixels.
    """
    try:
        with _source(source) as file, picture(file) as image:
            if image.width * image.height > LARGEST:
                raise Unreadable(_too_large(name, f"{image.width} x {image.height}"), "too large")
            if draft:
                image.draft("RGB", (1, 1))
            image.load()
            upright = _upright(image)
            try:
                return to_rgb(upright)
            except DataError as error:
                raise Unreadable(f"cannot decode {name}: {error}", "values without a known white") from None
    except Unreadable:
        raise
    except FileError as error:
        raise Unreadable(str(error), "too large" if str(error).startswith("refused") else "not a regular file") from None
    except FileNotFoundError as error:
        said = f"expected an image at {name}, found no file; was it moved while it was used?"
        raise Unreadable(said, "missing") from error
    except PermissionError as error:
        said = f"cannot read {name}: permission denied; make the file readable or remove it"
        raise Unreadable(said, "permission denied") from error
    except UnidentifiedImageError as error:
        raise Unreadable(
            f"cannot decode {name}: expected an image that coldframe reads ({READS}), found other bytes; "
            "replace or remove the file", "not an image",
        ) from error  # fmt: skip
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise Unreadable(_too_large(name, "more"), "too large") from error
    except MemoryError:
        raise
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error, IndexError ...
        reason = " ".join(str(error).split()) or type(error).__name__
        raise Unreadable(
            f"cannot decode {name}: the image is damaged or truncated ({reason}); replace or remove the file",
            "damaged or truncated",
        ) from error


def _source(source: Path | bytes) -> BinaryIO:
    return io.BytesIO(source) if isinstance(source, bytes) else opened(source, MOST_BYTES)


def picture(file: BinaryIO) -> Image.Image:
    """Open a picture of one of the ``FORMATS``, not yet decoded: the one call of Pillow's opener on foreign bytes.

    Raises:
        UnidentifiedImageError: the bytes are of no such format.
    """
    return Image.open(file, formats=FORMATS)


def _too_large(name: str, found: str) -> str:
    return f"refused to decode {name}: expected at most {LARGEST:,} pixels, found {found}; make the picture smaller"


def _upright(image: Image.Image) -> Image.Image:
    """Turn by the EXIF tag. Read after loading, because Pillow turns TIFF files itself and then drops the tag."""
    try:
        orientation = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # damaged EXIF data is no reason to refuse sound pixels
        return image
    turn = _UPRIGHT.get(orientation) if isinstance(orientation, int) else None
    return image if turn is None else image.transpose(turn)


def to_rgb(image: Image.Image) -> Image.Image:
    """Return the picture as 8-bit RGB: CMYK, palettes, grey and 1 bit converted, transparency on white, deep grey scaled.

    Raises:
        DataError: 32-bit values outside 0 .. 65535 (integers) or 0 .. 1 (floats), which have no known white.
    """
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode.startswith("I") or image.mode == "F":
        return _deep(image)
    if image.mode == "La":
        image = image.convert("LA")
    if image.mode in ("RGBA", "LA", "PA", "RGBa") or "transparency" in image.info:
        layer = image.convert("RGBA")
        paper = Image.new("RGBA", layer.size, (255, 255, 255, 255))
        return Image.alpha_composite(paper, layer).convert("RGB")
    return image.convert("RGB")


def _deep(image: Image.Image) -> Image.Image:
    values = np.asarray(image).astype(np.float64)  # [H, W]
    least, most = float(values.min()), float(values.max())
    white = 1.0 if image.mode == "F" else white_of(image, most)
    if not (least >= 0 and most <= white):
        raise DataError(
            f"expected grey values from 0 to {white:g} in a picture of mode {image.mode}, found {least:g} to {most:g}; "
            "store it with 8 or 16 bits"
        )
    scaled = Image.fromarray(np.floor(values * (255 / white) + 0.5).astype(np.uint8)).convert("RGB")
    scaled.info[WHITE] = f"{white:g}"
    return scaled


def white_of(image: Image.Image, most: float) -> float:
    """Return the value that is white in a picture of deep grey: what its file says, else that of its depth.

    A TIFF may say its largest value (tag 281) or how many bits it uses (tag 258). Else the depth is the fewest bits of 10, 12,
    14 and 16 that hold the picture's values, so that 12 bits in a file of 16 keep their levels; values up to 255 are no deep
    grey of that kind and count as 16 bits.

    Args:
        image: of integers.
        most: its largest value.
    """
    tags = getattr(image, "tag_v2", {})
    for said in (tags.get(281), tuple(2**bits - 1 for bits in tags.get(258, ()) if isinstance(bits, int))):
        value = said[0] if isinstance(said, tuple) and said else said
        if isinstance(value, int) and 255 < value < 65535 and most <= value:
            return float(value)
    return 65535.0 if most <= 255 else next((2.0**bits - 1 for bits in (10, 12, 14) if most < 2**bits), 65535.0)


def fit(image: Image.Image, preprocess: Preprocess) -> NDArray[np.uint8]:
    """Resize and crop to a model's input.

    ``mode="crop"``: the shorter side becomes ``resize``, the longer int(resize * long / short), then the central S x S
    are cut out, with black around what is smaller. ``mode="squash"``: both sides become S. ``mode="pad"``: the longer side
    becomes S, the shorter round(S * short / long), with black around it. ``mode="as-is"``: nothing is resized. A picture
    that is marked as the input of a model (:mod:`coldframe.data.own_png`) is whole: it stays as it is at S x S, and is scaled
    to any other S.

    Args:
        image: RGB.
        preprocess: the model's own settings.

    Returns:
        Pixels 0 .. 255, uint8 [3, S, S].
    """
    size, (width, height) = preprocess.size, image.size
    if preprocess.mode == "as-is" and image.size != (size, size):
        raise DataError(f"expected a picture of {size} x {size} to take as it is, found {width} x {height}; leave as-is out")
    if preprocess.mode == "as-is" or preprocess.mode == "squash" or is_fitted(image):
        target = (size, size)
    elif preprocess.mode == "pad":
        longer = max(width, height)
        target = (max(1, round(size * width / longer)), max(1, round(size * height / longer)))
    elif width <= height:
        target = (preprocess.resize, int(preprocess.resize * height / width))
    else:
        target = (int(preprocess.resize * width / height), preprocess.resize)
    if target[0] * target[1] > LARGEST:
        raise DataError(
            f"expected a picture that has at most {LARGEST:,} pixels after resizing its shorter side to "
            f"{preprocess.resize}, found {width} x {height}; crop it"
        )
    if target != image.size:
        image = image.resize(target, _FILTER[preprocess.interpolation])
    if target != (size, size):
        left, top = _centre(target[0], size), _centre(target[1], size)
        image = image.crop((left, top, left + size, top + size))
    return np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1))  # [3, S, S]


def _centre(length: int, size: int) -> int:
    """Return where the crop starts; negative where black is added, as torchvision pads: the odd pixel at the end."""
    return round((length - size) / 2) if length >= size else -((size - length) // 2)


def load_pixels(
    images: Images, indices: Sequence[int] | NDArray[np.int64], preprocess: Preprocess, workers: int | None = None
) -> NDArray[np.uint8]:
    """Decode and fit some pictures in threads.

    Args:
        images: N pictures.
        indices: B numbers of pictures.
        preprocess: the model's own settings.
        workers: threads; by default one a core and at most 8.

    Returns:
        Pixels 0 .. 255, uint8 [B, 3, S, S], in the order of ``indices``.

    Raises:
        DataError: names the first picture in that order which does not decode.
    """
    pixels = np.empty((len(indices), 3, preprocess.size, preprocess.size), dtype=np.uint8)  # [B, 3, S, S]

    def load(place: int) -> None:
        index = int(indices[place])
        image = images.open(index)
        try:
            pixels[place] = fit(image, preprocess)
        except DataError as error:
            raise DataError(f"cannot use {images.name(index)}: {error}") from error

    workers = min(workers or min(8, os.cpu_count() or 1), max(1, len(indices)))
    if workers == 1:
        for place in range(len(indices)):
            load(place)
        return pixels
    pool = ThreadPoolExecutor(workers)
    try:
        for _ in pool.map(load, range(len(indices))):
            pass
    finally:
        pool.shutdown(cancel_futures=True)
    return pixels
