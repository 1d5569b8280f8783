"""Labelled images as unit features beside the class texts: what closed forms learn from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from coldframe.measures.gaussians import Gaussians
from coldframe.methods import solvers


@dataclass(frozen=True)
class Shots:
    """Labelled images as unit features.

    Args:
        x: [N, D]; views of one image are rows of their own.
        y: labels [N].
        image: number of the image of each row [N].
        classes: K.
        texts: class embeddings [K, D], or [0] where there are none.
    """

    x: Tensor
    y: Tensor
    image: Tensor
    classes: int
    texts: Tensor

    @property
    def prior(self) -> Tensor:
        """Return cosines with the texts [N, K]; zeros where there are none."""
        return cosines(self.x, self.texts, self.classes)

    @property
    def groups(self) -> Tensor | None:
        """Return the rows' images where one image has several rows."""
        return None if len(torch.unique(self.image)) == len(self.image) else self.image

    @property
    def first(self) -> Tensor:
        """Return the first row of each image."""
        images, inverse = torch.unique(self.image, return_inverse=True)
        start = torch.full_like(images, len(inverse))
        return start.scatter_reduce(0, inverse, torch.arange(len(inverse), device=inverse.device), "amin")

    @cached_property
    def basis(self) -> solvers.Basis:
        """Return the eigenbasis of the features."""
        return solvers.Basis.of(self.x)

    @cached_property
    def gaussians(self) -> Gaussians:
        """Return class means and the scatter around them."""
        return Gaussians(self.x, self.y, self.classes, groups=self.groups)

    def rows(self, kept: Tensor) -> Shots:
        """Return some rows, by a mask [N]."""
        return Shots(self.x[kept], self.y[kept], self.image[kept], self.classes, self.texts)


def cosines(x: Tensor, texts: Tensor, classes: int) -> Tensor:
    """Return cosines of unit features [N, D] with class texts [N, K]; zeros where there are no texts."""
    return x @ texts.T.to(x) if texts.ndim == 2 else x.new_zeros(x.shape[0], classes)
