"""One module from pixels to probabilities: equal to the library for every method, whatever the batch."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from fakes import TinyBackbone, coloured, tiny_classifier, tiny_clip

from coldframe.backbones.base import Backbone
from coldframe.cold import ColdPass, Store
from coldframe.data.decode import load_pixels
from coldframe.delivery.servable import Servable, constant_scale, given, in_half, modules_of
from coldframe.errors import InputError, ModelError
from coldframe.methods import Method, method_class
from coldframe.registry import METHODS

CONVOLUTIONAL = ("conv-lora", "bn-tune")
"""Methods that a vision transformer does not allow."""
TRAIN, VAL, TEST = coloured(12, 0, "train"), coloured(6, 1, "val"), coloured(5, 2, "test")


@pytest.fixture(scope="module")
def cold(tmp_path_factory: pytest.TempPathFactory) -> ColdPass:
    return ColdPass(Store(tmp_path_factory.mktemp("store")))


def fitted(name: str, backbone: Backbone, cold: ColdPass) -> Method:
    kind = method_class(name)
    small: dict[str, Any] = {setting: 1 for setting in ("epochs", "last") if setting in kind.settings()}
    if name == "ensemble":
        small["members"] = "linear-probe,ridge"  # the default's lora changes three blocks, and this network has two
    return kind(backbone, **small).fit(TRAIN, VAL, cold=cold)


def images_of(method: Method) -> torch.Tensor:
    return torch.from_numpy(load_pixels(TEST.images, list(range(len(TEST))), method.backbone.preprocess))


@pytest.mark.parametrize("name", METHODS)
def test_every_method_is_one_module_that_traces_for_any_batch(name: str, cold: ColdPass) -> None:
    method = fitted(name, tiny_classifier() if name in CONVOLUTIONAL else tiny_clip(), cold)
    images = images_of(method)
    wanted = method.predict_proba(images)
    torch.testing.assert_close(Servable(method, "float")(given(images, "float")), wanted, rtol=0, atol=1e-6)
    script = Servable(method).script()
    for batch in (1, 5):  # traced with two
        torch.testing.assert_close(script(given(images[:batch], "uint8")), wanted[:batch], rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["knn", "kernel-ridge", "ncm", "tip-adapter-f", "lora", "adaptformer"])
def test_a_graph_holds_any_batch(name: str, cold: ColdPass) -> None:
    method = fitted(name, tiny_clip(), cold)
    graph, images = Servable(method).graph().module(), images_of(method)
    for batch in (1, 5):
        found = graph(given(images[:batch], "uint8"))
        torch.testing.assert_close(found, method.predict_proba(images[:batch]), rtol=0, atol=1e-6)


def test_a_convolutional_network_with_batch_normalisation(cold: ColdPass) -> None:
    method = fitted("fine-tune", tiny_classifier(), cold)
    graph, images = Servable(method).graph(), images_of(method)
    found = graph.module()(given(images, "uint8"))
    torch.testing.assert_close(found, method.predict_proba(images), rtol=0, atol=1e-6)
    trained, first = method.network.module, method.backbone.module  # type: ignore[attr-defined]
    assert {id(module) for module in modules_of(method)} == {id(trained), id(first), id(method.linear)}  # type: ignore[attr-defined]
    held = sum(value.numel() for value in graph.state_dict.values())
    assert held < 1.2 * sum(value.numel() for value in trained.state_dict().values())  # replaced weights are not in it


def test_what_fixes_the_batch_is_refused(cold: ColdPass) -> None:
    class Fixed(TinyBackbone):
        def _step(self, index: int, x: torch.Tensor) -> torch.Tensor:
            return super()._step(index, x) * len(x) / len(x)

    method = fitted("linear-probe", Fixed(), cold)
    with pytest.raises(ModelError, match=r"torch.export cannot follow linear-probe on tiny:0 .*; choose another format"):
        Servable(method).graph()


def test_the_input_has_two_kinds(cold: ColdPass) -> None:
    with pytest.raises(InputError, match="expected an input of uint8 or float, found 'nhwc'"):
        Servable(fitted("ncm", TinyBackbone(), cold), "nhwc")  # type: ignore[arg-type]


def test_the_scale_is_a_constant_inside_the_block_only() -> None:
    backbone = tiny_clip()
    own, scale = type(backbone), backbone.logit_scale
    with constant_scale(backbone):
        assert type(backbone) is not own and isinstance(backbone, own) and backbone.logit_scale == scale
    assert type(backbone) is own and backbone.logit_scale == scale


def test_half_of_a_method_leaves_the_method_alone(cold: ColdPass) -> None:
    method = fitted("fine-tune", tiny_clip(), cold)
    half = in_half(method)
    assert half.backbone.dtype == half.network.dtype == torch.float16  # type: ignore[attr-defined]
    assert method.backbone.dtype == method.network.dtype == torch.float32  # type: ignore[attr-defined]
    assert half.linear.weight.dtype == torch.float32  # type: ignore[attr-defined]


def test_pixels_are_given_in_each_kind_and_a_sentence_is_short() -> None:
    images = torch.randint(0, 256, (2, 3, 4, 5), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    assert given(images, "uint8").shape == (2, 4, 5, 3) and torch.equal(given(images, "uint8")[1, 2, 3], images[1, :, 2, 3])
    assert torch.equal(given(images, "float"), images.float() / 255)


def test_an_example_is_noise_of_the_right_kind(cold: ColdPass) -> None:
    method = fitted("ncm", TinyBackbone(), cold)
    pixels, floats = Servable(method).example(), Servable(method, "float").example(3)
    assert pixels.shape == (2, 16, 16, 3) and pixels.dtype == torch.uint8 and int(pixels.max()) == 255 and int(pixels.min()) < 3
    assert floats.shape == (3, 3, 16, 16) and float(floats.max()) == 1.0
    assert not any(p.requires_grad for p in Servable(method).parameters()) and not Servable(method).training
    said = Servable(method).cannot("X", ValueError("a " * 300))
    assert said == f"X cannot follow ncm on tiny:0 ({'a ' * 100}); choose another format with --to"
    assert "(ValueError)" in Servable(method).cannot("X", ValueError())
