"""What every backbone, every method and every attack must keep.

A newcomer calls the check from a test of its own and adds a row to its table.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from coldframe.attacks import Attack
from coldframe.backbones.base import Backbone
from coldframe.cold import ColdPass, Store
from coldframe.data.base import Split
from coldframe.data.decode import load_pixels
from coldframe.errors import InputError, ModelError
from coldframe.methods import Method, load
from coldframe.types import FEATURES, PIXELS


def same(found: Tensor, expected: Tensor, tolerance: float = 1e-5) -> None:
    """Fail unless two tensors agree to a tolerance relative to the largest value."""
    assert found.shape == expected.shape, f"expected shape {list(expected.shape)}, found {list(found.shape)}"
    scale = expected.abs().max().clamp_min(1e-12)
    error = float(((found - expected).abs().max() / scale).item())
    assert error <= tolerance, f"relative error {error:.2g}"


@torch.no_grad()
def check_backbone(
    backbone: Backbone,
    images: Tensor,
    own_features: Callable[[Tensor], Tensor],
    own_logits: Callable[[Tensor], Tensor] | None = None,
    tower: nn.Module | None = None,
) -> None:
    """Check the contract of :class:`Backbone`.

    Every cut can be run to and on from, with the network's own output; taps agree; nothing writes over an activation;
    the stages partition the parameters; a clone is independent; folding changes nothing; bf16 stays near fp32.

    Args:
        backbone: the staged view, in fp32.
        images: normalised images [B, 3, S, S], B > 1.
        own_features: the network's own way to its features [B, D].
        own_logits: the network's own way to its logits [B, K], where it has a head.
        tower: the module whose parameters the stages and the head share out; by default the whole network.
    """
    assert backbone.cuts[0] == PIXELS and backbone.cuts[-1] == FEATURES
    assert len(set(backbone.cuts)) == len(backbone.cuts)
    assert not backbone.module.training and not any(p.requires_grad for p in backbone.module.parameters())
    features = own_features(images)
    assert features.shape == (len(images), backbone.feature_dim)
    assert float(features.std()) > 0, "the features are constant, so that nothing would be tested"
    taps = backbone.taps(images, backbone.cuts)
    assert list(taps) == list(backbone.cuts)
    for cut in backbone.cuts:
        stored = backbone.run(images, stop=cut)
        same(taps[cut], stored)
        before = stored.clone()
        same(backbone.run(stored, start=cut), features)
        assert torch.equal(stored, before), f"running on from {cut} wrote over the stored activation"
        assert len(stored) == len(images), f"the first dimension at {cut} is not the images"
    same(backbone.run(images[:1]), features[:1])
    _check_head(backbone, images, features, own_logits)
    _check_parameters(backbone, tower or backbone.module)
    _check_gradients(backbone, taps)
    _check_clone(backbone, images, features)
    _check_folded(backbone, images, features)
    _check_bf16(backbone, images, features)


@torch.no_grad()
def cuts_of(backbone: Backbone, images: Tensor) -> str:
    """Return every cut with the shape of its activation and the modules that a stage begins with, on one line."""
    taps = backbone.taps(images[:1], backbone.cuts)
    modules = {id(module): name for name, module in backbone.module.named_modules()}
    found = []
    for cut in backbone.cuts:
        own = [modules.get(id(thing), "a parameter") for thing in backbone.stage_modules(cut)]
        found.append(f"{cut} {list(taps[cut].shape[1:])} by {'+'.join(own) or 'none'}")
    return "; ".join(found).replace(": ", " ")


def _check_head(backbone: Backbone, images: Tensor, features: Tensor, own_logits: Callable[[Tensor], Tensor] | None) -> None:
    logits = backbone.head(features)
    if own_logits is None:
        assert logits is None and backbone.classes == ()
        return
    assert logits is not None
    same(logits, own_logits(images))
    assert len(backbone.classes) == logits.shape[1] and len(set(backbone.classes)) == logits.shape[1]


def _check_parameters(backbone: Backbone, tower: nn.Module) -> None:
    owned: list[int] = []
    for cut in backbone.cuts:
        for thing in backbone.stage_modules(cut):
            owned += [id(thing)] if isinstance(thing, nn.Parameter) else [id(p) for p in thing.parameters()]
    assert len(owned) == len(set(owned)), "a parameter belongs to two stages"
    classifier = getattr(backbone, "classifier", None)
    head = {id(p) for p in backbone.module.get_submodule(classifier).parameters()} if classifier else set[int]()
    missing = [name for name, p in tower.named_parameters() if id(p) not in head and id(p) not in set(owned)]
    assert not missing, f"no stage owns {missing}"
    assert not head & set(owned), "a stage owns the classifier"


def _check_gradients(backbone: Backbone, taps: dict[str, Tensor]) -> None:
    """The parameters that a stage computes with are its own, or an earlier one's that several stages read."""
    copy = backbone.clone()
    parameters = dict(copy.module.requires_grad_(True).named_parameters())
    owned: set[int] = set()
    for cut, after in pairwise(backbone.cuts):
        for thing in copy.stage_modules(cut):
            owned |= {id(p) for p in ([thing] if isinstance(thing, nn.Parameter) else thing.parameters())}
        with torch.enable_grad():
            output = copy.run(taps[cut], cut, after)
            total = output.float().sum()
        if not output.requires_grad:
            continue
        found = torch.autograd.grad(total, list(parameters.values()), allow_unused=True)
        used = {name for (name, _), gradient in zip(parameters.items(), found, strict=True) if gradient is not None}
        foreign = [name for name in used if id(parameters[name]) not in owned]
        assert not foreign, f"the stage at {cut} computes with {foreign}, which no stage so far owns"


