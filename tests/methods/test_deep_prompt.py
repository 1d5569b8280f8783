"""Deep prompts beyond the contract: training from kept keys is the same run; what is saved; other classes."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from fakes import split, tiny_clip
from torch import Tensor
from torch.nn import functional

from coldframe.backbones import timm as timm_zoo
from coldframe.backbones.base import Backbone
from coldframe.backbones.checkpoint import drawn
from coldframe.cold import ColdPass, Store
from coldframe.data.base import Split
from coldframe.errors import InputError, TrainingError
from coldframe.methods import deep_prompt, load, method_class
from coldframe.methods.deep_prompt import DeepPrompt
from coldframe.methods.saving import restore
from coldframe.methods.zero_shot import ZeroShot
from coldframe.types import Preprocess


def test_kept_keys_give_the_same_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cold, train = ColdPass(Store(tmp_path)), split(24)
    kept = DeepPrompt(tiny_clip(), layer=1, epochs=4, augment="flip").fit(train, cold=cold)
    assert "keys and values" in kept.choices["cold"]
    monkeypatch.setattr(deep_prompt, "_KEYS_BYTES", 0)
    plain = DeepPrompt(tiny_clip(), layer=1, epochs=4, augment="flip").fit(train, cold=cold)
    assert "keys and values" not in plain.choices["cold"]
    torch.testing.assert_close(kept.prompt, plain.prompt, rtol=1e-4, atol=1e-5)


def test_saved_prompt_holds_nothing_else(tmp_path: Path) -> None:
    method = DeepPrompt(tiny_clip(), tokens=5, layer=0, epochs=1).fit(split(12), cold=ColdPass(Store(tmp_path)))
    assert {name: tuple(value.shape) for name, value in method.state().items()} == {"prompt": (1, 5, 32)}
    assert method.trainable_parameters == 160 and method.stored_bytes == 640
    other = method.with_classes(("cat", "dog", "cow", "pig"))
    assert other.predict_proba(torch.zeros(2, 3, 16, 16)).shape == (2, 4)
    assert method.classes == ("class 0", "class 1", "class 2")


def test_a_learning_rate_that_is_too_large_is_named(tmp_path: Path) -> None:
    method = DeepPrompt(tiny_clip(), epochs=9, lr=1e9, weight_decay=1.0, optimiser="sgd", warmup=0, schedule="constant")
    with pytest.raises(TrainingError, match=r"learning rate 1e\+09"):
        method.fit(split(24), cold=ColdPass(Store(tmp_path)))


def test_what_was_there_before_is_kept_where_no_epoch_is_better(tmp_path: Path) -> None:
    cold, train, plain = ColdPass(Store(tmp_path)), split(24), tiny_clip()
    start = DeepPrompt(plain, epochs=1, lr=1e-12, layer=0, depth="all", init="normal", head="linear").fit(train, cold=cold)
    # Validation labels are what the start answers: nothing can beat it, and a large step on other labels moves away from it.
    val = Split("val", train.images, start.predict(train, cold=cold).numpy(), train.classes)
    method = DeepPrompt(plain, epochs=3, lr=5.0, layer=0, depth="all", init="normal", head="linear")
    method.fit(train, val, cold=cold)
    assert max(line["val"] for line in method.history) < 1.0
    assert method.choices["epoch"] == 0
    assert torch.equal(method.prompt, method._drawn())


def test_prompts_start_as_tokens_like_those_of_the_images(tmp_path: Path) -> None:
    cold, train, plain = ColdPass(Store(tmp_path)), split(48), tiny_clip()
    method = DeepPrompt(plain, tokens=4096, layer=0, depth="all", lr=0.1)
    found = method._drawn(method.stored(train, cold))  # [2, P, D]
    for layer, prompts in enumerate(found):
        x = cold.activations(plain, train, f"block{layer}").gather(torch.arange(48))[:, 1:].flatten(0, 1)
        spread = x.std()
        assert float((prompts.mean(0) - x.mean(0)).abs().max()) < 0.1 * spread
        assert float((torch.cov(prompts.T) - torch.cov(x.T)).abs().max()) < 0.1 * spread**2


@pytest.mark.parametrize("pool", ["tok", "avg"])
def test_no_prompts_are_kept_where_the_network_is_best_without(
    tmp_path: Path, pool: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cold, train, val, plain = ColdPass(Store(tmp_path)), split(24), split(12, 1), tiny_clip(pool_type=pool)
    start = ZeroShot(plain).fit(train, cold=cold).logits(val, cold=cold)
    truth = torch.from_numpy(val.labels)
    own = float((start.argmax(-1) == truth).double().mean()), float(functional.cross_entropy(start, truth))
    seen: list[tuple[float, ...]] = []
    monkeypatch.setattr(DeepPrompt, "beats", lambda _, score, right, before, others: bool(seen.append((*score, *before))))
    for position in ("back", "front"):
        method = DeepPrompt(plain, epochs=2, layer=0, lr=0.5, position=position)  # type: ignore[arg-type]
        method.fit(train, val, cold=cold)
        assert method.choices["epoch"] == 0 and method.choices["prompts"] == "left out"
        assert seen[-1][2:] == pytest.approx(own, abs=1e-6) and method.reached == pytest.approx(own, abs=1e-6)
        again = load(method.save(tmp_path / position), plain)
        for each in (method, again, method.refitted(train, val, cold=cold)):
            torch.testing.assert_close(each.logits(val, cold=cold), start, rtol=0, atol=1e-5)


def test_layer_and_rate_are_chosen_on_validation_images(tmp_path: Path) -> None:
    cold, train, val, plain = ColdPass(Store(tmp_path / "store")), split(24), split(18, 1), tiny_clip(layers=4)
    open_ = DeepPrompt(plain, tokens=2, epochs=10, margin=0.0)
    assert open_.cuts == ("block2", "block0") and open_.lr == "auto"
    cold.prepare(plain, [train, val], [(cut, "plain") for cut in open_.cuts])
    method = open_.fit(train, val, cold=cold)
    tried = method.choices["search"]
    assert [(row["layer"], row["lr"]) for row in tried] == [(2, 0.3), (2, 0.1), (0, 0.3), (0, 0.1)]
    assert sum(row["epochs"] for row in tried) <= method.epochs
    best = max(tried, key=lambda row: (row["val"], -row["val_loss"]))
    assert (method.layer, method.lr, method.depth) == (best["layer"], best["lr"], "all")
    same: dict[str, Any] = {"layer": best["layer"], "lr": best["lr"], "depth": "all", "margin": 0.0}
    alone = DeepPrompt(plain, tokens=2, epochs=10, **same).fit(train, val, cold=cold)
    assert method.choices["epoch"] > 0
    assert "search" not in alone.choices and torch.equal(alone.prompt, method.prompt)
    # What was taken is what is saved, taken up by a method that leaves it open, and refitted; another fit chooses anew.
    method.save(tmp_path / "run")
    for other in (load(tmp_path / "run", plain), DeepPrompt(plain, tokens=2, epochs=10, margin=0.0)):
        restore(other, tmp_path / "run", train.classes)
        assert torch.equal(other.logits(val, cold=cold), method.logits(val, cold=cold))
    both = method.refitted(train, val, cold=cold)
    assert (both.layer, both.lr) == (method.layer, method.lr) and both.choices["search"] == tried  # type: ignore[attr-defined]
    assert method.fit(val, train, cold=cold).choices["search"] != tried


def test_without_validation_images_some_are_held_out_to_choose_on(tmp_path: Path) -> None:
    cold, train = ColdPass(Store(tmp_path)), split(24)
    method = DeepPrompt(tiny_clip(), tokens=2, epochs=2).fit(train, cold=cold)
    assert len(method.choices["search"]) == 2 and method.choices["images"] == {"train": 24, "val": 0}
    assert method.choices["epoch"] == 2
    few = split(3)  # nothing can be held out of one image a class: the first settings are taken
    assert DeepPrompt(tiny_clip(), tokens=2, epochs=2).fit(few, cold=cold).choices["search"] == []


def rotary(pool: str, name: str = "vit_small_patch16_dinov3") -> tuple[Any, Backbone]:
    """Return a network of DINOv3's kind with random weights in float64, and its staged view."""
    settings: dict[str, Any] = {"img_size": 32, "patch_size": 8, "embed_dim": 24, "depth": 3, "num_heads": 2}
    net: Any = drawn(lambda: timm.create_model(name, num_classes=0, global_pool=pool, **settings)).eval().double()
    with torch.no_grad():
        for value in net.parameters():  # layer scales of 1e-5 would hide the blocks
            value.add_(torch.randn(value.shape, generator=torch.Generator().manual_seed(1)), alpha=0.2)
    return net, timm_zoo.cut(f"timm:{name}", net, Preprocess(32, 32, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)))


