"""How alike drawn digits and real ones are, without a download: a Frechet distance with its floor and its controls.

Features are those of the shipped classifier (:mod:`.classifier`), 64 after a ReLU. The scale of such features is arbitrary, so
one factor is fixed when the classifier is trained: pictures of one class only, the mean over the ten classes, are 870 from all
test images of MNIST. A number means something beside the others only: the floor is what real pictures of the training images
score, and the controls are test pictures blurred, noise alone (each pixel uniform in [0, 1]), and one class only.

Distances fall with the number of pictures in both sets, so it is fixed: 10,000, and fewer only where the test split has fewer.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from coldframe.errors import DataError, InputError
from coldframe.foundations.generative import classifier
from coldframe.foundations.generative.classifier import Classifier
from coldframe.foundations.generative.digits import Digits

COUNT = 10_000
"""Pictures on each side of a distance."""
BLUR = 2.0
"""Standard deviation of the control's Gaussian, in pixels."""
_CHUNK = 500


@dataclass(frozen=True, eq=False)
class Moments:
    """Mean [D] and covariance [D, D] of N vectors, float64."""

    mean: Tensor
    covariance: Tensor

    @staticmethod
    def of(vectors: Tensor) -> Moments:
        """Return the moments of vectors [N, D]; the covariance is divided by N - 1. Raises :class:`DataError` for N < 2."""
        if vectors.ndim != 2 or len(vectors) < 2:
            raise DataError(f"expected 2 vectors [N, D] or more, found shape {list(vectors.shape)}; give more pictures")
        values = vectors.double()
        centred = values - values.mean(dim=0)
        return Moments(values.mean(dim=0), centred.T @ centred / (len(values) - 1))


def frechet(a: Moments, b: Moments) -> float:
    """Return the squared Frechet distance of two normal distributions, |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)).

    With S = C1^(1/2) from the eigenvectors of C1, the trace of (C1 C2)^(1/2) is the sum of the roots of the eigenvalues of
    S C2 S, which is symmetric: everything stays real, and covariances without full rank are no trouble.

    Source: Dowson and Landau (1982), The Frechet distance between multivariate normal distributions.

    Example:
        >>> unit = Moments(torch.zeros(2).double(), torch.eye(2).double())
        >>> frechet(unit, Moments(torch.ones(2).double(), 4 * torch.eye(2).double()))
        4.0
    """
    values, vectors = torch.linalg.eigh(a.covariance)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    shared = torch.linalg.eigvalsh(root @ b.covariance @ root).clamp(min=0).sqrt().sum()
    distance = (a.mean - b.mean).square().sum() + a.covariance.trace() + b.covariance.trace() - 2 * shared
    return max(0.0, float(distance))


def class_entropy(probabilities: Tensor) -> float:
    """Return the entropy of the mean class distribution over its largest value, H(mean_n p_n) / ln K, in [0, 1].

    1 says that all classes are drawn equally often, 0 that one is.

    Args:
        probabilities: [N, K].
    """
    mean = probabilities.double().mean(dim=0)
    return max(0.0, float(-torch.xlogy(mean, mean).sum()) / math.log(len(mean)))


def blurred(images: Tensor, sigma: float = BLUR) -> Tensor:
    """Return pictures [N, 28, 28] in [0, 1] after a Gaussian of ``sigma`` pixels, black outside."""
    reach = math.ceil(3 * sigma)
    line = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / sigma) ** 2)
    line = line / line.sum()
    rows = F.conv2d(images[:, None], line.view(1, 1, -1, 1), padding=(reach, 0))
    return F.conv2d(rows, line.view(1, 1, 1, -1), padding=(0, reach))[:, 0].clamp(0, 1)


