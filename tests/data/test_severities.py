"""The published parameters stand where they were published, and follow the size elsewhere."""

from __future__ import annotations

import pytest

from coldframe.data.severities import GROUPS, LENGTHS, LEVELS, NAMES, PUBLISHED, strengths
from coldframe.errors import InputError

WEIGHED = {
    224: {
        "gaussian-noise": 3.8, "shot-noise": 181, "impulse-noise": 2.45, "defocus-blur": 125.2, "glass-blur": 196.4,
        "motion-blur": 565, "zoom-blur": 19.29, "snow": 1937.55, "frost": 30.8, "fog": 86.2, "brightness": 5.5,
        "contrast": 2.25, "elastic": 2735.24, "pixelate": 5.25, "jpeg": 181,
    },
    32: {
        "gaussian-noise": 1.26, "shot-noise": 1850, "impulse-noise": 0.69, "defocus-blur": 23.1, "glass-blur": 106.75,
        "motion-blur": 174, "zoom-blur": 18.2, "snow": 1729.7, "frost": 24.55, "fog": 81.45, "brightness": 3,
        "contrast": 4.9, "elastic": 168.64, "pixelate": 11.55, "jpeg": 784,
    },
}  # fmt: skip
"""Sums over a table, value k of severity s times k and s: no value moves unseen, nor do two change places."""


def test_fifteen_corruptions_in_four_groups_with_five_rows_each() -> None:
    assert len(NAMES) == len(set(NAMES)) == 15 and len(GROUPS) == 4
    for table in PUBLISHED.values():
        assert set(table) == set(NAMES)
        for rows in table.values():
            assert len(rows) == 5 and len({len(row) for row in rows}) == 1


def test_published_values_at_published_sizes() -> None:
    assert [strengths("gaussian-noise", s, 224)[0] for s in LEVELS] == [0.08, 0.12, 0.18, 0.26, 0.38]
    assert [strengths("gaussian-noise", s, 32)[0] for s in LEVELS] == [0.04, 0.06, 0.08, 0.09, 0.10]
    assert strengths("motion-blur", 5, 224) == (20, 15) and strengths("glass-blur", 4, 32) == (0.25, 1, 2)
    assert strengths("elastic", 2, 224) == pytest.approx((488, 19.52, 48.8))
    assert [strengths("jpeg", s, 224)[0] for s in LEVELS] == [25, 18, 15, 10, 7]


def test_no_published_value_has_moved() -> None:
    for side, table in PUBLISHED.items():
        for name, rows in table.items():
            found = sum(s * k * value for s, row in enumerate(rows, 1) for k, value in enumerate(row, 1))
            assert found == pytest.approx(WEIGHED[side][name], abs=1e-6)


@pytest.mark.parametrize(("size", "table"), [(16, 32), (64, 32), (84, 32), (85, 224), (112, 224), (336, 224)])
def test_lengths_grow_with_the_picture_and_the_rest_stays(size: int, table: int) -> None:
    for name in NAMES:
        for severity in LEVELS:
            here, there = strengths(name, severity, size), PUBLISHED[table][name][severity - 1]
            for place, (value, published) in enumerate(zip(here, there, strict=True)):
                factor = size / table if place in LENGTHS.get(name, ()) else 1
                assert value == pytest.approx(published * factor)


@pytest.mark.parametrize(("name", "severity", "words"), [("fogg", 1, "did you mean 'fog'"), ("fog", 0, "from 1 to 5, found 0")])
def test_what_is_unknown_is_refused(name: str, severity: int, words: str) -> None:
    with pytest.raises(InputError, match=words):
        strengths(name, severity, 32)
