"""torchvision's classifiers as chains, with the preprocessing, class names and figures of their weights."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, relu
from torchvision import models
from torchvision.models import VisionTransformer

from coldframe.backbones import hub
from coldframe.backbones.base import Backbone
from coldframe.backbones.chain import ChainBackbone, Link, Stages, stages_of
from coldframe.backbones.checkpoint import drawn, load_state, read_weights
from coldframe.backbones.entry import Entry, Place
from coldframe.backbones.ids import ModelId
from coldframe.backbones.trace import Call, Trace, links, stages
from coldframe.backbones.unwrapped import fitting, headless
from coldframe.errors import ModelError, WeightsNotFound, nearest
from coldframe.types import Interpolation, Preprocess

_FILTERS: dict[str, Interpolation] = {"nearest": "nearest", "bilinear": "bilinear", "bicubic": "bicubic", "lanczos": "lanczos"}


_PLAIN = Preprocess(224, 256, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), "bilinear")
"""What torchvision's own training recipe uses, for networks that come without weights."""


def names() -> list[str]:
    """Return the names of torchvision's image classifiers."""
    return [str(name) for name in models.list_models(module=models) if "quantized" not in name]


def weights_of(name: str) -> list[Any]:
    """Return the sets of weights of one classifier, oldest first, as torchvision describes them."""
    return list(models.get_model_weights(name))


def preprocess_of(weights: Any) -> Preprocess:
    """Return the preprocessing that belongs to one set of weights."""
    chosen = weights.transforms()
    mean, std = [float(v) for v in chosen.mean], [float(v) for v in chosen.std]
    return Preprocess(
        size=chosen.crop_size[0], resize=chosen.resize_size[0],
        mean=(mean[0], mean[1], mean[2]), std=(std[0], std[1], std[2]),
        interpolation=_FILTERS.get(chosen.interpolation.value, "bilinear"),
    )  # fmt: skip


def published_of(weights: Any, of: str) -> dict[str, Any]:
    """Return top-1 and top-5 on ImageNet, as fractions, from the metadata of one set of weights."""
    found = weights.meta.get("_metrics", {}).get("ImageNet-1K", {})
    keys = (("top1", "acc@1"), ("top5", "acc@5"))
    figures: dict[str, Any] = {key: round(found[name] / 100, 6) for key, name in keys if name in found}
    return {**figures, "source": f"torchvision's metadata of {weights.name}{of}"} if figures else {}


def cut(name: str, net: nn.Module, preprocess: Preprocess, *, headed: bool = True, **about: Any) -> ChainBackbone:
    """Return the staged view of a torchvision classifier that is already built.

    Args:
        name: the id it will carry.
        net: the classifier.
        preprocess: its input; ``size`` must be one the network accepts.
        headed: whether its last layer is trained; without it the backbone has no classifier.
        about: ``classes``, ``weights`` and ``published`` of :class:`ChainBackbone`.
    """
    net = net.eval()
    for auxiliary in ("aux1", "aux2", "AuxLogits"):
        if getattr(net, auxiliary, None) is not None:
            setattr(net, auxiliary, None)
            net.aux_logits = False  # type: ignore[assignment]
    trace = Trace(net, (2, 3, preprocess.size, preprocess.size), lambda module, x: module(x))
    classifier = _classifier(trace)
    found = _transformer(net) if isinstance(net, VisionTransformer) else _traced(net, trace, classifier)
    width = _width(net, trace, classifier)
    if classifier is None or not headed:
        about["classes"] = ()
    own = classifier if headed else None
    return ChainBackbone(name, net, preprocess, found, width, classifier=own, **about)


def _classifier(trace: Trace) -> str | None:
    for name, module in trace.network.named_modules():
        call = trace.once(name) if isinstance(module, nn.Linear) else None
        if call is not None and call.returned is trace.output:
            return str(name)
    return None


def _width(net: nn.Module, trace: Trace, classifier: str | None) -> int:
    if classifier is not None:
        return int(net.get_submodule(classifier).in_features)  # type: ignore[arg-type]
    last: Any = net.features
    found = trace.once("features")
    return int(found.returned.shape[1]) if found is not None else int(last[-1].out_channels)


def _flat(net: nn.Module, x: Tensor) -> Tensor:
    return torch.flatten(x, 1)


def _mean(net: nn.Module, x: Tensor) -> Tensor:
    return x.mean([2, 3])


