"""Names of files that are made of other texts."""

from __future__ import annotations

import pytest

from coldframe.files import slug


@pytest.mark.parametrize(("text", "name"), [
    ("mini:cifar10", "mini-cifar10"), ("folder:/a b/c.d/", "folder-a-b-c.d"), ("..", "unnamed"), ("", "unnamed"),
    ("../up", "up"), (".hidden", "hidden"), ("Rosé", "Rosé"), ("a" * 300, "a" * 120),
])  # fmt: skip
def test_no_text_becomes_a_name_that_leads_elsewhere(text: str, name: str) -> None:
    assert slug(text) == name


def test_what_is_kept_and_what_stands_between_are_chosen() -> None:
    assert slug("linear-probe l2=0.1", keep="=._+") == "linear-probe-l2=0.1"
    assert slug("gaussian noise, twice", keep="", between="_", most=14) == "gaussian_noise"
