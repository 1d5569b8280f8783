"""Text prompts: words as context are the words, gradients are those of the whole tower, other classes score as well."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from contracts import same
from fakes import TinyBackbone, split, tiny_clip
from torch import Tensor
from torch.nn import functional

from coldframe.backbones.checkpoint import drawn
from coldframe.backbones.open_clip import adapt
from coldframe.backbones.pocket import Shape, network
from coldframe.backbones.words import Words
from coldframe.cold import ColdPass, Store
from coldframe.errors import InputError
from coldframe.methods import contexts, load
from coldframe.methods.text_prompt import TextPrompt
from coldframe.methods.zero_shot import ZeroShot
from coldframe.types import Preprocess

NAMES = ("dog", "fire_truck", "hippopotamus")
FAST: dict[str, Any] = {"epochs": 1, "lr": 1e-12, "weight_decay": 0.0, "warmup": 0}


def pocket() -> Any:
    words = Words(["a", "photo", "of", "good", "dog", "fire", "truck", "hippopotamus"], [], 16)
    net = drawn(lambda: network(Shape(size=36, patch=6, width=32, layers=1, text_width=64, text_layers=2, embedding=24), words))
    return adapt("tiny-pocket", net, words, Preprocess(36, 36, (0.5, 0.5, 0.5), (0.3, 0.3, 0.3)))


def named(n: int = 6) -> Any:
    from dataclasses import replace

    return replace(split(n), classes=NAMES)


@pytest.mark.parametrize("make", [tiny_clip, pocket])
@pytest.mark.parametrize(("position", "words", "template"), [
    ("end", "a photo of a", "a photo of a {}."),
    ("front", "a photo", "{} a photo."),
    ("middle", "good photo", "good {} photo."),
])  # fmt: skip
def test_words_as_context_are_the_words(make: Any, position: Any, words: str, template: str) -> None:
    backbone = make()
    text = contexts.text_of(backbone)
    names = [name.replace("_", " ") for name in NAMES]
    context = contexts.word_embeddings(text, words)
    assert len(context) == len(words.split())
    expected = text.encode(text.tokenize([template.format(name) for name in names]))
    assert float(expected.std(0).min()) > 0
    for own in (False, True):
        prompts = contexts.prompts_of(text, names, ".", len(context), position, own)
        assert prompts.shared == 1 + (0 if own else {"end": len(context), "middle": len(context) // 2, "front": 0}[position])
        assert prompts.order.shape[1] == int(prompts.ends.max()) + 1 < text.context_length
        each = context.expand(3, -1, -1) if own else context
        same(text.encode_embeddings(prompts.embed(each), prompts.ends, prompts.shared), expected, 3e-6)


@pytest.mark.parametrize("make", [tiny_clip, pocket])
@pytest.mark.parametrize("settings", [{}, {"class_specific": True}, {"position": "middle"}, {"position": "front"}])
def test_the_gradient_is_that_of_images_and_all_positions(make: Any, settings: dict[str, Any], tmp_path: Path) -> None:
    backbone = make()
    method = TextPrompt(backbone, tokens=5, **settings, **FAST).fit(named(), cold=ColdPass(Store(tmp_path)))
    pixels = torch.randn(4, 3, backbone.preprocess.size, backbone.preprocess.size, generator=torch.Generator().manual_seed(1))
    labels = torch.tensor([0, 1, 2, 1])
    module: Any = backbone.module

    def whole(context: Tensor) -> Tensor:
        """Images through the network, and texts through every position of the tower, with open_clip's own modules."""
        tokens = backbone.text.tokenize([name.replace("_", " ") + "." for name in NAMES])
        rows = []
        for k, row in enumerate(tokens):
            own = context[k] if context.ndim == 3 else context
            name = len(NAMES[k].split("_")) if make is pocket else int((row != 0).sum()) - 3
            spoken, rest = module.token_embedding(row[1 : 1 + name]), module.token_embedding(row[1 + name :])
            start, half = module.token_embedding(row[:1]), len(own) // 2
            parts = {"end": [own, spoken], "middle": [own[:half], spoken, own[half:]], "front": [spoken, own]}[method.position]
            rows.append(torch.cat([start, *parts, rest])[: backbone.text.context_length])
        x = module.transformer(torch.stack(rows) + module.positional_embedding, attn_mask=module.attn_mask)
        x = module.ln_final(x)[torch.arange(3), tokens.argmax(-1) + 5] @ module.text_projection
        features = functional.normalize(module.encode_image(pixels), dim=-1)
        return functional.cross_entropy(backbone.logit_scale * features @ functional.normalize(x, dim=-1).T, labels)

    leaf = method.context.clone().requires_grad_(True)
    expected = whole(leaf)
    (gradient,) = torch.autograd.grad(expected, [leaf])
    method.context = method.context.clone().requires_grad_(True)
    stored = backbone.run(pixels)
    found = functional.cross_entropy(method._scores(stored, method.text_features()), labels)
    (own,) = torch.autograd.grad(found, [method.context])
    same(found.detach(), expected.detach())
    assert float(gradient.abs().max()) > 0
    same(own, gradient)


def test_a_context_of_words_is_zero_shot(tmp_path: Path) -> None:
    backbone, cold = tiny_clip(), ColdPass(Store(tmp_path))
    prompt = TextPrompt(backbone, words="a photo of a", **FAST).fit(named(), cold=cold)
    zero = ZeroShot(backbone, "a photo of a {}.").fit(named())
    torch.testing.assert_close(prompt.logits(named(), cold=cold), zero.logits(named(), cold=cold), rtol=1e-5, atol=1e-4)
    other = prompt.with_classes(["cat", "green tea"])
    assert other.classes == ("cat", "green tea") and prompt.classes == NAMES
    pixels = torch.rand(2, 3, 16, 16)
    torch.testing.assert_close(other(pixels), zero.with_classes(["cat", "green tea"])(pixels), rtol=1e-5, atol=1e-4)
    assert torch.equal(load(other.save(tmp_path / "other"), backbone)(pixels), other(pixels))


def test_only_the_context_is_kept(tmp_path: Path) -> None:
    cold = ColdPass(Store(tmp_path))
    method = TextPrompt(tiny_clip(), **FAST).fit(named(), cold=cold)
    assert method.trainable_parameters == 8 * 32 and list(method.state()) == ["context"]
    assert 0.015 < float(method.context.std()) < 0.025
    own = TextPrompt(tiny_clip(), class_specific=True, **FAST).fit(named(), cold=cold)
    assert own.trainable_parameters == 3 * 8 * 32


def test_published_settings() -> None:
    config = TextPrompt.preset("coop", tiny_clip()).config()
    assert (config["tokens"], config["lr"], config["optimiser"], config["batch_size"]) == (16, 0.002, "sgd", 32)
    assert [TextPrompt.preset(name, tiny_clip()).epochs for name in ("coop", "coop-4", "coop-1")] == [200, 100, 50]


def test_refusals_are_one_sentence(tmp_path: Path) -> None:
    cold = ColdPass(Store(tmp_path))
    with pytest.raises(InputError, match="no text tower"):
        TextPrompt(TinyBackbone())
    with pytest.raises(InputError, match="at most 24 tokens") as caught:
        TextPrompt(tiny_clip(), tokens=21).fit(named(), cold=cold)
    assert "\n" not in str(caught.value)
    own = TextPrompt(tiny_clip(), class_specific=True, tokens=2, **FAST).fit(named(), cold=cold)
    with pytest.raises(InputError, match="without class_specific"):
        own.with_classes(["cat"])