def _relu_pooled(net: nn.Module, x: Tensor) -> Tensor:
    return torch.flatten(adaptive_avg_pool2d(relu(x), 1), 1)


def _pooled(net: nn.Module, x: Tensor) -> Tensor:
    return torch.flatten(adaptive_avg_pool2d(x, 1), 1)


_BETWEEN: dict[str, Callable[[nn.Module, Tensor], Tensor]] = {
    "DenseNet": _relu_pooled, "MobileNetV2": _pooled, "ShuffleNetV2": _mean, "MNASNet": _mean,
}  # fmt: skip
"""What a family's forward does between its last convolution and its classifier, where that is not a flattening."""


def _traced(net: nn.Module, trace: Trace, classifier: str | None) -> Stages:
    """Cut by a trace, with what the families do between modules put in by name."""
    begin = trace.images
    head: list[Link] = []
    if getattr(net, "transform_input", False):
        first = trace.once(trace.children("")[0])
        assert first is not None
        begin = first.given
        head = [Link((), lambda module, x: module._transform_input(x))]  # type: ignore[operator]
    chain = trace.chain("", begin)
    if not chain:
        raise ModelError(f"cannot cut torchvision's {type(net).__name__}: it is not a chain; choose another model")
    tail: list[Link] = []
    if classifier is None:
        chain = [call for call in chain if call.name == "features"]
        tail = [Link((), _pooled)]
    else:
        chain, tail = _until(trace, chain, classifier, _BETWEEN.get(type(net).__name__, _flat))
    cuts = stages(trace, chain)
    whole = [(name, list(parts)) for name, parts in cuts]
    whole[0] = (whole[0][0], [*head, *whole[0][1]])
    whole[-1] = (whole[-1][0], [*whole[-1][1], *tail])
    return whole


def _until(
    trace: Trace, chain: list[Call], classifier: str, between: Callable[[nn.Module, Tensor], Tensor]
) -> tuple[list[Call], list[Link]]:
    """Split off what comes before the classifier: the modules that make a chain, and the links from there to the features."""
    group = classifier.rpartition(".")[0]
    inside = [call for call in chain if call.name not in (classifier, group)]
    reached = len(inside) < len(chain)
    after: list[Link] = [] if reached else [Link((), between)]
    seen = {call.name for call in chain} | {classifier, group}
    after += [Link((name,)) for name in trace.children("") if name not in seen]
    if group:
        last = trace.once(group)
        assert last is not None
        opened = trace.inside(last) or []
        after += links([call for call in opened if call.name != classifier])
    return inside, after


def _transformer(net: VisionTransformer) -> Stages:
    """Cut torchvision's vision transformer before each of its blocks."""

    def tokens(network: Any, x: Tensor) -> Tensor:
        x = x.flatten(2).transpose(1, 2)  # [B, H W, D]
        x = torch.cat([network.class_token.expand(x.shape[0], -1, -1), x], dim=1)  # [B, T, D]
        ready: Tensor = network.encoder.dropout(x + network.encoder.pos_embedding)
        return ready

    def read(network: Any, x: Tensor) -> Tensor:
        x = network.encoder.ln(x)[:, 0]
        for name, module in network.heads.named_children():
            x = x if name == "head" else module(x)
        return x

    begin = [Link(("class_token", "encoder.pos_embedding"), tokens)]
    blocks = [[Link((f"encoder.layers.{name}",))] for name, _ in net.encoder.layers.named_children()]
    ends = [f"heads.{name}" for name, _ in net.heads.named_children() if name != "head"]
    blocks[-1].append(Link(("encoder.ln", *ends), read))
    if not isinstance(net.conv_proj, nn.Conv2d):
        return stages_of([Link(("conv_proj",)), *begin], blocks)
    return stages_of(begin, blocks, [Link(("conv_proj",))])