def features(net: Any, images: Tensor, prompts: Sequence[Tensor], layer: int) -> Tensor:
    """Return the features of timm's own network with prompts behind its class token and registers, as further prefix tokens."""
    net, P = copy.deepcopy(net), prompts[0].shape[0]
    prefix = net.num_prefix_tokens
    x, rope = net._pos_embed(net.patch_embed(images))
    x = net.norm_pre(x)
    for index, block in enumerate(net.blocks):
        if 0 <= index - layer < len(prompts):
            rest = x[:, prefix:] if index == layer else x[:, prefix + P :]
            x = torch.cat([x[:, :prefix], prompts[index - layer].expand(len(x), -1, -1), rest], dim=1)
        block.attn.num_prefix_tokens = prefix + (P if index >= layer else 0)
        x = block(x, rope=rope)
    own: Tensor = net.forward_head(net.norm(torch.cat([x[:, :prefix], x[:, prefix + P :]], dim=1)), pre_logits=True)
    return own


@pytest.mark.parametrize("name", ["vit_small_patch16_dinov3", "eva02_tiny_patch14_224"])
@pytest.mark.parametrize("pool", ["avg", "token"])
@pytest.mark.parametrize(
    "settings", [{}, {"layer": 1, "depth": "all"}, {"layer": 2, "position": "front"}, {"depth": 2, "shared": True}], ids=str
)
def test_rotary_networks_take_prompts_as_prefix_tokens(name: str, pool: str, settings: dict[str, Any]) -> None:
    net, backbone = rotary(pool, name)
    method = DeepPrompt(backbone, **{"tokens": 3, "layer": 0, "head": "linear", "init": "normal", **settings})
    method.classes = ("red", "green", "blue")
    method.scores.prepare(method.classes, 0)
    method.prompt = method._drawn().double() * 50
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)).double()
    prompts = [method.prompt[0 if method.shared else i] for i in range(method.replaced)]
    expected = features(net, images, prompts, method.layer)
    plain = backbone.run(images)
    found = method._features(backbone.run(images, stop=method.cut))
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)
    assert float((found - plain).abs().max()) > 1e-3, "the prompts do nothing, so that nothing was tested"
    torch.testing.assert_close(backbone.run(images), plain, rtol=0, atol=0)  # the count of prefix tokens is put back

    # The gradient is that of finite differences.
    method.prompt.requires_grad_(True)
    labels = torch.tensor([0, 2])

    def loss() -> Tensor:
        return functional.cross_entropy(method._features(backbone.run(images, stop=method.cut)) @ weight, labels)

    weight = torch.randn(found.shape[1], 3, generator=torch.Generator().manual_seed(1)).double()
    (slope,) = torch.autograd.grad(loss(), [method.prompt])
    with torch.no_grad():
        for place in ((0, 0, 1), (0, 2, 20), (-1, 1, 7)):
            ends = []
            for step in (1e-5, -2e-5):
                method.prompt[place] += step
                ends.append(float(loss()))
            method.prompt[place] += 1e-5
            assert float(slope[place]) == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-5, abs=1e-9)


@pytest.mark.parametrize("name", ["lora", "adaptformer", "ia3"])
def test_rotary_networks_refuse_what_needs_queries_and_keys_apart(name: str) -> None:
    _, backbone = rotary("token")
    with pytest.raises(InputError, match=r"found none that can be told apart: places are turned into .*; choose deep-prompt"):
        method_class(name)(backbone, last=1)
    for other in ("side-network", "attentive-probe"):
        assert method_class(other)(backbone).name == other


def test_the_first_prompt_of_a_rotary_network_can_be_read(tmp_path: Path) -> None:
    _, backbone = rotary("token")
    backbone = backbone.to(dtype=torch.float32)
    first = DeepPrompt(backbone, position="front", readout="first", head="linear", epochs=1)
    same = [DeepPrompt(backbone, position=place, head="linear", epochs=2) for place in ("back", "front")]  # type: ignore[arg-type]
    cold, train = ColdPass(Store(tmp_path)), split(12)
    logits = [method.fit(train, cold=cold).logits(train, cold=cold) for method in (*same, first)]
    torch.testing.assert_close(logits[0], logits[1])
    assert not torch.allclose(logits[0], logits[2])
