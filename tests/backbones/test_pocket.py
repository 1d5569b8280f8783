"""pocket: its description, its random and its written weights, and what it refuses."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from coldframe.backbones import load_backbone
from coldframe.backbones import pocket as module
from coldframe.backbones.ids import ModelId
from coldframe.backbones.pocket import Shape
from coldframe.backbones.words import Words
from coldframe.cold import ColdPass, Store
from coldframe.data import load_dataset
from coldframe.data.decode import load_pixels
from coldframe.errors import InputError, ModelError, WeightsNotFound
from coldframe.methods.zero_shot import ZeroShot
from coldframe.recipes.pocket.colours import strongest_channel
from coldframe.recipes.pocket.study import about
from coldframe.recipes.pocket.words import MAN_MADE

SMALL = Shape(size=12, patch=6, width=64, layers=2, text_width=32, text_layers=1, embedding=16)
LEAST = 0.88
"""Zero-shot top-1 on the 1,000 test images of mini:cifar10 that the shipped weights must pass."""


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """A folder with the weights and the description of a small pocket."""
    made = about(SMALL)
    clip = module.network(SMALL, Words(made["trained"], made["spelt"], module.CONTEXT))
    module.write(tmp_path, clip.state_dict(), made)
    return tmp_path


def test_the_shipped_description_is_the_recipe_s() -> None:
    shipped, made = module.description(), about(Shape())
    assert {key: shipped[key] for key in made if key != "sha256"} == {key: made[key] for key in made if key != "sha256"}


def test_random_weights_are_the_same_each_time() -> None:
    first, second = load_backbone("pocket", pretrained=False), load_backbone("pocket", pretrained=False)
    assert first.digest == second.digest
    assert first.layers == 12
    assert first.feature_dim == 128
    assert first.parameter_count * 2 < 10_000_000


def test_stages_are_the_network_s_own_forward() -> None:
    backbone = load_backbone("pocket", pretrained=False)
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        whole = backbone.module.encode_image(images)  # type: ignore[operator]
        for cut in ("embed", "block0", "block6", "block11"):
            torch.testing.assert_close(backbone.run(backbone.run(images, stop=cut), start=cut), whole)


def test_texts_reach_the_text_tower() -> None:
    text = load_backbone("pocket", pretrained=False).text
    assert text is not None
    with torch.no_grad():
        features = text.encode(text.tokenize(["This is a photo of a cat", "a photo of a dog"]))
    assert features.shape == (2, 128)
    assert text.unknown_words("a cat with an accordion") == ["accordion"]
    with pytest.raises(InputError, match="no word 'qwertz'"):
        text.tokenize(["a photo of a qwertz"])


def test_without_shipped_weights_the_message_says_how_to_make_them(tmp_path: Path) -> None:
    (tmp_path / "pocket.json").write_bytes((module.FOLDER / "pocket.json").read_bytes())
    with pytest.raises(WeightsNotFound, match="coldframe train pocket"):
        module.load(ModelId("pocket"), tmp_path)


def test_written_weights_load_with_the_same_digest_twice(written: Path) -> None:
    first, second = module.load(ModelId("pocket"), written), module.load(ModelId("pocket"), written)
    assert first.digest == second.digest
    assert first.weights != "random"
    by_path = module.load(ModelId("pocket", checkpoint=written / module.FILE), written)
    images = torch.zeros(1, 3, 12, 12)
    torch.testing.assert_close(by_path.run(images), first.run(images))


def test_damaged_weights_are_refused_in_one_sentence(written: Path) -> None:
    path = written / module.FILE
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(ModelError, match="damaged"):
        module.load(ModelId("pocket"), written)


def test_weights_of_another_shape_are_refused(written: Path) -> None:
    with pytest.raises(ModelError, match="does not fit pocket"):
        load_backbone(f"pocket@{written / module.FILE}")


def test_there_are_no_variants() -> None:
    with pytest.raises(ModelError, match="no variants"):
        load_backbone("pocket:large")


def test_the_shipped_weights_know_what_the_card_says(tmp_path: Path) -> None:
    backbone, cold = load_backbone("pocket"), ColdPass(Store(tmp_path))
    assert load_backbone("pocket").digest == backbone.digest and backbone.weights != "random"
    test = load_dataset("mini:cifar10").test

    def answers(words: Sequence[str], template: str) -> NDArray[np.int64]:
        return ZeroShot(backbone, template=template).for_classes(words).predict(test, cold=cold).numpy()

    assert (answers(test.classes, "This is a photo of a {}") == test.labels).mean() > LEAST
    made = np.isin(test.labels, MAN_MADE)
    assert ((answers(("human-made", "from-nature"), "This image displays an object that is {}") == 0) == made).mean() >= 0.9
    pixels = load_pixels(test.images, range(len(test)), backbone.preprocess)
    strongest = strongest_channel(torch.from_numpy(pixels)).numpy()
    clear = strongest >= 0
    colours = answers(("red", "green", "blue"), "This is an image mostly coloured {}")
    assert clear.sum() > 300 and (colours == strongest)[clear].mean() >= 0.8