@dataclass(frozen=True, eq=False)
class Reference:
    """What samples are measured against; made once, used for every epoch of a run.

    Args:
        classifier: whose features are compared.
        real: moments of N test pictures.
        n: N.
        floor: distance of N training pictures.
        controls: name -> distance: ``one_class`` (mean over the classes), ``blur``, ``noise``.
        entropy: class entropy of the test pictures.
        confidence: mean largest probability of the test pictures.
    """

    classifier: Classifier
    real: Moments
    n: int
    floor: float
    controls: dict[str, float]
    entropy: float
    confidence: float

    def score(self, images: Tensor) -> dict[str, float]:
        """Return ``frechet``, ``share_of_noise``, ``class_entropy`` and ``confidence`` of drawn pictures.

        Args:
            images: [N, 28, 28] in [0, 1] or uint8, as many as the reference has.
        """
        if len(images) != self.n:
            raise InputError(f"expected {self.n} pictures, as many as the real ones, found {len(images)}; draw so many")
        features, probabilities = self.classifier.read(images)
        distance = frechet(Moments.of(features), self.real)
        return {
            "frechet": distance,
            "share_of_noise": distance / self.controls["noise"],
            "class_entropy": class_entropy(probabilities),
            "confidence": float(probabilities.amax(dim=1).mean()),
        }

    def as_dict(self) -> dict[str, Any]:
        """Return what stands beside a score: ``n``, ``floor``, ``controls``, the real pictures' entropy, the digest."""
        return {
            "n": self.n, "floor": self.floor, "controls": dict(self.controls), "real_class_entropy": self.entropy,
            "real_confidence": self.confidence, "classifier_sha256": self.classifier.digest,
        }  # fmt: skip


def reference(
    real_test: Digits, real_train: Digits, n: int = COUNT, seed: int = 0, judge: Classifier | None = None
) -> Reference:
    """Return the real side of the distance with its floor and its controls.

    Args:
        real_test: test pictures; n of them are compared with, drawn by seed where there are more.
        real_train: training pictures; n of them give the floor, and their classes the control of one class only.
        n: pictures on each side; at most what both splits have.
        seed: draws pictures and noise.
        judge: the classifier; the shipped one when None.

    Raises:
        InputError: fewer than 100 pictures, too few for a covariance.
    """
    n = min(n, len(real_test), len(real_train))
    if n < 100:
        raise InputError(f"expected 100 pictures or more on each side of the distance, found {n}; use data with more of them")
    judge = judge or classifier.load()
    generator = torch.Generator().manual_seed(seed)
    test = real_test.pixels[torch.randperm(len(real_test), generator=generator)[:n]]
    chosen = torch.randperm(len(real_train), generator=generator)[:n]
    labels = real_train.labels[chosen]
    features, probabilities = judge.read(test)
    real = Moments.of(features)
    train, _ = judge.read(real_train.pixels[chosen])
    alone = [train[labels == k] for k in torch.unique(labels)]
    distances = [frechet(Moments.of(rows), real) for rows in alone if len(rows) > 1]
    grey = test.float() / 255
    controls = {
        "one_class": sum(distances) / len(distances),
        "blur": frechet(Moments.of(judge.read(blurred(grey))[0]), real),
        "noise": frechet(Moments.of(judge.read(torch.rand(grey.shape, generator=generator))[0]), real),
    }
    confidence = float(probabilities.amax(dim=1).mean())
    return Reference(judge, real, n, frechet(Moments.of(train), real), controls, class_entropy(probabilities), confidence)


def draw(decode: Callable[[Tensor], Tensor], latent: int, n: int, seed: int = 0) -> Tensor:
    """Return n pictures [n, 28, 28] of codes from N(0, 1), the same codes for a seed whatever draws from them.

    Args:
        decode: codes [B, D] -> pictures [B, 28, 28] in [0, 1].
        latent: D.
        n: pictures.
        seed: of the codes.
    """
    codes = torch.randn(n, latent, generator=torch.Generator().manual_seed(seed))
    with torch.inference_mode():
        return torch.cat([decode(chunk) for chunk in torch.split(codes, _CHUNK)])


def measure(
    decode: Callable[[Tensor], Tensor], latent: int, real_test: Digits, real_train: Digits, n: int = COUNT, seed: int = 0
) -> dict[str, Any]:
    """Return how alike samples of a model and real digits are, with everything that the number is to be read beside.

    Args:
        decode: codes [B, D] -> pictures [B, 28, 28] in [0, 1].
        latent: D; codes are drawn from N(0, 1).
        real_test: test pictures.
        real_train: training pictures.
        n: pictures on each side; at most what both splits have.
        seed: of the codes and of the reference.

    Returns:
        ``frechet``, ``share_of_noise``, ``class_entropy``, ``confidence`` of the samples; ``n``, ``floor``, ``controls``,
        ``real_class_entropy``, ``real_confidence`` and ``classifier_sha256``.
    """
    against = reference(real_test, real_train, n, seed)
    return {**against.score(draw(decode, latent, against.n, seed)), **against.as_dict()}
