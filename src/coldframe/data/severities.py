"""The published strengths of the 15 corruptions, for pictures of 224 pixels and of 32, and what lies between.

The values are those of ImageNet-C (224 pixels) and CIFAR-10-C (32 pixels) as their makers released them. Another size takes the
table that is nearer by ratio (the border is at 85 pixels) and multiplies every length in pixels by its own size over that of
the table; ratios, amounts of noise and qualities are kept. At 224 and 32 pixels the published values are used as they are.

Source:
    Hendrycks & Dietterich, Benchmarking Neural Network Robustness to Common Corruptions and Perturbations (2019), and the
    code released with it.
"""

from __future__ import annotations

import math

from coldframe.errors import InputError, nearest

Values = tuple[float, ...]
LEVELS = (1, 2, 3, 4, 5)

GROUPS: dict[str, tuple[str, ...]] = {
    "noise": ("gaussian-noise", "shot-noise", "impulse-noise"),
    "blur": ("defocus-blur", "glass-blur", "motion-blur", "zoom-blur"),
    "weather": ("snow", "frost", "fog", "brightness"),
    "digital": ("contrast", "elastic", "pixelate", "jpeg"),
}
NAMES = tuple(name for group in GROUPS.values() for name in group)
"""The 15 test corruptions, in the paper's order."""

LENGTHS: dict[str, tuple[int, ...]] = {
    "defocus-blur": (0,),
    "glass-blur": (0, 1),
    "motion-blur": (0, 1),
    "snow": (2, 4, 5),
    "elastic": (0, 1, 2),
}
"""Which values of a corruption are lengths in pixels, by position."""


def _elastic(unit: float, *rows: Values) -> tuple[Values, ...]:
    return tuple(tuple(unit * value for value in row) for row in rows)


PUBLISHED: dict[int, dict[str, tuple[Values, ...]]] = {
    224: {
        "gaussian-noise": ((0.08,), (0.12,), (0.18,), (0.26,), (0.38,)),
        "shot-noise": ((60,), (25,), (12,), (5,), (3,)),
        "impulse-noise": ((0.03,), (0.06,), (0.09,), (0.17,), (0.27,)),
        "defocus-blur": ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)),
        "glass-blur": ((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2)),
        "motion-blur": ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)),
        "zoom-blur": ((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03)),
        "snow": (
            (0.1, 0.3, 3, 0.5, 10, 4, 0.8),
            (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
            (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
            (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
            (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
        ),
        "frost": ((1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75)),
        "fog": ((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4)),
        "brightness": ((0.1,), (0.2,), (0.3,), (0.4,), (0.5,)),
        "contrast": ((0.4,), (0.3,), (0.2,), (0.1,), (0.05,)),
        # The released code measures in 244, a slip for 224 that became part of the benchmark.
        "elastic": _elastic(244, (2, 0.7, 0.1), (2, 0.08, 0.2), (0.05, 0.01, 0.02), (0.07, 0.01, 0.02), (0.12, 0.01, 0.02)),
        "pixelate": ((0.6,), (0.5,), (0.4,), (0.3,), (0.25,)),
        "jpeg": ((25,), (18,), (15,), (10,), (7,)),
    },
    32: {
        "gaussian-noise": ((0.04,), (0.06,), (0.08,), (0.09,), (0.10,)),
        "shot-noise": ((500,), (250,), (100,), (75,), (50,)),
        "impulse-noise": ((0.01,), (0.02,), (0.03,), (0.05,), (0.07,)),
        "defocus-blur": ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)),
        "glass-blur": ((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2)),
        "motion-blur": ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)),
        "zoom-blur": ((1.06, 0.01), (1.11, 0.01), (1.16, 0.01), (1.21, 0.01), (1.26, 0.01)),
        "snow": (
            (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
            (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
            (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
            (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
            (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
        ),
        "frost": ((1, 0.2), (1, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45)),
        "fog": ((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75)),
        "brightness": ((0.05,), (0.1,), (0.15,), (0.2,), (0.3,)),
        "contrast": ((0.75,), (0.5,), (0.4,), (0.3,), (0.15,)),
        "elastic": _elastic(32, (0, 0, 0.08), (0.05, 0.2, 0.07), (0.08, 0.06, 0.06), (0.1, 0.04, 0.05), (0.1, 0.03, 0.03)),
        "pixelate": ((0.95,), (0.9,), (0.85,), (0.75,), (0.65,)),
        "jpeg": ((80,), (65,), (58,), (50,), (40,)),
    },
}
"""Side of the picture in pixels -> corruption -> one row a severity."""


def strengths(name: str, severity: int, size: int) -> Values:
    """Return the parameters of one corruption for pictures of ``size`` pixels.

    Args:
        name: one of ``NAMES``.
        severity: 1 to 5.
        size: S, pixels.

    Raises:
        InputError: an unknown name, or a severity out of range.

    Example:
        >>> strengths("defocus-blur", 1, 224), strengths("defocus-blur", 1, 448)
        ((3, 0.1), (6.0, 0.1))
    """
    if name not in NAMES:
        raise InputError(f"unknown corruption {name!r}{nearest(name, NAMES)}")
    if severity not in LEVELS:
        raise InputError(f"expected a severity from 1 to 5, found {severity}")
    table = min(PUBLISHED, key=lambda side: abs(math.log(size / side)))
    values = PUBLISHED[table][name][severity - 1]
    if size == table:
        return values
    lengths = LENGTHS.get(name, ())
    return tuple(value * size / table if place in lengths else value for place, value in enumerate(values))
