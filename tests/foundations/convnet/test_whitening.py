"""What the filters let through is uncorrelated and of unit variance."""

from __future__ import annotations

import torch

from coldframe.foundations.convnet.whitening import filters


def test_whitened_patches_have_the_identity_as_their_covariance() -> None:
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(200, 3, 12, 12, generator=generator, dtype=torch.float64)
    pictures = torch.nn.functional.avg_pool2d(noise, 3, 1)  # neighbours are alike now
    found = filters(pictures, eps=0.0)
    assert found.shape == (24, 3, 2, 2) and found[12:].equal(-found[:12])
    out = torch.nn.functional.conv2d(pictures, found[:12]).movedim(1, -1).reshape(-1, 12)
    torch.testing.assert_close(out.T @ out / len(out), torch.eye(12, dtype=torch.float64), rtol=0, atol=1e-9)


def test_the_first_filter_is_the_largest_direction_and_eps_bounds_the_rest() -> None:
    pictures = torch.ones(4, 3, 6, 6, dtype=torch.float64) * torch.tensor([1.0, -2.0, 0.5, 3.0]).view(4, 1, 1, 1)
    found = filters(pictures, eps=0.25)
    variance = 12 * (1 + 4 + 0.25 + 9) / 4
    expected = (12 * (variance + 0.25)) ** -0.5
    torch.testing.assert_close(found[0].abs(), torch.full((3, 2, 2), expected, dtype=torch.float64))
    torch.testing.assert_close(found[1:12].flatten(1).norm(dim=1), torch.full((11,), 2.0, dtype=torch.float64))
