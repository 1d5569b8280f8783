"""How fitted methods are disturbed, and on which images."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import get_args

from coldframe.attacks.checks import radius
from coldframe.data.base import Split
from coldframe.data.corruptions import LEVELS, NAMES
from coldframe.data.sampling import evenly
from coldframe.errors import InputError, nearest
from coldframe.measures.adversarial import STEPS, AttackCurve, checked_radii, eps_text
from coldframe.measures.robustness import NoiseCurve, Space, checked_deviations
from coldframe.methods.base import Method

DEVIATIONS = (0.0, 0.05, 0.1, 0.2)
"""What ``robustness=True`` measures."""


@dataclass(frozen=True)
class Disturbances:
    """How methods are disturbed.

    Args:
        noise: standard deviations of Gaussian noise; empty for none.
        space: where the noise is added: ``"normalised"`` images, as the founding course does, or ``"pixel"`` values.
        corruptions: whether the fifteen corruptions are measured at all five severities.
        images: most test images to disturb, drawn evenly over classes; None disturbs all.
        eps: radii of an untargeted L-infinity attack in units of [0, 1]; empty for none.
        steps: of the attack, at most.
        restarts: how often the attack begins, at most.
        seed: of the noise, the corruptions, the restarts and the draw of images.
    """

    noise: tuple[float, ...] = ()
    space: Space = "normalised"
    corruptions: bool = False
    images: int | None = None
    eps: tuple[float, ...] = ()
    steps: int = STEPS
    restarts: int = 1
    seed: int = 0

    @classmethod
    def of(
        cls,
        noise: float | Sequence[float] | None = None,
        *,
        space: Space = "normalised",
        corruptions: bool = False,
        robustness: bool = False,
        images: int | None = None,
        attack_eps: float | Sequence[float] | None = None,
        steps: int = STEPS,
        restarts: int = 1,
    ) -> Disturbances:
        """Return what loose arguments ask for; ``robustness`` stands for noise and corruptions as they are usual.

        Raises:
            InputError: a standard deviation below 0, an unknown space, an eps outside [0, 1], or fewer than one image,
                step or restart.
        """
        wanted = _several(noise) or (DEVIATIONS if robustness else ())
        eps = () if attack_eps is None else checked_radii(_several(attack_eps))
        for what, count in (("image to disturb", images), ("step of the attack", steps), ("start of the attack", restarts)):
            if count is not None and count < 1:
                raise InputError(f"expected at least one {what}, found {count}")
        if space not in get_args(Space):
            raise InputError(f"unknown space of noise {space!r}{nearest(str(space), get_args(Space))}")
        noisy = checked_deviations(wanted) if wanted else ()
        return cls(noisy, space, corruptions or robustness, images, eps, steps, restarts)

    def __bool__(self) -> bool:
        return bool(self.noise or self.corruptions or self.eps)

    @property
    def named(self) -> str:
        """The standard deviation of ``noise_top1`` as text; empty without noise."""
        return f"{NoiseCurve(self.space, self.noise, (), 0, 0.0).named:g}" if self.noise else ""

    @property
    def named_eps(self) -> str:
        """The radius of ``robust_top1`` as text; empty without an attack."""
        return eps_text(AttackCurve(self.eps, (), 0.0, 0).named) if self.eps else ""

    def notes(self, split: Split, methods: Iterable[Method] = ()) -> list[str]:
        """Return the sentences that a reader of the numbers must know.

        Args:
            split: the images.
            methods: those that were measured: some cannot be attacked.
        """
        n = len(evenly(split, self.images, self.seed))
        of = f"all {n:,} test images" if n == len(split) else f"{n:,} of {len(split):,} test images, drawn evenly over classes"
        said = []
        if self.noise:
            where = "to normalised images, as the founding course does" if self.space == "normalised" else (
                "to pixels in [0, 1], which are then cut to [0, 1]"
            )  # fmt: skip
            said.append(f"noise of N(0, {self.named}²) was added {where}; {of}, the same noise for every method")
        if self.corruptions:
            said.append(
                f"'corrupted' is the mean over {len(NAMES)} corruptions at {len(LEVELS)} severities (after ImageNet-C, frost "
                f"grown instead of photographed) of {of}, the same for every method"
            )
        if self.eps:
            starts = "" if self.restarts == 1 else f" from {self.restarts} starts"
            said.append(
                f"'attacked' is the share still right after untargeted PGD on each method itself: L-infinity, eps "
                f"{self.named_eps}, {self.steps} steps{starts}; {of}; a stronger attack may find more"
            )
            said += dict.fromkeys(
                f"{method.name} was not attacked: {method.gradientless}" for method in methods if method.gradientless
            )
        return said


def _several(value: float | Sequence[float] | None) -> tuple[float, ...]:
    return (value,) if isinstance(value, int | float) else tuple(value or ())


def _parts(texts: Sequence[str] | None) -> list[str]:
    return [part.strip() for whole in texts or () for part in whole.split(",")]


def deviations(texts: Sequence[str] | None) -> list[float]:
    """Return standard deviations given as texts: ``0,0.05`` or one at a time.

    Example:
        >>> deviations(["0,0.05", "0.1"])
        [0.0, 0.05, 0.1]
    """
    found = []
    for text in _parts(texts):
        try:
            found.append(float(text))
        except ValueError:
            raise InputError(f"expected standard deviations of noise such as 0,0.05,0.1, found {text!r}") from None
    return found


def radii(texts: Sequence[str] | None) -> list[float]:
    """Return radii of attacks given as texts, numbers or fractions: ``0,4/255`` or one at a time.

    Example:
        >>> radii(["0,51/255", "0.5"])
        [0.0, 0.2, 0.5]
    """
    return [radius(text) for text in _parts(texts)]
