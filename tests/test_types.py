"""The words of the house: digests that stored results are found by, and preprocessing that cannot change behind them."""

from __future__ import annotations

import dataclasses
import hashlib

import pytest

from coldframe.types import Preprocess, block, digest_of


def test_a_digest_is_that_of_the_plain_text_with_sorted_keys() -> None:
    assert digest_of({"b": [1, 2.5], "a": None}) == hashlib.sha256(b'{"a":null,"b":[1,2.5]}').hexdigest()[:32]
    assert len(digest_of(("x",))) == 32 and digest_of(("x",)) == digest_of(["x"]) and block(11) == "block11"


def test_preprocessing_is_told_by_what_decides_pixels_and_stays_as_it_is() -> None:
    one = Preprocess(16, 20, (0.5, 0.5, 0.5), (0.2, 0.2, 0.2))
    assert one.pixel_digest() == dataclasses.replace(one, mean=(0, 0, 0), std=(1, 1, 1)).pixel_digest()
    others = {"size": 17, "resize": 21, "interpolation": "bilinear", "mode": "squash"}
    assert all(dataclasses.replace(one, **{key: value}).pixel_digest() != one.pixel_digest() for key, value in others.items())
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.size = 3  # type: ignore[misc]
    assert not hasattr(one, "__dict__")