def _check_clone(backbone: Backbone, images: Tensor, features: Tensor) -> None:
    copy = backbone.clone()
    assert copy.digest == backbone.digest
    same(copy.run(images), features)
    for cut in backbone.cuts:
        for thing in copy.stage_modules(cut):
            for parameter in [thing] if isinstance(thing, nn.Parameter) else thing.parameters():
                parameter.mul_(0.5)
    assert not torch.allclose(copy.run(images), features), "the clone runs on the weights of the original"
    same(backbone.run(images), features)
    assert copy.clone().digest != backbone.digest


def _check_folded(backbone: Backbone, images: Tensor, features: Tensor) -> None:
    folded, state = backbone.folded(), backbone.digest
    if not any(isinstance(module, _BatchNorm) for module in backbone.module.modules()):
        assert folded is backbone, "there is nothing to fold, and yet it was copied"
        return
    same(folded.run(images), features, 1e-4)
    assert not any(p.requires_grad for p in folded.module.parameters())
    same(backbone.run(images), features)
    assert backbone.digest == state, "folding changed the original"


def _check_bf16(backbone: Backbone, images: Tensor, features: Tensor) -> None:
    half = backbone.clone().to(dtype=torch.bfloat16)
    assert half.dtype == torch.bfloat16 and backbone.dtype == torch.float32
    found = half.run(images.bfloat16())
    assert found.dtype == torch.bfloat16
    same(found.float(), features, 0.15)


