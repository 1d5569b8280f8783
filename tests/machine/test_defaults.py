"""What a user gets who asks for nothing."""

from __future__ import annotations

from defaults import listed
from drawn import same_text


def test_no_default_has_moved() -> None:
    same_text(__file__, "defaults", listed("coldframe.machine"))
