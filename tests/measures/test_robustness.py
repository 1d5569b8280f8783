"""Accuracy under noise and corruptions: the space is what it says, the draw is the image's own, sharing changes nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from drawn import same_numbers
from fakes import PREPROCESS, TinyBackbone, split
from torch import Tensor

from coldframe.data.corruptions import LEVELS, NAMES, corrupt
from coldframe.data.decode import load_pixels
from coldframe.errors import InputError
from coldframe.measures.robustness import (
    CorruptionScores,
    NoiseCurve,
    corruption_score,
    corruption_scores,
    noise_curve,
    noise_curves,
    unit_noise,
)

TEST = split(12, seed=3)
NORMAL = torch.tensor(PREPROCESS.mean).view(3, 1, 1), torch.tensor(PREPROCESS.std).view(3, 1, 1)


class Seen:
    """A classifier that keeps what it is shown and always answers class 0."""

    def __init__(self) -> None:
        self.images: list[Tensor] = []

    def __call__(self, images: Tensor) -> Tensor:
        self.images.append(images)
        return torch.eye(3)[torch.zeros(len(images), dtype=torch.long)]


def clean() -> Tensor:
    return torch.from_numpy(load_pixels(TEST.images, range(12), PREPROCESS)).float() / 255


def test_without_noise_it_is_the_clean_image_to_the_bit() -> None:
    seen, backbone = Seen(), TinyBackbone()
    curve = noise_curve(seen, TEST, PREPROCESS, [0.0], batch_size=5)
    pixels = torch.from_numpy(load_pixels(TEST.images, range(12), PREPROCESS))
    assert torch.equal(torch.cat(seen.images), backbone.normalise(pixels))
    assert [len(batch) for batch in seen.images] == [5, 5, 2]
    assert curve.top1 == (4 / 12,) and curve.n == 12 and curve.space == "normalised"


def test_noise_is_added_after_normalisation_and_scales_one_draw() -> None:
    seen = Seen()
    noise_curve(seen, TEST, PREPROCESS, [0.3, 0.1], batch_size=12)  # sorted: 0.1, then 0.3
    plain, weak, strong = seen.images
    base = (clean() - NORMAL[0]) / NORMAL[1]
    torch.testing.assert_close(plain, base)
    torch.testing.assert_close((strong - base) / 3, weak - base, atol=1e-5, rtol=1e-5)
    assert float((weak - base).std()) == pytest.approx(0.1, rel=0.03)
    assert abs(float((weak - base).mean())) < 0.005


def test_noise_in_pixel_space_stays_between_black_and_white() -> None:
    seen = Seen()
    noise_curve(seen, TEST, PREPROCESS, [0.2], space="pixel", batch_size=12)
    pixels = seen.images[-1] * NORMAL[1] + NORMAL[0]
    assert float(pixels.min()) >= -1e-6 and float(pixels.max()) <= 1 + 1e-6
    inside = (pixels > 1e-4) & (pixels < 1 - 1e-4)
    digests = [TEST.images.digest(row) for row in range(12)]
    expected = clean() + 0.2 * unit_noise(digests, PREPROCESS.size)
    torch.testing.assert_close(pixels[inside], expected[inside], atol=1e-5, rtol=0)


def test_the_draw_belongs_to_the_image_and_not_to_its_place() -> None:
    forward, backward = Seen(), Seen()
    noise_curve(forward, TEST, PREPROCESS, [0.1], batch_size=12)
    noise_curve(backward, TEST.subset(range(11, -1, -1)), PREPROCESS, [0.1], batch_size=7)
    assert torch.equal(forward.images[-1], torch.cat(backward.images[1::2]).flip(0))
    one, other = unit_noise(["a"], 8), unit_noise(["a"], 8, seed=1)
    assert not torch.equal(one, other) and not torch.equal(one, unit_noise(["b"], 8))


def test_methods_measured_together_get_what_they_get_alone() -> None:
    backbone = TinyBackbone()
    heads = {name: torch.randn(6, 3, generator=torch.Generator().manual_seed(name)) for name in (0, 1)}

    def both(images: Tensor) -> dict[int, Tensor]:
        features = backbone.run(images)
        return {name: features @ head for name, head in heads.items()}

    together = noise_curves(both, TEST, PREPROCESS, [0, 0.5, 2])
    worse = corruption_scores(both, TEST, PREPROCESS, names=["fog", "jpeg"])
    for name, head in heads.items():
        alone = noise_curve(lambda x, head=head: backbone.run(x) @ head, TEST, PREPROCESS, [0, 0.5, 2], batch_size=3)
        assert together[name] == alone
        assert worse[name] == corruption_score(
            lambda x, head=head: backbone.run(x) @ head, TEST, PREPROCESS, names=["fog", "jpeg"], batch_size=5
        )
    assert together[0] != together[1]


def test_corruptions_are_those_of_the_room_and_means_are_means() -> None:
    seen, steps = Seen(), []
    found = corruption_score(
        seen, TEST, PREPROCESS, names=["snow", "contrast"], batch_size=12, progress=lambda *at: steps.append(at)
    )
    assert list(found.top1) == ["snow", "contrast"] and steps == [(1, 1)] and len(seen.images) == 1 + 10
    pixels = load_pixels(TEST.images, range(12), PREPROCESS)
    snowed = corrupt(pixels[4], "snow", 3, digest=TEST.images.digest(4))
    expected = (torch.from_numpy(snowed).float() / 255 - NORMAL[0]) / NORMAL[1]
    assert torch.equal(seen.images[3][4], expected) and torch.equal(seen.images[0], (clean() - NORMAL[0]) / NORMAL[1])
    score = CorruptionScores({"a": (1.0, 0.5), "b": (0.0, 0.5)}, 4, 1.0)
    assert score.by_corruption == {"a": 0.75, "b": 0.25} and score.by_severity == (0.5, 0.5) and score.mean == 0.5


def test_all_fifteen_at_five_severities_when_nothing_is_said() -> None:
    seen = Seen()
    found = corruption_score(seen, TEST.subset([0, 1]), PREPROCESS)
    assert tuple(found.top1) == NAMES and len(seen.images) == 1 + len(NAMES) * len(LEVELS)
    assert len({batch.numpy().tobytes() for batch in seen.images}) > 70  # hardly two alike


def test_the_named_deviation_is_the_courses_where_it_is_measured() -> None:
    assert NoiseCurve("pixel", (0.0, 0.1, 0.4), (0.9, 0.7, 0.2), 5, 0.9).noise_top1 == 0.7
    assert NoiseCurve("pixel", (0.0, 0.05), (0.9, 0.8), 5, 0.9).noise_top1 == 0.8


@pytest.mark.parametrize(
    ("deviations", "space", "rows", "words"),
    [
        ([], "pixel", 3, "at least one standard deviation"),
        ([-0.1], "pixel", 3, "0 or more, found -0.1"),
        ([float("nan")], "pixel", 3, "0 or more, found nan"),
        ([0.1], "pixels", 3, "did you mean 'pixel'"),
        ([0.1], "pixel", 0, "at least one image"),
    ],
)
def test_what_cannot_be_measured_is_one_sentence(deviations: list[float], space: str, rows: int, words: str) -> None:
    with pytest.raises(InputError, match=words):
        noise_curve(Seen(), TEST.subset(np.arange(rows)), PREPROCESS, deviations, space=space)


@pytest.mark.parametrize("deviations", [[0.3], [0, 0.3]])
def test_clean_accuracy_is_that_of_the_same_images(deviations: list[float]) -> None:
    backbone = TinyBackbone()
    head = torch.randn(6, 3, generator=torch.Generator().manual_seed(3))

    def classify(images: Tensor) -> Tensor:
        return backbone.run(images) @ head

    some = TEST.subset([0, 2, 3, 7, 8])
    pixels = torch.from_numpy(load_pixels(some.images, range(5), PREPROCESS)).float() / 255
    right = (classify((pixels - NORMAL[0]) / NORMAL[1]).argmax(1).numpy() == some.labels).mean()
    noisy = noise_curve(classify, some, PREPROCESS, deviations, space="pixel")
    assert noisy.clean == pytest.approx(right) and len(noisy.top1) == len(deviations)
    assert corruption_score(classify, some, PREPROCESS, names=["fog"]).clean == pytest.approx(right)


def test_a_method_that_answers_nan_is_told_of() -> None:
    with pytest.raises(InputError, match="found NaN"):
        noise_curve(lambda x: torch.full((len(x), 3), torch.nan), TEST, PREPROCESS, [0.1])


def test_the_draw_of_an_image_is_the_same_in_every_version() -> None:
    """The curves of two runs are compared, so that the noise of an image may never change."""
    same_numbers(__file__, "noise", {"plain": unit_noise(["a"], 4), "of seed 1": unit_noise(["a", "b"], 3, seed=1)}, 1e-5)


def test_progress_is_told_batch_by_batch() -> None:
    told: list[tuple[int, int]] = []
    noise_curve(Seen(), TEST, PREPROCESS, [0.1], progress=lambda *at: told.append(at))
    assert told == [(1, 2), (2, 2)]
    with pytest.raises(InputError, match="found inf"):
        noise_curve(Seen(), TEST, PREPROCESS, [float("inf")])
