"""Pixel prompts beyond the contract: mappings that change, places, pictures, other classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fakes import Pictures, split, tiny_classifier, tiny_clip

from coldframe.cold import ColdPass, Store
from coldframe.data.base import Split
from coldframe.errors import InputError
from coldframe.methods import load
from coldframe.methods.pixel_prompt import PixelPrompt
from coldframe.report.figures.prompts import alone, prompt_figure, prompt_pictures


def tinted(n: int, seed: int) -> Split:
    generator = np.random.default_rng(seed)
    labels = np.arange(n, dtype=np.int64) % 3
    arrays = [generator.integers(0, 110, (32, 32, 3)) for _ in labels]
    for array, label in zip(arrays, labels, strict=True):
        array[..., label] += 120
    return Split("train", Pictures([array.astype(np.uint8) for array in arrays]), labels, ("red", "green", "blue"))


def test_a_frame_is_as_wide_as_the_published_one() -> None:
    """30 of 224 pixels, on a network of another size the same share; at least one pixel."""
    backbone = tiny_clip()
    assert PixelPrompt(backbone).pixels == max(1, round(30 / 224 * backbone.preprocess.size)) and backbone.preprocess.size > 8
    assert PixelPrompt(backbone, size=2).pixels == 2


@pytest.mark.parametrize("mapping", ["frequency", "iterative", "full"])
def test_a_classifier_is_reprogrammed(mapping: Any, tmp_path: Path) -> None:
    cold, train, test = ColdPass(Store(tmp_path)), tinted(36, 0), tinted(30, 1)
    backbone = tiny_classifier(100)
    sources = 2 if mapping == "frequency" else 1
    plain = PixelPrompt(backbone, mapping="identity", epochs=1, lr=1e-9, optimiser="adam").fit(train, cold=cold)
    method = PixelPrompt(
        backbone, mapping=mapping, sources=sources, size=10, epochs=20, lr=0.3, optimiser="adam", batch_size=12
    ).fit(train, cold=cold, run=tmp_path / "run")
    assert method.score(test, cold=cold) > max(0.6, plain.score(test, cold=cold))
    loaded = load(method.save(tmp_path / "saved"), backbone)
    torch.testing.assert_close(loaded.logits(test, cold=cold), method.logits(test, cold=cold), rtol=0, atol=0)
    if mapping != "full":
        assert method.trainable_parameters == sum(value.numel() for value in method.prompt.values())
    # Taken up again, the finished run is the same, its assignment of outputs included.
    again = method.again().fit(train, cold=cold, run=tmp_path / "run")
    torch.testing.assert_close(again.logits(test, cold=cold), method.logits(test, cold=cold), rtol=0, atol=0)


class Watched(Pictures):
    """Pictures that count how often one is opened."""

    opened = 0

    def open(self, index: int) -> Any:
        self.opened += 1
        return super().open(index)


def test_no_image_is_opened_after_the_cold_pass(tmp_path: Path) -> None:
    plain = split(12)
    images = Watched(plain.images.arrays)  # type: ignore[attr-defined]
    train = Split("train", images, plain.labels, plain.classes)
    cold, backbone = ColdPass(Store(tmp_path)), tiny_clip()
    cold.prepare(backbone, [train], [("embed", "plain")])
    before = images.opened
    assert before >= 12
    PixelPrompt(backbone, epochs=3).fit(train, train, cold=cold)
    assert images.opened == before


def test_places_are_functions_of_seed_epoch_and_index() -> None:
    items = torch.arange(10)
    method = PixelPrompt(tiny_clip(), kind="random-patch", size=4)
    drawn = method._places(items, 3, 10)
    assert drawn is not None and len(drawn) == 10 and len(set(drawn)) > 5
    assert all(0 <= y <= 12 and 0 <= x <= 12 for y, x in drawn)
    assert method._places(items[4:6], 3, 10) == drawn[4:6]
    assert method._places(items, 4, 10) != drawn
    together = PixelPrompt(tiny_clip(), kind="random-patch", size=4, place="batch")._places(items, 3, 10)
    assert together == drawn[:1]

    method.prompt = {"patch": torch.ones(1, 3, 4, 4)}
    placed = method.picture([(2, 5)])
    assert placed[0, :, 2:6, 5:9].sum() == 48 and placed.sum() == 48
    assert method.picture()[0, :, 6:10, 6:10].sum() == 48
    corner = PixelPrompt(tiny_clip(), kind="random-patch", size=4, fixed_place="top-left")
    corner.prompt = method.prompt
    assert corner.picture()[0, :, :4, :4].sum() == 48


def test_a_prompt_scores_other_classes_and_keeps_its_own(tmp_path: Path) -> None:
    train = split(12)
    method = PixelPrompt(tiny_clip(), epochs=2, lr=0.1, optimiser="adam").fit(train, cold=ColdPass(Store(tmp_path)))
    before = method.predict_proba(torch.zeros(1, 3, 16, 16))
    other = method.with_classes(("cat", "dog", "cow", "pig", "hen"))
    assert other.predict_proba(torch.zeros(1, 3, 16, 16)).shape == (1, 5)
    assert torch.equal(method.predict_proba(torch.zeros(1, 3, 16, 16)), before)
    assert set(method.state()) == {"up", "down", "left", "right"}
    linear = PixelPrompt(tiny_clip(), mapping="linear", epochs=1).fit(train, cold=ColdPass(Store(tmp_path)))
    with pytest.raises(InputError, match="can score no others"):
        linear.with_classes(("cat", "dog"))


def test_what_is_shown_is_what_the_network_sees() -> None:
    method = PixelPrompt(tiny_clip(), size=3, init="normal", scale=0.75)
    method.prompt = {name: torch.ones(shape) for name, shape in method.shapes().items()}
    images = torch.randint(256, (2, 3, 16, 16), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    prompt, shown = method.prompted(images)
    net = method.backbone
    mean, std = (torch.tensor(value).view(3, 1, 1) for value in (net.preprocess.mean, net.preprocess.std))
    seen = method._shrunk(net.normalise(images)) + method.picture()
    torch.testing.assert_close((shown - mean) / std, seen)
    picture, factor = alone(prompt.numpy())
    assert picture.shape == (16, 16, 3) and (picture[8, 8] == 128).all() and picture[0, 0].max() == 255
    assert factor == pytest.approx(0.5 / float(prompt.abs().max()))
    assert len(prompt_pictures("pixel prompt", prompt.numpy(), shown.numpy())) == 3
    assert prompt_figure("pixel prompt", prompt.numpy(), shown.numpy()).axes
