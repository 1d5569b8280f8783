"""What a user gets who asks for nothing."""

from __future__ import annotations

from defaults import unmoved


def test_no_default_has_moved() -> None:
    unmoved(__file__, "coldframe.delivery")
