"""Sample quality: the distance in closed form and against SciPy, its floor below its controls, entropy, and what is refused."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from drawn import same_numbers
from scipy import ndimage
from torch import Tensor

from coldframe.errors import DataError, InputError
from coldframe.foundations.generative import classifier, digits, quality
from coldframe.foundations.generative.digits import Digits
from coldframe.foundations.generative.quality import Moments, frechet


@pytest.fixture(scope="module")
def real() -> dict[str, Digits]:
    return digits.read_all(digits.load("mini:mnist"))


@pytest.fixture(scope="module")
def against(real: dict[str, Digits]) -> quality.Reference:
    return quality.reference(real["test"], real["train"])


def covariance(d: int, seed: int, rank: int | None = None) -> Tensor:
    half = torch.randn(d, rank or d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return half @ half.T


def test_covariances_that_commute_have_a_closed_form() -> None:
    turn, _ = torch.linalg.qr(covariance(5, 0))
    a, b = torch.tensor([0.0, 1, 4, 9, 2]).double(), torch.tensor([3.0, 1, 0, 16, 5]).double()
    shift = torch.arange(5.0).double()
    found = frechet(Moments(shift, turn @ a.diag() @ turn.T), Moments(torch.zeros(5).double(), turn @ b.diag() @ turn.T))
    assert found == pytest.approx(float(shift.square().sum() + (a.sqrt() - b.sqrt()).square().sum()), rel=1e-7)


@pytest.mark.parametrize("rank", [6, 3])
def test_the_distance_agrees_with_scipys_matrix_root(rank: int) -> None:
    linalg = pytest.importorskip("scipy.linalg")
    a, b = covariance(6, 1, rank), covariance(6, 2) + torch.eye(6).double()
    zero = torch.zeros(6).double()
    root = np.real(linalg.sqrtm((a @ b).numpy()))
    expected = float(a.trace() + b.trace()) - 2 * np.trace(root)
    assert frechet(Moments(zero, a), Moments(zero, b)) == pytest.approx(expected, rel=1e-6)
    assert frechet(Moments(zero, b), Moments(zero, a)) == pytest.approx(expected, rel=1e-6)


def test_equal_moments_are_at_no_distance() -> None:
    a = Moments(torch.ones(4).double(), covariance(4, 3, 2))
    assert frechet(a, a) == pytest.approx(0, abs=1e-6)


def test_moments_are_numpys() -> None:
    rows = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
    found = Moments.of(rows)
    np.testing.assert_allclose(found.covariance, np.cov(rows.double().numpy().T), rtol=1e-12)
    np.testing.assert_allclose(found.mean, rows.double().mean(0), rtol=1e-12)
    with pytest.raises(DataError, match="2 vectors"):
        Moments.of(rows[:1])


def test_entropy_is_one_for_all_classes_alike_and_zero_for_one() -> None:
    assert quality.class_entropy(torch.eye(10)) == pytest.approx(1)
    assert quality.class_entropy(torch.eye(10)[:1].expand(7, 10)) == 0
    assert quality.class_entropy(torch.tensor([[1.0, 0, 0, 0], [0, 1, 0, 0]])) == pytest.approx(0.5)


def test_blur_keeps_a_flat_middle_and_spreads_a_point() -> None:
    assert torch.allclose(quality.blurred(torch.ones(1, 28, 28))[0, 10:18, 10:18], torch.tensor(1.0), atol=1e-5)
    point = torch.zeros(1, 28, 28)
    point[0, 14, 14] = 1
    spread = quality.blurred(point)[0]
    assert float(spread.sum()) == pytest.approx(1, abs=1e-5)
    offset = torch.arange(28) - 14.0
    assert float((spread.sum(0) * offset.square()).sum()) == pytest.approx(quality.BLUR**2, rel=0.05)


def test_real_digits_are_near_and_controls_are_far(against: quality.Reference, real: dict[str, Digits]) -> None:
    assert against.n == 1_000
    assert 0 < against.floor < 60 < min(against.controls.values())
    assert against.controls.keys() == {"one_class", "blur", "noise"}
    assert against.entropy > 0.99 and against.confidence > 0.95
    same = against.score(real["test"].pixels)
    assert same["frechet"] == pytest.approx(0, abs=1e-6)
    assert same["share_of_noise"] == pytest.approx(0, abs=1e-6)


def test_a_model_is_measured_with_the_digest_beside_it(real: dict[str, Digits], against: quality.Reference) -> None:
    def memory(z: Tensor) -> Tensor:
        place = (z[:, 0].sigmoid() * len(real["train"])).long().clamp(max=len(real["train"]) - 1)
        return real["train"].pixels[place].float() / 255

    found = quality.measure(memory, 1, real["test"], real["train"])
    assert found["classifier_sha256"] == classifier.load().digest
    assert found["floor"] == against.floor and found["n"] == 1_000
    assert found["frechet"] < found["controls"]["blur"] / 4
    assert found["class_entropy"] > 0.97
    first = real["train"].pixels[:1].float() / 255
    one = quality.measure(lambda z: first.expand(len(z), 28, 28), 1, real["test"], real["train"])
    assert one["class_entropy"] < 0.2 and one["frechet"] > found["frechet"]


def test_draws_depend_on_the_seed_and_not_on_the_chunk() -> None:
    def echo(z: Tensor) -> Tensor:
        return z.sum(dim=1)[:, None, None].expand(-1, 28, 28)

    assert torch.equal(quality.draw(echo, 3, 700, 5), quality.draw(echo, 3, 700, 5))
    assert not torch.equal(quality.draw(echo, 3, 700, 5), quality.draw(echo, 3, 700, 6))
    assert len(quality.draw(echo, 3, 700).unique()) == 700


@pytest.mark.parametrize(("wrong", "words"), [
    (lambda x: x[:10], "as many as the real"), (lambda x: x.float(), "from 0 to 1, found"), (lambda x: x[:, :20], "28, 28"),
])  # fmt: skip
def test_pictures_that_cannot_be_compared_are_refused(
    against: quality.Reference, real: dict[str, Digits], wrong: Callable[[Tensor], Tensor], words: str
) -> None:
    with pytest.raises((InputError, DataError), match=words):
        against.score(wrong(real["test"].pixels))


def test_too_few_pictures_are_refused(real: dict[str, Digits]) -> None:
    few = Digits(real["test"].pixels[:40], real["test"].labels[:40], real["test"].classes)
    with pytest.raises(InputError, match="100 pictures or more"):
        quality.reference(few, real["train"])


@pytest.mark.shared_data
@pytest.mark.slow
def test_the_scale_on_all_of_mnist() -> None:
    real = digits.read_all(digits.load("mnist"))
    found = quality.reference(real["test"], real["train"])
    assert found.n == quality.COUNT
    assert found.floor < 2
    assert found.controls["one_class"] == pytest.approx(870, rel=0.02)
    assert math.isclose(found.controls["noise"], 927, rel_tol=0.03)


def test_blur_is_scipys_and_two_vectors_have_moments() -> None:
    images = torch.rand(2, 28, 28, generator=torch.Generator().manual_seed(0))
    for sigma in (2.0, 1.2):
        reach = math.ceil(3 * sigma)
        expected = ndimage.gaussian_filter(
            images.double().numpy(), (0, sigma, sigma), mode="constant", radius=(0, reach, reach)
        )
        np.testing.assert_allclose(quality.blurred(images, sigma), expected, atol=1e-6)
    assert Moments.of(torch.tensor([[0.0, 1.0], [2.0, 1.0]])).covariance.tolist() == [[2.0, 0.0], [0.0, 0.0]]


def test_a_hundred_pictures_are_enough_and_a_class_of_one_picture_is_left_out() -> None:
    class Judge:
        digest = "abc"

        def read(self, images: Tensor) -> tuple[Tensor, Tensor]:
            values = images.double() / (255 if images.dtype == torch.uint8 else 1)
            return values[:, :2, 0], torch.tensor([[0.75, 0.25]]).double().expand(len(images), 2)

    pixels = torch.randint(0, 256, (101, 28, 28), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    labels = torch.cat([torch.arange(100) % 2, torch.tensor([2])])
    test, train = Digits(pixels[:100], labels[:100], ("a", "b")), Digits(pixels, labels, ("a", "b", "c"))
    found = quality.reference(test, train, seed=1, judge=Judge())  # type: ignore[arg-type]
    generator = torch.Generator().manual_seed(1)
    torch.randperm(100, generator=generator)
    chosen = torch.randperm(101, generator=generator)[:100]
    real = Moments.of(pixels[:100, :2, 0].double() / 255)
    alone = [pixels[chosen][labels[chosen] == k][:, :2, 0].double() / 255 for k in (0, 1)]
    assert found.n == 100 and found.confidence == 0.75
    assert found.controls["one_class"] == pytest.approx(sum(frechet(Moments.of(rows), real) for rows in alone) / 2, rel=1e-6)
    assert found.floor == pytest.approx(frechet(Moments.of(pixels[chosen, :2, 0].double() / 255), real), rel=1e-6)
    scored = found.score(pixels[:100] // 2)
    assert scored["share_of_noise"] == pytest.approx(scored["frechet"] / found.controls["noise"]) and scored["frechet"] > 0.01
    assert scored["confidence"] == 0.75 and scored["class_entropy"] == found.entropy == pytest.approx(0.811278, rel=1e-5)
    with pytest.raises(InputError, match="expected 100 pictures or more on each side of the distance, found 99"):
        quality.reference(Digits(pixels[:99], labels[:99], ("a", "b")), train, judge=Judge())  # type: ignore[arg-type]


def test_floor_and_controls_of_the_sample_are_what_they_were(against: quality.Reference) -> None:
    found = {"floor": against.floor, **against.controls, "entropy": against.entropy, "confidence": against.confidence}
    same_numbers(__file__, "controls", found, 2e-3)
