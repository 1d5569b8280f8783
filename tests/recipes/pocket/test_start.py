"""The starting weights: heads that look at neighbours, blocks that are the identity, patches that are white."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from drawn import same_numbers

from coldframe.backbones.pocket import CONTEXT, Shape, network
from coldframe.backbones.words import Words
from coldframe.recipes.pocket.start import OFFSETS, _rotation, _waves, _whitening, initialise
from coldframe.recipes.pocket.towers import patches_of


def smooth() -> torch.Tensor:
    """Pictures whose neighbouring pixels are alike, as those of photographs are."""
    return torch.randn(400, 3, 32, 32, generator=torch.Generator().manual_seed(1)).cumsum(-1) / 6


@pytest.fixture
def model() -> Any:
    clip = network(Shape(layers=3), Words(["cat"], [], CONTEXT))
    initialise(clip, patches_of(smooth(), 4).flatten(0, 1), torch.Generator().manual_seed(0))
    return clip.eval()


def test_a_shift_is_a_rotation_of_the_waves() -> None:
    waves = _waves(6).view(6, 6, -1)
    torch.testing.assert_close(waves[2, 3] @ _rotation(1, -2).T, waves[3, 1])


def test_different_rows_and_columns_are_orthogonal() -> None:
    waves = _waves(6).view(6, 6, -1)
    torch.testing.assert_close(waves[2, 2] @ waves[4, 5], torch.tensor(0.0), atol=1e-4, rtol=0)


def test_heads_look_at_their_offset(model: Any) -> None:
    visual = model.visual
    with torch.no_grad():
        x = visual._embeds(smooth()[:8])
        block = visual.transformer.resblocks[0]
        y = block.ln_1(x)
        q, k, _ = torch.nn.functional.linear(y, block.attn.in_proj_weight, block.attn.in_proj_bias).chunk(3, dim=-1)
        q, k = (t.view(8, 65, 5, 32).transpose(1, 2) for t in (q, k))
        seen = (q @ k.transpose(-1, -2) / 32**0.5).softmax(dim=-1).mean(dim=0)  # [heads, T, T]
    centre = 1 + 3 * 8 + 4
    for head in range(5):
        dy, dx = OFFSETS[head]
        assert int(seen[head, centre].argmax()) == centre + 8 * dy + dx
        assert seen[head, centre].max() > 0.3


def test_blocks_start_as_the_identity(model: Any) -> None:
    x = torch.randn(2, 65, 160, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        torch.testing.assert_close(model.visual.transformer(x), x)


def test_patches_start_white(model: Any) -> None:
    with torch.no_grad():
        content = model.visual.conv1(smooth())[:, :128].flatten(2).transpose(1, 2).flatten(0, 1)
    leading = torch.cov(content.T)[:20, :20]
    assert (leading - torch.diag(leading.diag())).abs().max() < 0.1
    assert 0.3 < leading.diag().min() <= leading.diag().max() < 1.1


def test_the_same_generator_gives_the_same_weights() -> None:
    words, patches = Words(["cat"], [], CONTEXT), torch.randn(300, 48, generator=torch.Generator().manual_seed(1))
    states = []
    for _ in range(2):
        clip = network(Shape(layers=2), words)
        initialise(clip, patches, torch.Generator().manual_seed(5))
        states.append(clip.state_dict())
    for name, tensor in states[0].items():
        torch.testing.assert_close(tensor, states[1][name], rtol=0, atol=0, msg=name)


def test_first_weights_are_the_ones_they_were(model: Any) -> None:
    found = {name: value for name, value in model.state_dict().items() if name != "visual.conv1.weight"}
    same_numbers(__file__, "first", {name: value for name, value in found.items() if value.is_floating_point()}, 1e-4)


def test_whitened_directions_are_damped_by_a_fiftieth_of_the_mean() -> None:
    patches = torch.randn(500, 6, generator=torch.Generator().manual_seed(0)) * torch.tensor([3.0, 2.0, 1.5, 1.0, 0.5, 0.25])
    found = _whitening(patches, 4)
    covariance = torch.cov(patches.T, correction=0)
    values = torch.linalg.eigvalsh(covariance).flip(0)[:4]
    expected = torch.diag(values / (values + 0.02 * values.mean()))
    torch.testing.assert_close(found @ covariance @ found.T, expected, rtol=1e-3, atol=1e-4)
