from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from coldframe.backbones import load_backbone
from coldframe.measures import macs
from coldframe.measures.operations import uncounted

aten = torch.ops.aten


@pytest.mark.parametrize(("name", "giga"), [("torchvision:resnet18", 1.814), ("torchvision:vit_b_32", 4.409)])
def test_known_networks(name: str, giga: float) -> None:
    backbone = load_backbone(f"{name}/random")

    def forward(x: torch.Tensor) -> object:
        return backbone.head(backbone.run(x))

    count, hidden = macs(forward, torch.zeros(1, 3, 224, 224))
    assert hidden == [] and count is not None and count / 1e9 == pytest.approx(giga, abs=0.005)


def test_attention_is_counted_whatever_kernel_would_run() -> None:
    tokens, width, heads = 10, 16, 4
    attention = nn.MultiheadAttention(width, heads, batch_first=True).eval().requires_grad_(False)
    x = torch.zeros(1, tokens, width)
    own = tokens * 4 * width**2 + 2 * tokens**2 * width
    assert macs(lambda x: attention(x, x, x, need_weights=False), x) == (own, [])
    q = torch.zeros(1, heads, tokens, width // heads)
    assert macs(lambda q: nn.functional.scaled_dot_product_attention(q, q, q), q) == (2 * tokens**2 * width, [])


def test_the_fast_path_is_as_before_afterwards() -> None:
    before = torch.backends.mha.get_fastpath_enabled()
    with pytest.raises(ZeroDivisionError):
        macs(lambda x: 1 / 0, torch.zeros(1))
    assert torch.backends.mha.get_fastpath_enabled() == before


def test_operators_that_multiply_uncounted_are_named() -> None:
    counted = FlopCounterMode(display=False).flop_registry
    assert uncounted({aten._native_multi_head_attention, aten.relu, aten.mm}, counted) == ["_native_multi_head_attention"]
    harmless = {aten.upsample_bilinear2d, aten.lgamma, aten.add, aten.gelu, aten.convolution, aten.addmm, aten.bmm}
    assert uncounted(harmless, counted) == []
    rule = aten.mkldnn_rnn_layer
    assert uncounted({rule, aten.addmv}, counted) == ["addmv", "mkldnn_rnn_layer"]


def test_a_hidden_operator_gives_no_number() -> None:
    weight = torch.ones(4, 4)
    assert macs(lambda x: torch.mv(weight, x), torch.ones(4)) == (None, ["mv"])
