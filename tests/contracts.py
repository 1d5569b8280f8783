"""What every backbone must keep. A newcomer calls the check from a test of its own and adds a row to its table."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from coldframe.backbones.base import Backbone
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
