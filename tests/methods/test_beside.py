"""Attentive probe and side network: their formulas written out, the activations they read, and where they start."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from fakes import split, tiny_classifier, tiny_clip
from torch.nn import functional

from coldframe.backbones.chain import ChainBackbone
from coldframe.cold import ColdPass, Store
from coldframe.errors import ColdframeError, InputError
from coldframe.methods import method_class
from coldframe.types import BESIDE, LADDER, POOLED, TOKENS, block

IMAGES = torch.randn(3, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def test_what_lies_beside_the_chain_is_what_the_blocks_take_and_give() -> None:
    plain = tiny_clip(layers=3)
    assert isinstance(plain, ChainBackbone)
    seen: list[torch.Tensor] = []
    blocks = plain.module.get_submodule("visual.transformer.resblocks")
    handles = [part.register_forward_hook(lambda _, taken, given: seen.extend((taken[0], given))) for part in blocks.children()]
    features = plain.run(IMAGES)
    for handle in handles:
        handle.remove()
    ins, last = seen[::2], seen[-1]
    found = plain.taps(IMAGES, [*BESIDE, block(1)])
    assert list(found) == [*BESIDE, block(1)]
    torch.testing.assert_close(found[TOKENS], last)
    torch.testing.assert_close(found[LADDER], torch.stack([*ins, last], 1))
    torch.testing.assert_close(plain.end(found[TOKENS]), features)
    parts = [torch.cat([x[:, 0], x.mean(1)], 1) for x in (*ins, last)]
    torch.testing.assert_close(found[POOLED], torch.cat([*parts, features], 1))
    # From a stored cut that lies before them they are the same; from one behind they cannot be had.
    torch.testing.assert_close(plain.run(plain.run(IMAGES, stop=block(2)), block(2), TOKENS), last)
    assert plain.before(LADDER) == ("pixels", "embed", block(0), LADDER)
    with pytest.raises(ColdframeError, match="backwards"):
        plain.run(plain.run(IMAGES, stop=block(2)), block(2), LADDER)
    net = tiny_classifier()
    pooled = net.run(torch.zeros(2, 3, 32, 32), stop=POOLED)
    assert pooled.dim() == 2 and pooled.shape[1] > net.feature_dim


def test_attentive_probe_is_its_formula(tmp_path: Path) -> None:
    plain, train = tiny_clip(), split(12)
    method = method_class("attentive-probe")(plain, queries=3, epochs=2, lr=0.05)
    method.fit(train, cold=ColdPass(Store(tmp_path)))
    own, x = method.state(), plain.run(IMAGES, stop=TOKENS)
    z = torch.zeros(3, 3 * 10)
    for image in range(3):
        tokens = [(t - t.mean()) / torch.sqrt(t.var(correction=0) + 1e-5) for t in x[image]]
        for m in range(3):
            scores = torch.stack([own["queries"][m] @ t / math.sqrt(32) for t in tokens])
            weights = scores.exp() / scores.exp().sum()
            seen = sum(w * t for w, t in zip(weights, tokens, strict=True))
            z[image, 10 * m : 10 * m + 10] = own["values"][m] @ seen
    unit = functional.normalize(plain.run(IMAGES), dim=-1)
    expected = unit @ own["head.weight"].T + own["head.bias"] + z @ own["out"].T
    assert float(own["out"].abs().max()) > 0
    torch.testing.assert_close(method(IMAGES), expected, rtol=1e-4, atol=1e-4)


def test_side_network_is_its_formula(tmp_path: Path) -> None:
    plain, train = tiny_clip(), split(12)
    method = method_class("side-network")(plain, reduction=4, epochs=2, lr=0.05).fit(train, cold=ColdPass(Store(tmp_path)))
    own, x = method.state(), plain.run(IMAGES, stop=LADDER)

    def norm(v: torch.Tensor) -> torch.Tensor:
        return (v - v.mean(-1, keepdim=True)) / torch.sqrt(v.var(-1, correction=0, keepdim=True) + 1e-5)

    h = torch.zeros(3, x.shape[2], 8)
    for layer in range(3):
        g = 1 / (1 + torch.exp(-own["gates"][layer]))
        h = g * h + (1 - g) * norm(x[:, layer]) @ own["down"][layer].T
        inner = norm(h) @ own["first"][layer].T
        h = h + (inner * 0.5 * (1 + torch.erf(inner / math.sqrt(2)))) @ own["second"][layer].T
    unit = functional.normalize(plain.run(IMAGES), dim=-1)
    expected = unit @ own["head.weight"].T + own["head.bias"] + norm(h).mean(1) @ own["out"].T
    assert float(own["second"].abs().max()) > 0
    torch.testing.assert_close(method(IMAGES), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["attentive-probe", "side-network"])
def test_they_start_at_zero_shot(name: str, tmp_path: Path) -> None:
    plain, train, cold = tiny_clip(), split(12), ColdPass(Store(tmp_path))
    start = method_class("zero-shot")(plain).fit(train, cold=cold).logits(train, cold=cold)
    method = method_class(name)(plain, epochs=1, lr=1e-12).fit(train, cold=cold)
    torch.testing.assert_close(method.logits(train, cold=cold), start, rtol=0, atol=1e-4)


def test_no_gradient_and_no_block_runs_in_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, train, cold = tiny_clip(), split(12), ColdPass(Store(tmp_path))
    method = method_class("side-network")(plain, epochs=3, head="text")
    cold.prepare(plain, [train], [(LADDER, "plain"), ("features", "plain")])
    ran: list[str] = []
    for number, part in enumerate(plain.module.get_submodule("visual.transformer.resblocks").children()):
        part.register_forward_hook(lambda *_, number=number: ran.append(f"block {number}"))
    method.fit(train, cold=cold)
    assert ran == []


def test_bad_input_is_refused_in_a_sentence() -> None:
    with pytest.raises(InputError, match="expected 1 to 32 queries on tiny-clip:0, found queries=33"):
        method_class("attentive-probe")(tiny_clip(), queries=33)
    with pytest.raises(ColdframeError, match="a vision transformer for a side network"):
        method_class("side-network")(tiny_classifier())
    with pytest.raises(ColdframeError, match="no text tower"):
        method_class("attentive-probe")(tiny_classifier(), head="text")
    with pytest.raises(InputError, match="penalty of 0 to 1"):
        method_class("all-blocks")(tiny_clip(), penalty=2.0)
