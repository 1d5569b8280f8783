"""Differentiable changes of images, random and composable: what an adversarial picture meets in the world.

A transform is a callable (images [B, 3, H, W] in [0, 1], generator on the CPU) -> images of the same shape; every image gets
its own draw. The plain functions below it are the same changes with given amounts.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from coldframe.errors import InputError

Transform = Callable[[Tensor, torch.Generator], Tensor]
"""Images [B, 3, H, W] and a generator on the CPU -> changed images [B, 3, H, W]."""


def mirror(images: Tensor) -> Tensor:
    """Swap left and right."""
    return images.flip(-1)


def grey(images: Tensor) -> Tensor:
    """Replace the three channels by their luma, 0.299 R + 0.587 G + 0.114 B (ITU-R 601)."""
    luma = images.new_tensor([0.299, 0.587, 0.114]).view(3, 1, 1)
    return (images * luma).sum(1, keepdim=True).expand_as(images)


def rotate(images: Tensor, degrees: Tensor) -> Tensor:
    """Turn counter-clockwise about the centre, bilinear; what comes from outside is black.

    Args:
        images: [B, 3, H, W].
        degrees: [B].
    """
    height, width = images.shape[2:]
    angle = degrees.to(images) * (math.pi / 180)
    cos, sin, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
    # the grid's units are half a side, so a turn of a picture that is not square carries the ratio of the sides
    rows = [[cos, -sin * height / width, zero], [sin * width / height, cos, zero]]
    return _warp(images, torch.stack([torch.stack(row, -1) for row in rows], -2))


def zoom(images: Tensor, side: Tensor, right: Tensor, down: Tensor) -> Tensor:
    """Cut out a window and bring it to the whole size, bilinear; what lies outside the image is black.

    Args:
        images: [B, 3, H, W].
        side: sides of the window against those of the image, [B]; above 1 the image becomes smaller.
        right: shift of its centre in half sides of the image, [B].
        down: the same downwards, [B].
    """
    side, right, down = side.to(images), right.to(images), down.to(images)
    zero = torch.zeros_like(side)
    rows = [[side, zero, right], [zero, side, down]]
    return _warp(images, torch.stack([torch.stack(row, -1) for row in rows], -2))


def crop(images: Tensor, area: float) -> Tensor:
    """Keep the centre with this share of the area, in (0, 1], at the whole size."""
    side = torch.full((len(images),), math.sqrt(area))
    return zoom(images, side, torch.zeros_like(side), torch.zeros_like(side))


def _warp(images: Tensor, matrices: Tensor) -> Tensor:
    grid = F.affine_grid(matrices, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def _between(images: Tensor, generator: torch.Generator, low: float, high: float) -> Tensor:
    return (low + (high - low) * torch.rand(len(images), generator=generator)).to(images)


def _in_range(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise InputError(f"expected {name} from {low:g} to {high:g}, found {value:g}")


@dataclass(frozen=True)
class Flip:
    """Mirror every image. Half of them: ``Sometimes(Flip(), 0.5)``."""

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        return mirror(images)


@dataclass(frozen=True)
class Crop:
    """Cut out a window at a random place with a share of the area drawn from [area, 1]."""

    area: float = 0.7

    def __post_init__(self) -> None:
        _in_range("the area of a crop", self.area, 0.01, 1)

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        side = _between(images, generator, self.area, 1).sqrt()
        right, down = (_between(images, generator, -1, 1) * (1 - side) for _ in range(2))
        return zoom(images, side, right, down)


@dataclass(frozen=True)
class Rotate:
    """Turn by an angle drawn from [-degrees, degrees]."""

    degrees: float = 30.0

    def __post_init__(self) -> None:
        _in_range("degrees of a rotation", self.degrees, 0, 180)

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        return rotate(images, _between(images, generator, -self.degrees, self.degrees))


@dataclass(frozen=True)
class Scale:
    """Make the image larger or smaller by a factor drawn from [least, most], about the centre."""

    least: float = 0.8
    most: float = 1.2

    def __post_init__(self) -> None:
        _in_range("the smaller factor of a scaling", self.least, 0.05, self.most)

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        side = 1 / _between(images, generator, self.least, self.most)
        return zoom(images, side, torch.zeros_like(side), torch.zeros_like(side))


@dataclass(frozen=True)
class Grey:
    """Remove the colour."""

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        return grey(images)


@dataclass(frozen=True)
class Brightness:
    """Add one number drawn from [-most, most], in units of [0, 1]."""

    most: float = 0.1

    def __post_init__(self) -> None:
        _in_range("the change of brightness", self.most, 0, 1)

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        return (images + _between(images, generator, -self.most, self.most).view(-1, 1, 1, 1)).clamp(0, 1)


@dataclass(frozen=True)
class Noise:
    """Add Gaussian noise of this standard deviation, in units of [0, 1]."""

    std: float = 0.02

    def __post_init__(self) -> None:
        _in_range("the standard deviation of noise", self.std, 0, 1)

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        return (images + self.std * torch.randn(images.shape, generator=generator).to(images)).clamp(0, 1)


@dataclass(frozen=True)
class Sometimes:
    """Apply a transform to each image with this probability."""

    transform: Transform
    probability: float = 0.5

    def __post_init__(self) -> None:
        _in_range("a probability", self.probability, 0, 1)

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        chosen = torch.rand(len(images), generator=generator) < self.probability
        return _where(chosen, self.transform, images, images, generator)


@dataclass(frozen=True)
class Chain:
    """Apply transforms one after the other; none leaves the images as they are."""

    transforms: tuple[Transform, ...]

    def __init__(self, *transforms: Transform) -> None:
        object.__setattr__(self, "transforms", transforms)

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        for transform in self.transforms:
            images = transform(images, generator)
        return images


@dataclass(frozen=True)
class OneOf:
    """Apply to each image one of the transforms, all equally likely."""

    transforms: tuple[Transform, ...]

    def __init__(self, *transforms: Transform) -> None:
        if not transforms:
            raise InputError("expected at least one transform to choose from, found none")
        object.__setattr__(self, "transforms", transforms)

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        choice, changed = torch.randint(len(self.transforms), (len(images),), generator=generator), images
        for number, transform in enumerate(self.transforms):
            changed = _where(choice == number, transform, images, changed, generator)
        return changed


def _where(chosen: Tensor, transform: Transform, images: Tensor, others: Tensor, generator: torch.Generator) -> Tensor:
    """Return ``others`` with the chosen rows replaced by the transformed images of the same rows."""
    if not bool(chosen.any()):
        return others
    rows = chosen.nonzero()[:, 0].to(images.device)
    return others.index_copy(0, rows, transform(images[rows], generator))


def everyday() -> Chain:
    """Return what a picture meets in the world: mirrored or not, turned or cropped or resized, grey, lighter, noisy."""
    turned = OneOf(Chain(), Rotate(35), Crop(0.7), Scale())
    return Chain(Sometimes(Flip()), turned, Sometimes(Grey(), 0.25), Brightness(), Noise())
