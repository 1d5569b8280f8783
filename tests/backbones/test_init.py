"""What loading a network decides beside the network: its type, and that fp32 means fp32 on a GPU."""

from __future__ import annotations

import pytest
import torch

from coldframe.backbones import _precision
from coldframe.errors import InputError


@pytest.mark.parametrize(
    ("dtype", "device", "rounded"), [("fp32", "cuda:1", False), ("fp32", "cpu", True), ("bf16", "cuda", True)]
)
def test_fp32_on_a_gpu_rounds_no_convolution_to_tf32(dtype: str, device: str, rounded: bool) -> None:
    before = torch.backends.cudnn.allow_tf32
    try:
        torch.backends.cudnn.allow_tf32 = True
        assert _precision(dtype, device) == {"fp32": torch.float32, "bf16": torch.bfloat16}[dtype]
        assert torch.backends.cudnn.allow_tf32 is rounded
    finally:
        torch.backends.cudnn.allow_tf32 = before


def test_another_type_is_refused() -> None:
    with pytest.raises(InputError, match="fp32 or bf16, found 'fp16'"):
        _precision("fp16", "cpu")