def load(model: ModelId) -> Backbone:
    """Return ``torchvision:NAME/WEIGHTS``; without ``/WEIGHTS`` torchvision's default ones, with ``/random`` drawn ones.

    Raises:
        ModelError: torchvision has no such classifier or weights, or a local file does not fit.
        WeightsNotFound: the weights are not on this disk and may not be fetched.
    """
    if model.name not in names():
        raise ModelError(f"torchvision has no classifier {model.name!r}{nearest(model.name, names())}")
    choices = {weights.name: weights for weights in weights_of(model.name)}
    if model.tag and model.tag not in choices and model.tag != "DEFAULT":
        hint = nearest(model.tag, choices) or "; it has no trained weights"
        raise ModelError(f"torchvision has no weights {model.tag!r} for {model.name}{hint}")
    weights = _chosen(model, choices)
    state = None
    words, of = "random", ", which are not these weights"
    if model.checkpoint is not None:
        source = model.checkpoint
        expected = _skeleton(model.name).state_dict()
        state, words = fitting(_renamed(model, read_weights(source)), expected, str(source)), source.name
    elif not model.random:
        if weights is None:
            ways = f"ask for random weights with {model}/random or pass a local file as {model}@PATH"
            raise WeightsNotFound(f"torchvision has no trained weights for {model.name}; {ways}")
        source = hub.find(str(model), url=str(weights.url), download=model.download)
        state, words, of = _renamed(model, read_weights(source)), f"{weights.name}, from torchvision", ""
    net = _built(model, weights, state)
    classes = list(weights.meta["categories"]) if weights is not None else []
    headed = state is None or _load(net, state, model, source)
    count = int(_outputs(net) or 0)
    known = tuple(classes) if len(classes) == count else tuple(f"class {k}" for k in range(count))
    published = published_of(weights, of) if weights is not None else {}
    preprocess = preprocess_of(weights) if weights is not None else _PLAIN
    return cut(str(model), net, preprocess, headed=headed, classes=known, weights=words, published=published)


def _chosen(model: ModelId, choices: dict[str, Any]) -> Any:
    if model.tag in choices:
        return choices[model.tag]
    default = getattr(models.get_model_weights(model.name), "DEFAULT", None)
    return default if default is not None else next(iter(choices.values()), None)


def _outputs(net: nn.Module) -> int | None:
    linear = [module for module in net.modules() if isinstance(module, nn.Linear)]
    return int(linear[-1].out_features) if linear else None


_SPECIAL = ("googlenet", "inception_v3")


def _skeleton(name: str) -> nn.Module:
    """Return a classifier without numbers."""
    with torch.device("meta"):
        net: nn.Module = models.get_model(name, weights=None, **({"init_weights": False} if name in _SPECIAL else {}))
    return net


def _built(model: ModelId, weights: Any, state: dict[str, Tensor] | None) -> nn.Module:
    """Build the network; K follows a local file's classifier."""
    settings: dict[str, Any] = {}
    if model.checkpoint is not None and state is not None:
        last = [name for name, module in _skeleton(model.name).named_modules() if isinstance(module, nn.Linear)]
        head = state.get(f"{last[-1]}.weight") if last else None
        if head is not None and head.dim() == 2:
            settings["num_classes"] = int(head.shape[0])
    if model.name in _SPECIAL:
        # the trained weights of these two expect another scaling of the images, and carry heads that only training uses
        settings |= {"init_weights": True, "transform_input": True, "aux_logits": True}
    if model.name.startswith("vit_") and weights is not None:
        settings["image_size"] = weights.meta["min_size"][0]
    net: nn.Module = drawn(lambda: models.get_model(model.name, weights=None, **settings))
    return net


def _load(net: nn.Module, state: dict[str, Tensor], model: ModelId, source: Path) -> bool:
    """Load the weights; return whether they have the network's own last layer, which a file of one's own may lack."""
    expected = net.state_dict()
    if model.checkpoint is None:
        load_state(net, state, str(model), str(source))
        return True
    head = [name for name, module in net.named_modules() if isinstance(module, nn.Linear)][-1:]
    last = {name: tensor for name, tensor in expected.items() if name.rpartition(".")[0] in head}
    place = (head[0].rpartition(".")[0] or head[0]) + "." if head else ""  # where another head lies
    bare = headless(state, expected, last, place, f"{source} is none of {model.trained}")
    load_state(net, state if bare is None else bare | last, str(model), str(source))
    return bare is None


def _renamed(model: ModelId, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Give old DenseNet files their present names: ``norm.1`` became ``norm1``."""
    if not model.name.startswith("densenet"):
        return state
    old = re.compile(r"^(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\..*)$")
    return {old.sub(r"\1\2", name): tensor for name, tensor in state.items()}


def entries() -> Iterator[Entry]:
    """Yield every classifier with each of its weights, for the list of models."""
    for name in names():
        for weights in weights_of(name):
            count, licence = int(weights.meta["num_params"]), str(weights.meta.get("license", ""))
            place = Place(url=str(weights.url))
            yield Entry(f"torchvision:{name}/{weights.name}", place, partial(int, count), licence)
