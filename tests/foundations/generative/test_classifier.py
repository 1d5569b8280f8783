"""The shipped judge of digits: how good it is, what it refuses, and that damage is noticed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from coldframe.errors import DataError, ModelError, WeightsNotFound
from coldframe.foundations.generative import classifier, digits


def test_the_shipped_weights_are_small_and_name_digits() -> None:
    judge = classifier.load()
    assert (classifier.FOLDER / classifier.FILE).stat().st_size < 250_000
    assert 30_000 < sum(value.numel() for value in judge.network.parameters()) < 60_000
    assert not judge.network.training
    test = digits.read_all(digits.load("mini:mnist"))["test"]
    features, probabilities = judge.read(test.pixels)
    assert features.shape == (1_000, classifier.FEATURES) and features.dtype == torch.float64
    assert bool((features >= 0).all())
    assert torch.allclose(probabilities.sum(1), torch.ones(1_000).double())
    assert float((probabilities.argmax(1) == test.labels).double().mean()) > 0.98


@pytest.mark.shared_data
def test_accuracy_on_all_test_images() -> None:
    from torchvision.datasets import MNIST

    from coldframe.files import data_root

    test = MNIST(str(data_root()), train=False)
    _, probabilities = classifier.load().read(test.data)
    assert float((probabilities.argmax(1) == test.targets).double().mean()) >= 0.988


def test_the_parameters_are_counted_in_the_docstring() -> None:
    count = sum(value.numel() for value in classifier.DigitNet().parameters())
    assert f"{count:,} parameters" in (classifier.DigitNet.__doc__ or "")


def test_bytes_and_floats_are_the_same_pictures() -> None:
    pixels = torch.randint(0, 256, (5, 28, 28), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    assert torch.allclose(classifier.signed(pixels), classifier.signed(pixels.double() / 255), atol=1e-6)
    assert float(classifier.signed(torch.full((1, 28, 28), 255, dtype=torch.uint8)).max()) == 1


@pytest.mark.parametrize(("wrong", "words"), [
    (torch.zeros(2, 20, 20), r"\[N, 28, 28\], found \[2, 20, 20\]"),
    (torch.full((2, 28, 28), 1.5), "from 0 to 1, found"),
    (torch.full((2, 28, 28), -1.0), "from 0 to 1, found"),
    (torch.full((2, 28, 28), float("nan")), "from 0 to 1, found"),
    (torch.zeros(2, 28, 28, dtype=torch.int64), "found torch.int64"),
    (torch.zeros(0, 28, 28), "at least one picture"),
])  # fmt: skip
def test_other_pictures_are_refused(wrong: torch.Tensor, words: str) -> None:
    with pytest.raises(DataError, match=words):
        classifier.load().read(wrong)


def test_damage_and_absence_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(WeightsNotFound, match="found none"):
        classifier.load(tmp_path)
    for name in (classifier.FILE, classifier.ABOUT):
        shutil.copy(classifier.FOLDER / name, tmp_path / name)
    assert classifier.load(tmp_path).digest == json.loads((tmp_path / classifier.ABOUT).read_text())["sha256"]
    content = bytearray((tmp_path / classifier.FILE).read_bytes())
    content[-1] ^= 1
    (tmp_path / classifier.FILE).write_bytes(bytes(content))
    with pytest.raises(ModelError, match="damaged"):
        classifier.load(tmp_path)


def test_what_is_saved_is_read_again(tmp_path: Path) -> None:
    network = classifier.DigitNet().eval()
    digest = classifier.save(tmp_path, network, 1.5, {"data": "none"})
    judge = classifier.load(tmp_path)
    assert (judge.scale, judge.digest) == (1.5, digest)
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), judge.network.parameters(), strict=True))
