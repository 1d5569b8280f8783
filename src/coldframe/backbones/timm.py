"""timm's networks as chains: vision transformers block by block, the others as finely as a trace allows."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any

import timm
import torch
from timm.data import ImageNetInfo, infer_imagenet_subset, resolve_data_config
from timm.layers import PatchEmbed
from timm.layers.format import Format, nchw_to
from timm.models.eva import Eva
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from coldframe.backbones import hub, timm_folder
from coldframe.backbones.base import Backbone
from coldframe.backbones.chain import ChainBackbone, Link, Stages, left_over, stages_of
from coldframe.backbones.checkpoint import read_weights
from coldframe.backbones.entry import Entry, Place
from coldframe.backbones.ids import ModelId
from coldframe.backbones.options import Options, built, no_size, options_of
from coldframe.backbones.pooling import Pooling, classifier_of, features_of, forward_features
from coldframe.backbones.quickgelu import activated, corrected
from coldframe.backbones.timm_folder import FILES, Described
from coldframe.backbones.timm_weights import loaded, network
from coldframe.backbones.trace import Trace, links, stages
from coldframe.errors import ModelError, WeightsNotFound, nearest
from coldframe.types import Interpolation, Preprocess

_FILTERS: dict[str, Interpolation] = {"nearest": "nearest", "bilinear": "bilinear", "bicubic": "bicubic"}


def preprocess_of(config: Mapping[str, Any], size: int | None = None) -> Preprocess:
    """Return the preprocessing of timm's evaluation for one set of weights, at another size where one is given."""
    data = resolve_data_config({} if size is None else {"img_size": size}, pretrained_cfg=dict(config))
    _, height, width = data["input_size"]
    if height != width:
        raise ModelError(f"expected a model with square images, found {height} x {width} pixels; choose another model")
    resize, squash = math.floor(height / data["crop_pct"]), data["crop_mode"] == "squash"
    mean, std = (tuple(float(v) for v in data[key]) for key in ("mean", "std"))
    return Preprocess(
        size=height,
        resize=height if squash else resize,
        mean=(mean[0], mean[1], mean[2]),
        std=(std[0], std[1], std[2]),
        interpolation=_FILTERS.get(data["interpolation"], "bicubic"),
        mode="squash" if squash else "crop",
    )


@cache
def _names(subset: str) -> tuple[str, ...]:
    info = ImageNetInfo(subset)
    full: list[str] = [info.index_to_description(k) for k in range(info.num_classes())]
    short = [text.split(",")[0] for text in full]
    seen, seen_full = Counter(short), Counter(full)

    def readable(k: int) -> str:
        if seen[short[k]] == 1:
            return short[k]
        if seen_full[full[k]] == 1:
            return full[k]
        meaning = info.index_to_description(k, detailed=True).partition(": ")[2].split()
        return f"{short[k]} ({' '.join(meaning[:4])})"

    return tuple(readable(k) for k in range(len(short)))


def IMAGENET() -> tuple[str, ...]:
    """Return the 1,000 class names of ImageNet as a person writes them, each once."""
    return _names("imagenet-1k")


