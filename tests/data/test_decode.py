"""Decoding of every kind of file, and resizing equal to torchvision to the bit."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from coldframe.data import decode as module
from coldframe.data.arrays import Arrays
from coldframe.data.decode import WHITE, decode, fit, load_pixels, to_rgb, white_of
from coldframe.errors import DataError
from coldframe.types import Preprocess


def stored(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def noise(height: int, width: int, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(height * 1000 + width).integers(0, 256, (height, width, channels), dtype=np.uint8)


def pixel(content: bytes) -> tuple[int, int, int]:
    image = decode(content, "x")
    assert image.mode == "RGB"
    return image.getpixel((0, 0))


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (Image.new("1", (2, 2), 1), (255, 255, 255)),
        (Image.new("L", (2, 2), 77), (77, 77, 77)),
        (Image.new("LA", (2, 2), (77, 0)), (255, 255, 255)),
        (Image.new("LA", (2, 2), (77, 255)), (77, 77, 77)),
        (Image.new("RGBA", (2, 2), (10, 20, 30, 0)), (255, 255, 255)),
        (Image.new("RGBA", (2, 2), (10, 20, 30, 255)), (10, 20, 30)),
        (Image.new("RGBA", (2, 2), (0, 0, 0, 128)), (127, 127, 127)),
        (Image.fromarray(np.full((2, 2), 65535, np.uint16)), (255, 255, 255)),
        (Image.fromarray(np.full((2, 2), 32896, np.uint16)), (128, 128, 128)),
        (Image.fromarray(np.full((2, 2), 300, np.uint16)), (75, 75, 75)),  # 10 bits
        (Image.fromarray(np.full((2, 2), 4095, np.uint16)), (255, 255, 255)),  # 12 bits
        (Image.fromarray(np.full((2, 2), 16383, np.uint16)), (255, 255, 255)),
        (Image.fromarray(np.full((2, 2), 200, np.uint16)), (1, 1, 1)),
    ],
)
def test_modes_become_rgb(image: Image.Image, expected: tuple[int, int, int]) -> None:
    assert pixel(stored(image)) == expected


def test_palettes_with_and_without_transparency() -> None:
    image = Image.new("P", (2, 2), 1)
    image.putpalette([0, 0, 0, 10, 200, 30])
    assert pixel(stored(image)) == (10, 200, 30)
    assert pixel(stored(image, transparency=1)) == (255, 255, 255)
    assert pixel(stored(image, transparency=b"\x00\xff")) == (10, 200, 30)
    assert pixel(stored(image, "GIF", transparency=1)) == (255, 255, 255)


def test_cmyk_jpeg_and_float_tiff() -> None:
    assert pixel(stored(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG")) == pytest.approx((255, 0, 0), abs=3)
    assert pixel(stored(Image.fromarray(np.full((2, 2), 0.5, np.float32)), "TIFF")) == (128, 128, 128)
    with pytest.raises(DataError, match=r"cannot decode x: expected grey values from 0 to 1 .* found 7 to 7"):
        decode(stored(Image.fromarray(np.full((2, 2), 7, np.float32)), "TIFF"), "x")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_exif_orientation_is_applied_once(orientation: int, kind: str) -> None:
    image = Image.fromarray(noise(3, 5))
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = stored(image, kind, exif=exif)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(content))))
    assert np.array_equal(np.asarray(decode(content, "x")), expected)
    assert (expected.shape == (5, 3, 3)) == (orientation >= 5)


def test_damaged_files_are_named_in_one_sentence(tmp_path: Path) -> None:
    whole = stored(Image.fromarray(noise(64, 64)), "JPEG")
    half = whole[: len(whole) // 2]
    other = "expected an image that coldframe reads"
    for content, found in ((b"just text", other), (half, "damaged or truncated"), (b"", other)):
        path = tmp_path / "photo.jpg"
        path.write_bytes(content)
        with pytest.raises(DataError, match=found) as caught:
            decode(path, str(path))
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match="damaged or truncated"):
        decode(half, "x", draft=True)
    with pytest.raises(DataError, match="found no file"):
        decode(tmp_path / "gone.jpg", "gone.jpg")


def test_bombs_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    content = stored(Image.new("1", (60, 60)))
    monkeypatch.setattr(module, "LARGEST", 3599)
    with pytest.raises(DataError, match=r"refused to decode x: expected at most 3,599 pixels, found 60 x 60"):
        decode(content, "x")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(DataError, match="refused to decode x"):
        decode(content, "x")


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 70),
    st.integers(1, 70),
    st.integers(1, 40),
    st.integers(1, 40),
    st.sampled_from(["nearest", "bilinear", "bicubic", "lanczos"]),
    st.sampled_from(["crop", "squash"]),
)
def test_fit_equals_torchvision(height: int, width: int, resize: int, size: int, filter_: str, mode: str) -> None:
    from torchvision import transforms as T

    image = Image.fromarray(noise(height, width))
    interpolation = T.InterpolationMode(filter_)
    steps = [T.Resize(resize, interpolation), T.CenterCrop(size)] if mode == "crop" else [T.Resize((size, size), interpolation)]
    expected = np.asarray(T.Compose(steps)(image)).transpose(2, 0, 1)
    pixels = fit(image, Preprocess(size, resize, (0, 0, 0), (1, 1, 1), filter_, mode))  # type: ignore[arg-type]
    assert pixels.dtype == np.uint8
    assert pixels.shape == (3, size, size)
    assert np.array_equal(pixels, expected)


@pytest.mark.parametrize("workers", [1, 4, None])
def test_load_pixels_keeps_the_order(workers: int | None) -> None:
    values, preprocess = noise(12, 8 * 8, 3).reshape(12, 8, 8, 3), Preprocess(8, 8, (0, 0, 0), (1, 1, 1))
    pixels = load_pixels(Arrays(values), [5, 0, 11, 5], preprocess, workers)
    assert np.array_equal(pixels, values[[5, 0, 11, 5]].transpose(0, 3, 1, 2))
    assert load_pixels(Arrays(values), [], preprocess, workers).shape == (0, 3, 8, 8)


def test_load_pixels_names_what_does_not_fit() -> None:
    with pytest.raises(DataError, match=r"cannot use array row 0: .* found 1 x 4000"):
        load_pixels(Arrays(np.zeros((1, 4000, 1), np.uint8)), [0], Preprocess(224, 224, (0, 0, 0), (1, 1, 1)))


def test_decoding_is_the_same_from_many_threads(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(stored(Image.fromarray(noise(20, 20))))
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: decode(path, "a").tobytes(), range(40)))
    assert set(results) == {noise(20, 20).tobytes()}


def test_deep_grey_keeps_its_levels_and_says_its_white() -> None:
    ramp = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    found = decode(stored(Image.fromarray(ramp)), "x")
    assert len(np.unique(np.asarray(found)[..., 0])) == 256 and found.info[WHITE] == "4095"
    dim = Image.fromarray((ramp // 4).astype(np.uint16))
    told = decode(stored(dim, "TIFF", tiffinfo={281: 4095}), "x")
    assert told.info[WHITE] == "4095" and np.asarray(told).max() == 64
    assert decode(stored(dim), "x").info[WHITE] == "1023"


def test_large_profiles_and_texts_are_no_damage() -> None:
    from PIL.PngImagePlugin import PngInfo

    marks = PngInfo()
    marks.add_text("note", "x" * 3_000_000, zip=True)
    profile = np.random.default_rng(0).bytes(2_500_000)
    for content in (stored(Image.new("RGB", (2, 2), (9, 8, 7)), pnginfo=marks),
                    stored(Image.new("RGB", (2, 2), (9, 8, 7)), icc_profile=profile)):  # fmt: skip
        assert pixel(content) == (9, 8, 7)


def test_every_way_to_a_square() -> None:
    wide = Image.fromarray(np.full((10, 40, 3), 200, np.uint8))
    ways: dict[str, np.ndarray] = {}
    for mode in ("crop", "squash", "pad"):
        preprocess = Preprocess(20, 24, (0, 0, 0), (1, 1, 1), "bilinear", mode)
        ways[mode] = fit(wide, preprocess)
        assert ways[mode].shape == (3, 20, 20)
    assert (ways["crop"] == 200).all() and (ways["squash"] == 200).all()
    rows = (ways["pad"][0] == 200).all(1)
    assert rows.sum() == 5 and (ways["pad"][0][~rows] == 0).all() and rows[7:12].all()
    assert len({Preprocess(20, 24, (0, 0, 0), (1, 1, 1), "bilinear", mode).pixel_digest() for mode in ways}) == 3
    as_is = Preprocess(20, 24, (0, 0, 0), (1, 1, 1), "bilinear", "as-is")
    pixels = noise(20, 20)
    assert (fit(Image.fromarray(pixels), as_is).transpose(1, 2, 0) == pixels).all()
    with pytest.raises(DataError, match="20 x 20 to take as it is, found 40 x 10"):
        fit(wide, as_is)


@pytest.mark.parametrize(
    ("tags", "most", "white"),
    [
        ({}, 255, 65535), ({}, 256, 1023), ({}, 1023, 1023), ({}, 1024, 4095), ({}, 4095, 4095), ({}, 4096, 16383),
        ({}, 16383, 16383), ({}, 16384, 65535), ({281: 300}, 300, 300), ({281: 300}, 301, 1023), ({281: 255}, 100, 65535),
        ({281: 256}, 100, 256), ({281: 65535}, 300, 1023), ({281: 65534}, 300, 65534), ({281: (600, 7)}, 300, 600),
        ({281: ()}, 300, 1023), ({258: (12,)}, 300, 4095), ({258: (16,)}, 300, 1023), ({258: (9, 9, 9)}, 300, 511),
        ({258: ("x",)}, 300, 1023), ({281: 700, 258: (12,)}, 300, 700), ({281: 200, 258: (12,)}, 300, 4095),
    ],
)  # fmt: skip
def test_the_white_of_deep_grey_is_said_or_of_the_fewest_bits(tags: dict[int, object], most: float, white: int) -> None:
    assert white_of(SimpleNamespace(tag_v2=tags), most) == white  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (Image.fromarray(np.full((1, 1), 1.0, np.float32)), 255), (Image.fromarray(np.full((1, 1), 0.0, np.float32)), 0),
        (Image.fromarray(np.full((1, 1), 1.001, np.float32)), None),
        (Image.fromarray(np.full((1, 1), -0.001, np.float32)), None),
        (Image.fromarray(np.full((1, 1), 65535, np.int32)), 255), (Image.fromarray(np.full((1, 1), 65536, np.int32)), None),
        (Image.fromarray(np.full((1, 1), -1, np.int32)), None), (Image.new("LA", (1, 1), (10, 51)).convert("La"), 206),
        (Image.new("RGBA", (1, 1), (10, 10, 10, 51)).convert("RGBa"), 206), (Image.new("HSV", (1, 1), (0, 0, 90)), 90),
    ],
)  # fmt: skip
def test_the_ends_of_every_kind_of_values(image: Image.Image, expected: int | None) -> None:
    if expected is None:
        with pytest.raises(DataError, match="store it with 8 or 16 bits"):
            to_rgb(image)
        return
    found = to_rgb(image).getpixel((0, 0))
    assert isinstance(found, tuple) and found == pytest.approx((expected,) * 3, abs=1)


def test_the_largest_picture_is_read_and_one_pixel_more_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    content, image = stored(Image.new("L", (6, 10))), Image.new("RGB", (6, 10))
    preprocess = Preprocess(4, 12, (0, 0, 0), (1, 1, 1))
    monkeypatch.setattr(module, "LARGEST", 240)
    assert decode(content, "x").size == (6, 10) and fit(image, preprocess).shape == (3, 4, 4)
    monkeypatch.setattr(module, "LARGEST", 239)
    with pytest.raises(DataError, match="at most 239 pixels after resizing its shorter side to 12, found 6 x 10"):
        fit(image, preprocess)
    monkeypatch.setattr(module, "LARGEST", 60)
    assert decode(content, "x").size == (6, 10)
    with pytest.raises(DataError, match="at most 59 pixels, found 6 x 10"):
        monkeypatch.setattr(module, "LARGEST", 59)
        decode(content, "x")


def test_a_draft_is_small_and_an_odd_turn_is_none() -> None:
    large = stored(Image.new("RGB", (640, 320), (9, 90, 200)), "JPEG")
    assert decode(large, "x", draft=True).size == (80, 40) and decode(large, "x").size == (640, 320)
    exif = Image.Exif()
    exif[0x0112] = 9
    assert decode(stored(Image.new("RGB", (3, 2)), "PNG", exif=exif), "x").size == (3, 2)


@pytest.mark.parametrize(("size", "resize"), [(5, 8), (6, 9), (7, 3), (4, 7)])
def test_a_crop_of_odd_lengths_is_torchvisions(size: int, resize: int) -> None:
    from torchvision import transforms as T

    for width, height in ((9, 14), (14, 9), (8, 8)):
        image = Image.fromarray(noise(height, width))
        expected = np.asarray(T.Compose([T.Resize(resize), T.CenterCrop(size)])(image)).transpose(2, 0, 1)
        assert np.array_equal(fit(image, Preprocess(size, resize, (0, 0, 0), (1, 1, 1), "bilinear")), expected)