def check_method(
    make: Callable[[], Method],
    train: Split,
    val: Split,
    test: Split,
    folder: Path,
    least: float = 0.8,
    other: Backbone | None = None,
) -> Tensor:
    """Check the contract of :class:`Method`, for coldframe's own and for a user's, whose name the registry must know.

    It learns; on stored activations it is the whole network on pixels; the backbone stays as it was; saved and loaded it is the
    same; other weights and other classes are refused; a copy with the same seed learns the same.

    Args:
        make: gives the unfitted method, on a network of its own that has the same weights each time.
        train: what it learns from, of three classes or more.
        val: what it chooses on.
        test: what it is measured on.
        folder: an empty folder.
        least: the top-1 on ``test`` that it has to pass.
        other: the same network with other weights, on which the saved method must refuse to load.

    Returns:
        The logits of ``test``.
    """
    cold, method = ColdPass(Store(folder / "store")), make()
    backbone = method.backbone
    before = backbone.digest
    with pytest.raises(InputError, match="not been fitted"):
        method.score(test, cold=cold)
    assert method.fit(train, val, cold=cold) is method
    assert method.score(test, cold=cold) > least

    pixels = torch.from_numpy(load_pixels(test.images, range(5), backbone.preprocess))
    stored = method.logits(test, cold=cold)
    torch.testing.assert_close(stored[:5], method(backbone.normalise(pixels)).detach(), rtol=1e-5, atol=1e-5)
    assert torch.allclose(method.predict_proba(test, cold=cold).sum(-1), torch.ones(len(test)), atol=1e-5)

    backbone.__dict__.pop("digest", None)
    assert backbone.digest == before, "fitting changed the frozen network"
    assert not any(tensor.requires_grad for tensor in method.state().values())

    run = method.save(folder / "run")
    again = load(run, make().backbone)
    torch.testing.assert_close(again.logits(test, cold=cold), stored, rtol=0, atol=0)
    assert again.classes == method.classes and again.config() == method.config()
    assert (run / "adaptation.safetensors").stat().st_size < method.stored_bytes + 4096
    if other is not None:
        with pytest.raises(ModelError, match="other weights"):
            load(run, other)
    with pytest.raises(InputError, match="learned"):
        method.score(Split("test", test.images, test.labels, (*test.classes, "one more")))

    assert repr(method).startswith(f"{type(method).__name__}(load_backbone({backbone.name!r})")
    twin = method.again().fit(train, val, cold=cold)
    torch.testing.assert_close(twin.logits(test, cold=cold), stored, rtol=0, atol=0)
    return stored


def check_attack(
    make: Callable[[float], Attack], eps: float, size: Callable[[Tensor], Tensor], model: nn.Module, images: Tensor
) -> None:
    """Check the contract of :class:`Attack`.

    What is returned is what was judged: images of a file within eps, and the model's own answers for them. It fools some,
    spends no more steps than allowed, leaves its input and the weights' gradients alone, and one seed gives one result.

    Args:
        make: eps -> the attack.
        eps: a radius at which some of the images are fooled.
        size: changes [B, 3, H, W] -> their size [B] in the attack's own norm.
        model: a network with three classes or more, whose weights ask for gradients.
        images: [B, 3, H, W], multiples of 1/255.
    """
    with torch.no_grad():
        labels = model(images).argmax(-1)
        targets = (labels + 1) % model(images).shape[-1]
    clean, attack = images.clone(), make(eps)
    for wanted in (None, targets):
        found = attack(model, images, labels, wanted)
        assert torch.equal(images, clean), "the attack wrote over its input"
        assert found.images.shape == images.shape and 0 <= float(found.images.min()) <= float(found.images.max()) <= 1
        assert float((found.images * 255 - (found.images * 255).round()).abs().max()) < 1e-4
        assert float(size(found.images - images).max()) <= eps + 1e-5
        with torch.no_grad():
            odds = model(found.images).softmax(-1)
        assert torch.equal(odds.argmax(-1), found.predicted)
        assert torch.equal(found.fooled, found.predicted != labels if wanted is None else found.predicted == targets)
        asked = labels if wanted is None else targets
        assert torch.allclose(odds.gather(1, asked[:, None])[:, 0], found.probability, atol=1e-5)
        assert int(found.steps.max()) <= attack.steps * attack.restarts
        assert wanted is not None or found.fooled.any(), "no image was fooled, so that nothing was tested"
        again = make(eps)(model, images, labels, wanted)
        assert torch.equal(again.images, found.images)
    assert all(parameter.grad is None for parameter in model.parameters())
    with pytest.raises(InputError):
        make(-0.1)
    with pytest.raises(InputError):
        attack(model, images * 2 + 1, labels)
    with pytest.raises(InputError):
        attack(model, images, torch.from_numpy(np.asarray(labels)[:-1]))
