"""Each change does what its name says, lets gradients through, and draws for every image by itself."""

from __future__ import annotations

import pytest
import torch
from drawn import same_numbers
from PIL import Image
from torch import Tensor
from torchvision.transforms import functional as theirs

from coldframe.attacks.transforms import (
    Brightness,
    Chain,
    Crop,
    Flip,
    Grey,
    Noise,
    OneOf,
    Rotate,
    Scale,
    Sometimes,
    crop,
    everyday,
    grey,
    mirror,
    rotate,
)
from coldframe.errors import InputError

ALL = [
    Flip(), Crop(), Rotate(), Scale(), Grey(), Brightness(), Noise(), Sometimes(Flip(), 0.5), OneOf(Grey(), Rotate()),
    everyday(),
]  # fmt: skip


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def smooth(n: int = 4, height: int = 24, width: int = 32) -> Tensor:
    coarse = torch.rand(n, 3, 4, 4, generator=seeded())
    return torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear")


@pytest.mark.parametrize("transform", ALL, ids=lambda t: type(t).__name__)
def test_shape_range_gradient_and_seed(transform: Chain) -> None:
    x = smooth(8).requires_grad_()
    y = transform(x, seeded(5))
    assert y.shape == x.shape and bool((y >= -1e-6).all() and (y <= 1 + 1e-6).all())
    (gradient,) = torch.autograd.grad(y.sum(), x)
    assert (gradient.abs().flatten(1).sum(1) > 0).all()
    assert torch.equal(transform(x, seeded(5)), y)


@pytest.mark.parametrize("transform", [Crop(), Rotate(), Scale(), Brightness(), Noise(), Sometimes(Flip(), 0.5)],
                         ids=lambda t: type(t).__name__)  # fmt: skip
def test_every_image_has_its_own_draw(transform: Chain) -> None:
    same = smooth(1).expand(8, -1, -1, -1)
    changed = transform(same, seeded(2))
    assert not all(torch.equal(changed[0], other) for other in changed[1:])


@pytest.mark.parametrize("degrees", [30.0, -17.0, 90.0])
def test_rotation_is_that_of_torchvision(degrees: float) -> None:
    x = smooth()
    expected = theirs.rotate(x, degrees, interpolation=theirs.InterpolationMode.BILINEAR)
    assert torch.allclose(rotate(x, torch.full((4,), degrees)), expected, atol=1e-4)


def test_crop_keeps_the_centre() -> None:
    x = smooth(1, 40, 40)
    kept = crop(x, 0.25)
    expected = theirs.resize(x[:, :, 10:30, 10:30], [40, 40], antialias=True)
    assert torch.allclose(kept[:, :, 2:-2, 2:-2], expected[:, :, 2:-2, 2:-2], atol=1e-3)
    assert torch.allclose(crop(x, 1.0), x, atol=1e-6)


def test_mirror_and_grey() -> None:
    x = (smooth(1) * 255).round() / 255
    assert torch.equal(mirror(x)[..., 0], x[..., -1])
    picture = Image.fromarray((x[0].permute(1, 2, 0) * 255).to(torch.uint8).numpy()).convert("L")
    luma = torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8).view(24, 32)
    assert float((grey(x)[0, 1] * 255 - luma).abs().max()) < 1.01


def test_composition() -> None:
    x = smooth()
    assert torch.equal(Chain()(x, seeded()), x)
    assert torch.equal(Chain(Flip(), Flip())(x, seeded()), x)
    assert torch.equal(Sometimes(Flip(), 0.0)(x, seeded()), x) and torch.equal(Sometimes(Flip(), 1.0)(x, seeded()), mirror(x))
    many = smooth(1).expand(400, -1, -1, -1)
    turned = (OneOf(Chain(), Flip(), Flip(), Flip())(many, seeded()) != many).flatten(1).any(1).float().mean()
    assert 0.65 < float(turned) < 0.85


@pytest.mark.parametrize("make", [
    lambda: Crop(0), lambda: Rotate(-1), lambda: Scale(2, 1), lambda: Brightness(2), lambda: Noise(-0.1),
    lambda: Sometimes(Flip(), 1.1), lambda: OneOf(),
])  # fmt: skip
def test_amounts_out_of_range(make: object) -> None:
    with pytest.raises(InputError, match="expected"):
        make()  # type: ignore[operator]


def test_every_transform_gives_the_pictures_it_gave() -> None:
    x = smooth(6, 12, 16)
    found = {
        f"{number} {type(each).__name__}": each(x, seeded(5)) for number, each in enumerate([*ALL, Crop(0.2), Scale(0.5, 2.0)])
    }
    same_numbers(__file__, "transforms", found, 1e-4)


def test_amounts_at_the_ends_of_their_ranges() -> None:
    for transform in (Crop(0.01), Crop(1), Rotate(0), Rotate(180), Scale(0.05, 1), Scale(1, 1), Brightness(0), Brightness(1),
                      Noise(0), Noise(1), Sometimes(Flip(), 0), Sometimes(Flip(), 1), OneOf(Flip())):  # fmt: skip
        assert transform(smooth(1), seeded()).shape == (1, 3, 24, 32)
    for make in (lambda: Crop(0.009), lambda: Crop(1.01), lambda: Rotate(181), lambda: Scale(0.049, 1),
                 lambda: Brightness(1.01), lambda: Brightness(-0.01), lambda: Noise(1.01),
                 lambda: Sometimes(Flip(), -0.01)):  # fmt: skip
        with pytest.raises(InputError, match="expected"):
            make()
