"""The vision-language models on which formulas are checked: a small one, and in the slow suite the size that is published."""

from __future__ import annotations

import pytest
from fakes import tiny_clip

from coldframe import load_backbone
from coldframe.backbones.base import Backbone


@pytest.fixture(scope="session", params=["small", pytest.param("open_clip:ViT-B-16/random", marks=pytest.mark.slow)])
def clip(request: pytest.FixtureRequest) -> Backbone:
    """Return a vision-language model with random weights."""
    return tiny_clip() if request.param == "small" else load_backbone(request.param)
