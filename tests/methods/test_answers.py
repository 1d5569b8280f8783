"""A fitted method answers whatever a person has at hand, the same for the same picture, and holds its tongue where unsure."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from fakes import TinyBackbone, coloured
from PIL import Image

from coldframe.cold import ColdPass, Store
from coldframe.errors import DataError, InputError
from coldframe.methods import Method, method_class
from coldframe.methods.answers import threshold
from coldframe.methods.calibrated import HeldOut

TRAIN, VAL = coloured(24, 0, "train"), coloured(12, 1, "val")


@pytest.fixture
def probe(tmp_path: Path) -> Method:
    return method_class("linear-probe")(TinyBackbone(width=12)).fit(TRAIN, VAL, cold=ColdPass(Store(tmp_path / "store")))


def test_one_picture_in_every_dress_gets_one_answer(probe: Method, tmp_path: Path) -> None:
    array = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    image = Image.fromarray(array)
    (tmp_path / "album" / "deep").mkdir(parents=True)
    image.save(tmp_path / "album" / "deep" / "a.png")
    image.save(tmp_path / "album" / "b.png")
    path = tmp_path / "album" / "b.png"
    tensor = torch.from_numpy(array).permute(2, 0, 1)
    expected = probe.predict_proba(path)
    assert expected.shape == (1, 3) and float(expected.sum()) == pytest.approx(1)
    dresses = [str(path), [path], image, [image], array, array[None], [array], tensor, tensor[None], tensor.float() / 255]
    for dress in dresses:
        torch.testing.assert_close(probe.predict_proba(dress), expected, rtol=1e-5, atol=1e-6)
    for many in (tmp_path / "album", [path, path], [image, array], np.stack([array, array])):
        unlike = probe.predict_proba(many, batch_size=1)
        torch.testing.assert_close(unlike, expected.expand(len(unlike), -1), rtol=1e-5, atol=1e-6)
    assert len(probe.predict(tmp_path / "album")) == 2
    grey = probe.predict_proba(array[:, :, 0])
    torch.testing.assert_close(grey, probe.predict_proba(Image.fromarray(array[:, :, 0])))


def test_a_tensor_at_the_models_resolution_is_taken_as_it_is(probe: Method) -> None:
    pixels = torch.randint(256, (3, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    straightforward = (probe(probe.backbone.normalise(pixels)) / probe.divisor).softmax(-1)
    torch.testing.assert_close(probe.predict_proba(pixels), straightforward)
    torch.testing.assert_close(probe.predict_proba(pixels[0]), straightforward[:1])
    assert probe.predict_proba(pixels[:0]).shape == (0, 3)
    torch.testing.assert_close(probe.predict_proba(VAL), probe.predict_proba(VAL.images), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("wrong", "words"), [
    (np.zeros((2, 3, 9, 9), np.uint8), "reorder its axes"),
    (np.zeros((9, 9, 4), np.uint8), "reorder its axes"),
    (torch.zeros(9, 9, 3), "reorder its axes"),
    (np.full((9, 9, 3), 7.0), "floats in"),
    ([], "an empty list"),
    (3, "found int"),
    ([3], "found int"),
    ("nowhere.jpg", "found nothing"),
])  # fmt: skip
def test_what_is_no_picture_is_one_sentence(probe: Method, wrong: object, words: str) -> None:
    with pytest.raises(DataError, match=words) as caught:
        probe.predict_proba(wrong)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_pictures_are_decoded_batch_by_batch(probe: Method) -> None:
    class Watched:
        def __init__(self) -> None:
            self.opened = 0

        def __len__(self) -> int:
            return 40

        def open(self, index: int) -> Image.Image:
            self.opened += 1
            return Image.new("RGB", (16, 16))

        def digest(self, index: int) -> str:
            return str(index)

        def name(self, index: int) -> str:
            return str(index)

    watched, told = Watched(), list[tuple[int, int]]()
    answers = probe.stream(watched, batch_size=4, progress=lambda done, total: told.append((done, total)))
    assert next(answers).shape == (4, 3) and watched.opened <= 12
    assert sum(len(part) for part in answers) == 36 and told[0] == (4, 40) and told[-1] == (40, 40)


def test_frame(probe: Method) -> None:
    pytest.importorskip("pandas")
    frame = probe.predict_frame([VAL.images.open(row) for row in range(3)])
    assert list(frame.columns) == ["path", "class", "probability"] and len(frame) == 3
    assert frame["class"][0] == probe.classes[int(probe.predict(VAL.images.open(0)))]


def test_threshold_is_the_lowest_that_keeps_the_precision() -> None:
    sure = torch.tensor([0.9, 0.8, 0.8, 0.6, 0.5])
    right = torch.tensor([True, True, False, True, False])
    # From 0.9 on 1 of 1 is right, from 0.8 on 2 of 3, from 0.6 on 3 of 4, from 0.5 on 3 of 5.
    for precision, expected in ((1.0, 0.9), (0.75, 0.6), (0.7, 0.6), (0.6, 0.5)):
        assert threshold(HeldOut(sure, right), precision, "knn") == pytest.approx(expected)
    with pytest.raises(InputError, match="it reaches 0"):
        threshold(HeldOut(sure, ~right & (sure > 1)), 0.5, "knn")
    for validated, wanted in ((None, 0.9), (HeldOut(sure, right), 1.5)):
        with pytest.raises(InputError):
            threshold(validated, wanted, "knn")
