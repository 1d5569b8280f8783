"""Text towers from word embeddings: the tower's own features and gradients, wherever it stops and whatever it shares."""

from __future__ import annotations

from typing import Any

import open_clip
import pytest
import torch
from contracts import same
from open_clip.model import CLIP, CustomTextCLIP
from torch import Tensor, nn

from coldframe.backbones.checkpoint import drawn
from coldframe.backbones.open_clip_text import OpenClipText
from coldframe.backbones.pocket import Shape, network
from coldframe.backbones.words import Words
from coldframe.errors import ModelError

VISION: dict[str, Any] = {"image_size": 16, "layers": 1, "width": 16, "patch_size": 8, "head_width": 16}
TEXT: dict[str, Any] = {"context_length": 14, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 3}
NAMES = ["dog", "fire truck", "hippopotamus"]
ROWS: dict[str, tuple[type[nn.Module], dict[str, Any]]] = {
    "CLIP": (CLIP, {}),
    "CustomTextCLIP": (CustomTextCLIP, {}),
    "layer scale": (CLIP, {"ls_init_value": 0.3}),
    "own blocks": (CLIP, {"qk_norm": True}),
    "projection with bias": (CustomTextCLIP, {"proj_bias": True}),
    "no mask, last token": (CustomTextCLIP, {"no_causal_mask": True, "pool_type": "last"}),
    "end by its id": (CLIP, {"pool_type": "eos", "eos_id": 49407}),
}


def moved(net: Any) -> Any:
    """Move every parameter from its initialisation, so that nothing agrees by being zero."""
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)), alpha=0.05)
    return net.eval().requires_grad_(False)


def clip_text(row: str) -> OpenClipText:
    kind, extra = ROWS[row]
    net = drawn(lambda: kind(24, dict(VISION), {**TEXT, **extra}, quick_gelu=True))
    return OpenClipText(moved(net), open_clip.SimpleTokenizer(context_length=14))


def pocket_text() -> OpenClipText:
    words = Words(["a", "photo", "of", "dog", "fire", "truck", "hippopotamus"], [], 14)
    shape = Shape(width=32, layers=1, text_width=64, text_layers=2, embedding=24)
    return OpenClipText(moved(drawn(lambda: network(shape, words))), words)


def tower(row: str) -> OpenClipText:
    return pocket_text() if row == "pocket" else clip_text(row)


@pytest.mark.parametrize("row", [*ROWS, "pocket"])
def test_word_embeddings_give_the_towers_own_features(row: str) -> None:
    text = tower(row)
    tokens = text.tokenize([f"a photo of a {name}" for name in NAMES])
    expected = text.encode(tokens)
    assert float(expected.std(0).min()) > 0, "all names give the same features, so that nothing would be tested"
    embedded, ends = text.embed_tokens(tokens), text.ends(tokens)
    for shared in (0, 1, 5):
        same(text.encode_embeddings(embedded, ends, shared), expected, 1e-6)


@pytest.mark.parametrize("row", ["CLIP", "CustomTextCLIP", "own blocks", "pocket"])
def test_gradients_are_those_of_all_positions(row: str) -> None:
    text = tower(row)
    tokens = text.tokenize([f"a photo of a {name}" for name in NAMES])
    embedded, ends = text.embed_tokens(tokens), text.ends(tokens)
    context = torch.randn(4, embedded.shape[-1], generator=torch.Generator().manual_seed(3)) * 0.1

    def gradient(encode: Any) -> Tensor:
        leaf = context.clone().requires_grad_(True)
        x = torch.cat([embedded[:, :1], leaf.expand(len(NAMES), -1, -1), embedded[:, 5:]], dim=1)
        features = encode(x)
        weight = torch.randn(features.shape, generator=torch.Generator().manual_seed(4))
        (found,) = torch.autograd.grad((features * weight).sum(), [leaf])
        return found

    part: Any = text._tower

    def whole(x: Tensor) -> Tensor:
        y = part.transformer(x + part.positional_embedding, attn_mask=part.attn_mask)  # [K, 14, D]
        return part.ln_final(y)[torch.arange(len(y)), ends] @ part.text_projection

    expected = gradient(whole)
    assert float(expected.abs().min()) > 0
    for shared in (0, 5):
        same(gradient(lambda x, shared=shared: text.encode_embeddings(x, ends, shared)), expected)


def test_a_causal_tower_stops_at_the_last_position_that_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    text = clip_text("CLIP")
    seen: list[tuple[int, ...]] = []
    for block in text.model.transformer.resblocks:  # type: ignore[union-attr]
        block.mlp.register_forward_pre_hook(lambda _, inputs: seen.append(tuple(inputs[0].shape[:2])))  # type: ignore[union-attr]
    tokens = text.tokenize([f"a photo of a {name}" for name in NAMES])
    longest = int(text.ends(tokens).max()) + 1
    assert longest < 14
    text.encode_embeddings(text.embed_tokens(tokens), text.ends(tokens), 5)
    assert seen == [(1, 5), (3, longest - 5)] * 2 + [(3, 1)]


def test_other_towers_are_refused_in_one_sentence() -> None:
    foreign = nn.Module()
    foreign.text = nn.Linear(2, 2)
    for text in (OpenClipText(foreign, lambda texts: torch.zeros(1, 2)), tower_with_class_token()):
        with pytest.raises(ModelError, match="text prompts need word embeddings") as caught:
            text.embed_tokens(torch.zeros(1, 2, dtype=torch.int64))
        assert "\n" not in str(caught.value)


def tower_with_class_token() -> OpenClipText:
    net = drawn(lambda: CustomTextCLIP(24, dict(VISION), {**TEXT, "embed_cls": True}))
    return OpenClipText(net, open_clip.SimpleTokenizer(context_length=14))
