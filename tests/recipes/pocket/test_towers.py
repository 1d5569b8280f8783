"""The towers as they are trained against open_clip's own forward."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from coldframe.backbones.pocket import CONTEXT, Shape, network
from coldframe.backbones.words import Words
from coldframe.recipes.pocket.towers import encode_ids, encode_patches, patches_of

SHAPE = Shape(size=24, patch=6, width=64, layers=3, text_width=32, text_layers=2, embedding=16)


@pytest.fixture
def model() -> Any:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return network(SHAPE, Words(["a", "cat", "dog"], [], CONTEXT)).eval()


def images() -> torch.Tensor:
    return torch.randn(3, 3, 24, 24, generator=torch.Generator().manual_seed(1))


def test_all_patches_and_blocks_are_open_clip_s_forward(model: Any) -> None:
    with torch.no_grad():
        found = encode_patches(model.visual, patches_of(images(), 6), None, [0, 1, 2])
        torch.testing.assert_close(found, model.encode_image(images()))


def test_keeping_every_patch_in_another_order_changes_nothing(model: Any) -> None:
    order = torch.randperm(16, generator=torch.Generator().manual_seed(2)).expand(3, -1)
    with torch.no_grad():
        found = encode_patches(model.visual, patches_of(images(), 6), order, [0, 1, 2])
        torch.testing.assert_close(found, model.encode_image(images()))


def test_dropped_patches_are_not_seen(model: Any) -> None:
    changed = images()
    changed[:, :, 18:, 18:] = 0
    kept = torch.arange(15).expand(3, -1)
    with torch.no_grad():
        first = encode_patches(model.visual, patches_of(images(), 6), kept, [0, 2])
        torch.testing.assert_close(first, encode_patches(model.visual, patches_of(changed, 6), kept, [0, 2]))


def test_short_texts_are_open_clip_s_forward(model: Any) -> None:
    ids = Words(["a", "cat", "dog"], [], CONTEXT)(["a cat", "a dog a cat", "dog"])
    with torch.no_grad():
        torch.testing.assert_close(encode_ids(model, ids), model.encode_text(ids))