def classes_of(net: nn.Module, config: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of a network's outputs, where timm knows them; ``class 0`` .. otherwise."""
    count = int(getattr(net, "num_classes", 0))
    subset = infer_imagenet_subset(dict(config)) if config.get("num_classes") == count else None
    known = _names(subset) if subset else ()
    return known if len(known) == count else tuple(f"class {k}" for k in range(count))


def cut(
    name: str,
    net: nn.Module,
    preprocess: Preprocess,
    *,
    classes: Sequence[str] = (),
    weights: str = "random",
    published: Mapping[str, Any] | None = None,
) -> ChainBackbone:
    """Return the staged view of a timm network that is already built.

    Args:
        name: the id it will carry.
        net: the network.
        preprocess: its input; ``size`` must be one the network accepts.
        classes: names of its outputs.
        weights: where its weights come from, in words.
        published: figures known of the weights.
    """
    if not hasattr(net, "forward_features") or not hasattr(net, "forward_head"):
        found = f"{type(net).__name__} for {name}"
        raise ModelError(f"expected a timm network with forward_features and forward_head, found {found}; choose another")
    net = net.eval()
    classifier = classifier_of(net)
    before, pooling = maps(net, preprocess.size), Pooling(net, preprocess.size)
    tail = Link(left_over(net, before, classifier), features_of)
    whole = [*before[:-1], (before[-1][0], [*before[-1][1], tail])]
    if classifier is not None and not pooling.followed_by(classifier):
        classifier = None
    return ChainBackbone(
        name, net, preprocess, whole, pooling.width, classifier=classifier,
        classes=classes if classifier is not None else (), weights=weights, published=published,
    )  # fmt: skip


def maps(net: nn.Module, size: int) -> Stages:
    """Return the stages of ``forward_features``, from images of ``size`` x ``size`` pixels to the maps that are then pooled."""
    return _transformer(net) or _rotary(net) or _traced(net, size)


def _traced(net: nn.Module, size: int) -> Stages:
    """Cut by a trace; one coarse stage where the network is not a chain."""
    coarse = Link((), forward_features)
    try:
        trace = Trace(net, (2, 3, size, size), forward_features)
    except (RuntimeError, NotImplementedError, AttributeError):
        return [("pixels", [coarse])]
    chain = trace.whole()
    if chain is None:
        return [("pixels", [coarse])]
    patches = chain[0].module
    if isinstance(patches, PatchEmbed) and _plain(patches):
        embed, groups = _patch_links(chain[0].name, patches), trace.blocks(trace.open(chain[1:], first=False))[1]
        return stages_of([embed[1]], [links(group) for group in groups], [embed[0]])
    return stages(trace, chain)


def _plain(patches: PatchEmbed) -> bool:
    return type(patches) is PatchEmbed and not patches.dynamic_img_pad and isinstance(patches.proj, nn.Conv2d)


def _patch_links(name: str, patches: PatchEmbed) -> tuple[Link, Link]:
    """Return the patch convolution alone, [B, 3, S, S] -> [B, D, H, W], and what timm does to its output."""
    flatten, layout = bool(patches.flatten), patches.output_fmt

    def after(net: nn.Module, x: Tensor) -> Tensor:
        if flatten:
            x = x.flatten(2).transpose(1, 2)  # [B, H W, D]
        elif layout != Format.NCHW:
            x = nchw_to(x, layout)
        normed: Tensor = net.get_submodule(f"{name}.norm")(x)
        return normed

    return Link((f"{name}.proj",)), Link((f"{name}.norm",), after)


def _transformer(net: nn.Module) -> Stages | None:
    """Cut a vision transformer before each of its blocks; None for other networks."""
    if not isinstance(net, VisionTransformer) or type(net).forward_features is not VisionTransformer.forward_features:
        return None

    def tokens(network: nn.Module, x: Tensor) -> Tensor:
        x = network._pos_embed(x)  # type: ignore[operator]  # [B, T, D]
        ready: Tensor = network.norm_pre(network.patch_drop(x))  # type: ignore[operator]
        return ready

    return _patched(net, tokens, [Link((f"blocks.{i}",)) for i in range(len(net.blocks))])


def _rotary(net: nn.Module) -> Stages | None:
    """Cut a vision transformer with rotary positions (EVA, DINOv3); its blocks take tokens of whole square images only."""
    if not isinstance(net, Eva) or type(net).forward_features is not Eva.forward_features or net.patch_drop is not None:
        return None

    def tokens(network: Any, x: Tensor) -> Tensor:
        ready: Tensor = network.norm_pre(network._pos_embed(x)[0])  # [B, T, D]
        return ready

    def step(index: int, network: Any, x: Tensor) -> Tensor:
        y: Tensor = network.blocks[index](x, rope=_rotation(network, x, index))
        return y

    return _patched(net, tokens, [Link((f"blocks.{i}",), partial(step, i)) for i in range(len(net.blocks))])


def _rotation(net: Any, x: Tensor, index: int) -> Tensor | None:
    if net.rope is None:
        return None
    side = math.isqrt(x.shape[1] - net.num_prefix_tokens)
    fixed = not net.dynamic_img_size and hasattr(net.rope, "feat_shape")
    rope: Tensor = net.rope.get_embed() if fixed else net.rope.get_embed(shape=(side, side))
    return rope[index] if getattr(net, "rope_mixed", False) else rope


def _patched(net: Any, tokens: Callable[[nn.Module, Tensor], Tensor], each: Sequence[Link]) -> Stages:
    """Return the stages of patches, tokens and blocks, which all vision transformers of timm have under the same names."""
    begin = [Link(("cls_token", "dist_token", "reg_token", "pos_embed", "rope", "norm_pre"), tokens)]
    blocks = [[link] for link in each]
    blocks[-1].append(Link(("norm",)))
    if isinstance(net.patch_embed, PatchEmbed) and _plain(net.patch_embed):
        convolution, rest = _patch_links("patch_embed", net.patch_embed)
        return stages_of([rest, *begin], blocks, [convolution])
    return stages_of([Link(("patch_embed",)), *begin], blocks)


@cache
def count(name: str) -> int:
    """Return the number of parameters of a timm network, without allocating them."""
    with torch.device("meta"):
        net: nn.Module = timm.create_model(name, pretrained=False)
    return sum(parameter.numel() for parameter in net.parameters())


def load(model: ModelId) -> Backbone:
    """Return ``timm:NAME`` with the weights of the hub, of a local file, or drawn ones (``timm:NAME/random``).

    ``timm:hf_hub:ORG/NAME`` and ``timm:local-dir:PATH`` are networks whose configuration lies beside their weights.
    ``?size=S`` behind a name or a file is another size of the images; positions are resampled as timm does.

    Raises:
        ModelError: timm has no network of this name, or a local file does not fit it.
        WeightsNotFound: the weights are not on this disk and may not be fetched.
    """
    outside = timm_folder.is_outside(model)
    about = timm_folder.find(model) if outside else _listed(model)
    config, said = about.config, options_of(model)
    settings = about.settings | said.settings
    if said.size is not None and config.get("fixed_input_size", timm.get_pretrained_cfg(about.name).fixed_input_size):
        settings["img_size"] = said.size
    if model.random:
        words, net = "random", built(network, about.name, settings)
    else:
        source = about.weights or _on_disk(model, config)
        state = read_weights(source)
        named = model if outside else activated(model, config, state, _names_like)
        net = loaded(replace(about, name=about.name if outside else named.name), model, state, str(source), settings)
        origin = f"{source.name}, from {model.name}" if outside else (
            f"{config.get('tag') or 'timm'}, from {config.get('hf_hub_id') or source.name}"
        )  # fmt: skip
        words = source.name + said.padding(about.name, timm.is_model) if model.checkpoint else origin
        words += corrected(model, named)
        if model.checkpoint and said.pad_type is None and not about.name.startswith("tf_"):
            _watch_padding(replace(about, name=named.name), model, net, state, settings, said)
    config = dict(getattr(net, "pretrained_cfg", config)) if not outside else config
    classes = about.classes if len(about.classes) == getattr(net, "num_classes", 0) else classes_of(net, config)
    try:
        return cut(str(model), net, said.applied(preprocess_of(config, said.size)), classes=classes, weights=words)
    except (AssertionError, RuntimeError) as error:
        if said.size is None or isinstance(error, ModelError):
            raise
        raise no_size(about.name, said.size, error) from error


def _names_like(text: str) -> list[str]:
    return list(timm.list_models(text, pretrained="." in text))


def _listed(model: ModelId) -> Described:
    """Return what timm says of a network on its list."""
    if not model.name or not timm.is_model(model.name.split(".")[0]):
        raise ModelError(f"timm has no model {model.name!r}{nearest(model.name, timm.list_models())}")
    if model.tag:
        right = f"timm:{model.name}, timm:{model.name}.TAG or timm:{model.name}/random"
        raise ModelError(f"unknown ending {model.tag!r} in {str(model)!r}: write {right}")
    tagged = timm.list_models(f"{model.name.split('.')[0]}.*", pretrained=True)
    if "." in model.name and model.name not in tagged:
        raise ModelError(f"timm has no weights {model.name!r}{nearest(model.name, tagged)}")
    found = timm.get_pretrained_cfg(model.name)
    return Described(model.name, found.to_dict() if found is not None else {}, weights=model.checkpoint)


def _watch_padding(
    about: Described, asked: ModelId, net: nn.Module, state: dict[str, Tensor], settings: Mapping[str, Any], said: Options
) -> None:
    """Warn where a file of a network with 1,000 classes is surer of photographs with TensorFlow's padding."""
    from coldframe.backbones import padding

    if getattr(net, "num_classes", 0) != 1000:
        return
    try:
        other = loaded(about, asked, state, str(asked.checkpoint), {**settings, "pad_type": "same"})
    except ModelError:  # a network without a choice of padding
        return
    config = dict(getattr(net, "pretrained_cfg", about.config))
    found = padding.compare(net, other, said.applied(preprocess_of(config, said.size)))
    padding.warn(found, str(asked), "add ?pad_type=same, or pad_type=pytorch to be sure")


def _on_disk(model: ModelId, config: Mapping[str, Any]) -> Any:
    hub_id, url = str(config.get("hf_hub_id") or ""), str(config.get("url") or "")
    if not hub_id and not url:
        ways = f"ask for random weights with {model}/random or pass a local file as {model}@PATH"
        raise WeightsNotFound(f"timm has no trained weights for {model.name}; {ways}")
    file = str(config.get("hf_hub_filename") or "")
    return hub.find(str(model), hub=hub_id, files=(file,) if file else FILES, url=url, download=model.download)


def entries() -> Iterator[Entry]:
    """Yield every network with its weights, then those that have none, for the list of models."""
    trained = set()
    for name in timm.list_models(pretrained=True):
        config = timm.get_pretrained_cfg(name)
        trained.add(name.partition(".")[0])
        file, repository, url = (str(value or "") for value in (config.hf_hub_filename, config.hf_hub_id, config.url))
        yield _entry(name, str(config.license or ""), repository, (file,) if file else FILES, url)
    for name in timm.list_models():
        if name not in trained:
            yield _entry(name)


def _entry(name: str, licence: str = "", repository: str = "", files: tuple[str, ...] = (), url: str = "") -> Entry:
    random = not (repository or url)
    place = Place(repository, files, url)
    return Entry(f"timm:{name}" + ("/random" if random else ""), place, partial(count, name), licence, random)
