"""Mish against torch's own, values and derivatives, in every layout of memory."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from coldframe.foundations.convnet.activation import BLOCK, Mish, mish


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_values_and_derivatives_are_those_of_torch(dtype: torch.dtype) -> None:
    x = torch.randn(3 * BLOCK + 17, dtype=dtype, generator=torch.Generator().manual_seed(0)) * 6
    ours, theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
    y, expected = mish(ours), F.mish(theirs)
    weight = torch.linspace(-1, 1, len(x), dtype=dtype)
    (y * weight).sum().backward()
    (expected * weight).sum().backward()
    close = {"rtol": 1e-6, "atol": 2e-6} if dtype == torch.float32 else {"rtol": 1e-13, "atol": 1e-13}
    torch.testing.assert_close(y, expected, **close)
    torch.testing.assert_close(ours.grad, theirs.grad, **close)


def test_the_derivative_is_that_of_finite_differences() -> None:
    x = torch.linspace(-5, 5, 41, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(mish, (x,))


def test_far_out_it_is_zero_or_the_identity() -> None:
    x = torch.tensor([-1e4, -200.0, 0.0, 200.0, 1e4], requires_grad=True)
    y = mish(x)
    y.sum().backward()
    assert y.tolist() == [0.0, 0.0, 0.0, 200.0, 1e4]
    assert x.grad is not None and x.grad.tolist() == pytest.approx([0, 0, 0.6, 1, 1])


def test_memory_stays_as_it_was_laid_out() -> None:
    x = torch.randn(2, 5, 6, 7)
    last = x.contiguous(memory_format=torch.channels_last)
    found = Mish()(last)
    assert found.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(found, mish(x))
    gappy = torch.randn(4, 10)[:, ::2].requires_grad_()
    torch.testing.assert_close(mish(gappy), F.mish(gappy))
    part = torch.randn(8, 3)[2:5]
    torch.testing.assert_close(mish(part), F.mish(part))
    half = torch.randn(9).bfloat16()
    assert mish(half).equal(F.mish(half))
