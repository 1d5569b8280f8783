"""What every backbone and every method must keep. A newcomer calls the check from a test of its own, with a row in a table."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from coldframe.backbones.base import Backbone
from coldframe.cold import ColdPass, Store
from coldframe.data.base import Split
from coldframe.data.decode import load_pixels
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


def _check_head(
    backbone: Backbone, images: Tensor, features: Tensor, own_logits: Callable[[Tensor], Tensor] | None
) -> None:
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


def check_method(make: Callable[[], Method], train: Split, val: Split, test: Split, folder: Path, least: float = 0.8) -> None:
    """Check the contract of :class:`Method`, for coldframe's own and for a user's, whose name must be known to the registry.

    It learns; warm on stored activations is the whole network on pixels; the frozen network stays as it is; what is saved is
    what was learned, and loads to the same logits; settings come back, and the same seed learns the same.

    Args:
        make: gives the method, not fitted, on a network of its own that has the same weights each time.
        train: what is learned from.
        val: what is chosen on.
        test: images of the same classes.
        folder: an empty folder.
        least: top-1 on ``test`` that is passed by learning.
    """
    cold, method = ColdPass(Store(folder / "store")), make()
    before = method.backbone.digest
    assert method.fit(train, val, cold=cold) is method
    assert method.score(test, cold=cold) > least, "it has not learned"
    logits = method.logits(test, cold=cold)
    images = torch.from_numpy(load_pixels(test.images, range(4), method.backbone.preprocess))
    torch.testing.assert_close(logits[:4], method(method.backbone.normalise(images)), rtol=1e-5, atol=1e-5)
    method.backbone.__dict__.pop("digest", None)
    assert method.backbone.digest == before, "fitting changed the frozen network"
    assert not any(tensor.requires_grad for tensor in method.state().values())
    again = load(method.save(folder / "run"), make().backbone)
    assert again.classes == method.classes and again.config() == method.config()
    assert torch.equal(again.logits(test, cold=cold), logits), "loaded, it gives other logits"
    twin = method.again().fit(train, val, cold=cold)
    assert torch.equal(twin.logits(test, cold=cold), logits), "the same seed learned something else"
