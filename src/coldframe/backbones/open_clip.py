"""open_clip's image and text towers as one backbone: ViTs block by block, other image towers as far as they are chains."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any, Self

import open_clip
import torch
from open_clip.timm_model import TimmModel
from open_clip.transformer import VisionTransformer
from torch import Tensor, nn

from coldframe.backbones import hub, open_clip_folder, transformers_clip
from coldframe.backbones.chain import ChainBackbone, Link, Stages, left_over, stages_of
from coldframe.backbones.checkpoint import drawn, load_state, read_weights
from coldframe.backbones.entry import Entry, Place
from coldframe.backbones.ids import ModelId
from coldframe.backbones.open_clip_text import OpenClipText, Tokenizer
from coldframe.backbones.quickgelu import OPENAI
from coldframe.backbones.timm import maps
from coldframe.backbones.trace import Trace, stages
from coldframe.backbones.unwrapped import fitting
from coldframe.errors import MissingPackage, ModelError, WeightsNotFound, nearest, visible
from coldframe.types import PROJECTION, Interpolation, Preprocess

_QUICK = "-quickgelu"
FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
_FILTERS: dict[str, Interpolation] = {"nearest": "nearest", "bilinear": "bilinear", "bicubic": "bicubic"}


class OpenClipBackbone(ChainBackbone):
    """The staged view of an open_clip model that is already built.

    ``embed`` is the output of the patch convolution alone [B, D, H, W]; ``block0`` the tokens [B, T, D] after the class
    token, the positions and ``ln_pre``; ``pre-projection`` what the tokens after the last block are pooled to [B, D], where the
    tower is a vision transformer with a projection; ``features`` what ``encode_image`` returns, not normalised.

    Args:
        name: the id it will carry.
        model: an open_clip ``CLIP``, ``CustomTextCLIP`` or ``CoCa``.
        preprocess: how files become its input.
        tokenizer: maps K texts to token ids [K, context_length].
        weights: where the weights come from, in words.
        published: figures known of the weights.
    """

    def __init__(
        self,
        name: str,
        model: nn.Module,
        preprocess: Preprocess,
        tokenizer: Tokenizer,
        *,
        weights: str = "random",
        published: Mapping[str, Any] | None = None,
    ) -> None:
        model = model.eval()
        super().__init__(
            name, model, preprocess, _stages(model, preprocess.size), _width(model, preprocess.size),
            text=OpenClipText(model, tokenizer), weights=weights, published=published,
        )  # fmt: skip

    @property
    def logit_scale(self) -> float:
        """exp of the learned temperature."""
        return float(self._temperature.detach().float().exp())

    @property
    def logit_bias(self) -> float:
        """What is added to the logits; zero but for models trained with a sigmoid loss."""
        bias = getattr(self.module, "logit_bias", None)
        return float(bias) if bias is not None else 0.0

    @property
    def sigmoid(self) -> bool:
        """Whether it was trained with a sigmoid for each text: SigLIP's kind, which has a bias."""
        return getattr(self.module, "logit_bias", None) is not None

    @property
    def _temperature(self) -> nn.Parameter:
        parameter = self.module.logit_scale
        assert isinstance(parameter, nn.Parameter)
        return parameter

    @property
    def device(self) -> torch.device:
        """Where the parameters of the image tower are."""
        return next(self.module.visual.parameters()).device  # type: ignore[union-attr]

    @property
    def dtype(self) -> torch.dtype:
        """The type of the parameters of the image tower."""
        return next(self.module.visual.parameters()).dtype  # type: ignore[union-attr]

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Self:
        """Move the network, and return self. The temperature stays in fp32: rounded to bf16 it would be 1% off."""
        before = self._temperature.detach().float().clone()
        super().to(device, dtype)
        self._temperature.data = before.to(self._temperature.device)
        return self


def _pooled(model: nn.Module, x: Tensor) -> Tensor:
    tower: Any = model.visual
    pooled: Tensor = tower._pool(x)[0]
    return pooled


def _projected(model: nn.Module, x: Tensor) -> Tensor:
    tower: Any = model.visual
    y: Tensor = x @ tower.proj
    return y


def _stages(model: nn.Module, size: int) -> Stages:
    tower: Any = model.visual
    if isinstance(tower, VisionTransformer):
        return _transformer(tower)
    if isinstance(tower, TimmModel):
        return _timm(tower, size)
    whole = [("pixels", [Link(("visual",), lambda net, x: net.encode_image(x, normalize=False))])]  # type: ignore[operator]
    try:
        trace = Trace(tower, (2, 3, size, size), lambda net, x: net(x))
    except (RuntimeError, NotImplementedError):
        return whole
    chain = trace.whole()
    if chain is None:
        return whole
    cut = stages(trace, chain, "visual.")
    return cut if not any(name.startswith("visual.") for name in left_over(model, cut, None)) else whole


def _timm(tower: TimmModel, size: int) -> Stages:
    """Cut a tower that is a timm network with a projection."""

    def end(net: Any, x: Tensor) -> Tensor:
        y: Tensor = net.head(net.trunk.forward_head(x))
        return y

    inner = [(cut, [link.inside("trunk") for link in links]) for cut, links in maps(tower.trunk, size)]
    inner[-1][1].append(Link(left_over(tower, inner, None), end))
    return [(cut, [link.inside("visual") for link in links]) for cut, links in inner]


def _transformer(tower: Any) -> Stages:
    batch_first = bool(tower.transformer.batch_first)

    def tokens(model: nn.Module, x: Tensor) -> Tensor:
        net: Any = model.visual
        x = x.flatten(2).transpose(1, 2)  # [B, H W, D]
        x = torch.cat([net.class_embedding.to(x.dtype).expand(x.shape[0], 1, -1), x], dim=1)  # [B, T, D]
        x = net.patch_dropout(x + net.positional_embedding.to(x.dtype))
        ready: Tensor = net.ln_pre(x)
        return ready

    def turned(name: str) -> Link:
        def call(model: nn.Module, x: Tensor) -> Tensor:
            y: Tensor = model.get_submodule(name)(x.transpose(0, 1))
            return y.transpose(0, 1)

        return Link((name,), None if batch_first else call)

    begin = Link(("visual.class_embedding", "visual.positional_embedding", "visual.ln_pre"), tokens)
    blocks = [[turned(f"visual.transformer.resblocks.{i}")] for i in range(len(tower.transformer.resblocks))]
    ends = ("visual.attn_pool", "visual.attn_pool_contrastive", "visual.ln_post")
    blocks[-1].append(Link(ends, _pooled))
    end = [] if tower.proj is None else [(PROJECTION, [Link(("visual.proj",), _projected)])]
    return [*stages_of([begin], blocks, [Link(("visual.conv1",))]), *end]


def _width(model: nn.Module, size: int) -> int:
    tower: Any = model.visual
    trace = Trace(tower, (2, 3, size, size), lambda net, x: out if isinstance(out := net(x), Tensor) else out[0])
    return int(trace.output.shape[-1])


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep open_clip from telling the root logger, for every network it builds, that the weights are random."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def preprocess_of(config: Mapping[str, Any]) -> Preprocess:
    """Return the preprocessing that an open_clip configuration describes."""
    size = config["size"]
    height, width = (size, size) if isinstance(size, int) else size
    if height != width or config["resize_mode"] not in ("shortest", "squash"):
        found = f"{height} x {width} pixels, resized by {config['resize_mode']!r}"
        raise ModelError(f"expected square images, resized by 'shortest' or 'squash', found {found}; choose another model")
    mean, std = config["mean"], config["std"]
    return Preprocess(
        size=height, resize=height,
        mean=(mean[0], mean[1], mean[2]), std=(std[0], std[1], std[2]),
        interpolation=_FILTERS.get(config["interpolation"], "bicubic"),
        mode="squash" if config["resize_mode"] == "squash" else "crop",
    )  # fmt: skip


def load(model: ModelId) -> OpenClipBackbone:
    """Return ``open_clip:NAME/TAG``; without a tag, or with ``/random``, its weights are drawn.

    ``open_clip:hf-hub:ORG/NAME`` and ``open_clip:local-dir:PATH`` are models whose configuration lies beside
    their weights. A local file may bear open_clip's names, OpenAI's, or those of transformers.

    Weights trained with QuickGELU get QuickGELU, and others GELU, whichever of the two the name of the architecture
    says: the wrong activation costs points without a word. What was corrected stands in ``weights``. A local file says it by
    OpenAI's own marks; without these, the name or the tag has to.

    Raises:
        ModelError: open_clip has no such model or tag, or a local file does not fit, or neither it nor the id says which
            activation it was trained with.
        WeightsNotFound: the weights are not on this disk and may not be fetched.
    """
    if open_clip_folder.is_outside(model):
        return _outside(model)
    config = open_clip.get_model_config(model.name) if model.name in open_clip.list_models() else None
    if config is None:
        raise ModelError(f"open_clip has no model {model.name!r}{nearest(model.name, open_clip.list_models())}")
    tags = open_clip.list_pretrained_tags_by_model(model.name)
    if model.tag and model.tag not in tags:
        known = nearest(model.tag, tags) or "; it has no trained weights"
        raise ModelError(f"open_clip has no weights {model.tag!r} for {model.name}{known}")
    settings = open_clip.get_pretrained_cfg(model.name, model.tag) if model.tag else {}
    trained = model.checkpoint is not None or (bool(model.tag) and not model.random)
    source = model.checkpoint or (_on_disk(model, settings) if trained else None)
    named = bool(config.get("quick_gelu", False))
    quick = bool(settings.get("quick_gelu", False)) if model.tag else named
    state = read_weights(source) if source is not None else None
    if model.checkpoint is not None and state is not None:
        quick = _quick(model, state, quick)
        state = transformers_clip.renamed(state) if transformers_clip.is_transformers(state) else state
    net = _build(model, config, quick)
    words = "random"
    if source is not None and state is not None:
        state = fitting(state, net.state_dict(), str(source))
        load_state(net, _converted(net, state), model.trained, str(source))
        words = source.name if model.checkpoint else f"{model.tag}, from {settings.get('hf_hub') or source.name}".rstrip("/")
    if trained and quick != named:
        words += f" (with {'QuickGELU' if quick else 'GELU'}, as these weights were trained, not as {model.name} is named)"
    tower: Any = net.visual
    own = {key: settings[key] for key in ("mean", "std", "interpolation", "resize_mode") if key in settings}
    chosen = {**tower.preprocess_cfg, **own}
    return OpenClipBackbone(str(model), net, preprocess_of(chosen), _tokenizer(model, config), weights=words)


def _outside(model: ModelId) -> OpenClipBackbone:
    """Return a model that open_clip does not list; its configuration says everything, its activation included."""
    found = open_clip_folder.find(model)
    state = read_weights(found.weights) if found.weights is not None else None
    try:
        net = _build(model, found.config, bool(found.config.get("quick_gelu", False)), found.folder)
    except (TypeError, ValueError, KeyError, AttributeError, RuntimeError) as error:
        reason = visible(" ".join(str(error).split())[:150])
        raise ModelError(f"open_clip cannot build what {model} describes ({reason}); check its configuration") from error
    if state is not None:
        state = transformers_clip.renamed(state) if transformers_clip.is_transformers(state) else state
        state = fitting(state, net.state_dict(), str(found.weights))
        load_state(net, _converted(net, state), model.trained, str(found.weights))
    tower: Any = net.visual
    tokenizer = _tokenizer(model, found.config, found)
    words = "random" if found.weights is None else f"{found.weights.name}, from {model.name}"
    return OpenClipBackbone(str(model), net, preprocess_of(tower.preprocess_cfg), tokenizer, weights=words)


def _quick(model: ModelId, state: Mapping[str, Tensor], said: bool) -> bool:
    """Return whether a local checkpoint was trained with QuickGELU.

    Args:
        model: names the file.
        state: what is in it.
        said: what the tag says, or without one the name.

    Raises:
        ModelError: it may be either, and nothing says which.
    """
    if state.keys() >= OPENAI:
        return True
    assert model.checkpoint is not None
    beside = transformers_clip.activation_beside(model.checkpoint) if transformers_clip.is_transformers(state) else None
    if beside is not None:
        return beside
    if not model.tag and not said and f"{model.name}{_QUICK}" in open_clip.list_models():
        raise ModelError(
            f"expected {model.checkpoint} to say whether it was trained with QuickGELU, found no sign of it in the weights; "
            f"write open_clip:{model.name}{_QUICK}@PATH if it was (OpenAI's, MetaCLIP's and DFN's are), or name a tag that was "
            f"trained with GELU, such as open_clip:{model.name}/{_gelu_tag(model.name)}@PATH"
        )
    return said


def _gelu_tag(name: str) -> str:
    """Return a tag of an architecture whose weights were trained with GELU."""
    tags = open_clip.list_pretrained_tags_by_model(name)
    return next((tag for tag in tags if not open_clip.get_pretrained_cfg(name, tag).get("quick_gelu", False)), "TAG")


def _place(settings: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    """Return the repository of the hub and the names of the files there."""
    repository, _, file = str(settings.get("hf_hub") or "").rpartition("/")
    return repository, (file,) if file else FILES


@cache
def count(name: str) -> int | None:
    """Return the number of parameters, without allocating them; None where the text tower's shape is on a hub."""
    config = open_clip.get_model_config(name)
    if config["text_cfg"].get("hf_model_name"):
        return None
    with _quiet(), torch.device("meta"):
        net: nn.Module = open_clip.create_model(name, pretrained=None, load_weights=False, pretrained_text=False, device="meta")
    return sum(parameter.numel() for parameter in net.parameters())


def _on_disk(model: ModelId, settings: Mapping[str, Any]) -> Path:
    repository, files = _place(settings)
    if not repository:
        raise WeightsNotFound(f"the weights of {model} are on no hub; fetch them yourself and pass the file as {model}@PATH")
    return hub.find(str(model), hub=repository, files=files, download=model.download)


def _build(model: ModelId, config: Mapping[str, Any], quick: bool, name: str = "") -> nn.Module:
    text = open_clip_folder.text_of(config, "hf_model_name")
    if text and not model.download and hub.in_hub_cache(text, ("config.json",)) is None:
        where = f"is not on this disk (looked in {hub.hub_cache()})"
        raise WeightsNotFound(f"the text tower {text} of {model} {where}; fetch it with {hub.FETCH}")
    settings = {"pretrained": None, "load_weights": False, "pretrained_text": False, "quick_gelu": quick}
    with _quiet():
        net: nn.Module = drawn(lambda: open_clip.create_model(name or model.name, **settings))
    return net


def _converted(net: Any, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors under the names and shapes of this version of open_clip, as its own loader does."""
    from open_clip.convert import convert_state_dict
    from open_clip.model import convert_to_custom_text_state_dict

    state = dict(convert_state_dict(net, state))
    if "positional_embedding" in state and not hasattr(net, "positional_embedding"):
        state = dict(convert_to_custom_text_state_dict(state))
    for name in ("logit_scale", "logit_bias"):
        own = getattr(net, name, None)
        if name in state and own is not None:
            state[name] = state[name].reshape(own.shape)
    if getattr(net, "logit_bias", None) is not None and "logit_scale" in state:
        state.setdefault("logit_bias", torch.zeros_like(net.logit_bias))
    for name in ("text.transformer.embeddings.position_ids", "input_resolution", "context_length", "vocab_size"):
        state.pop(name, None)
    return state


def _tokenizer(model: ModelId, config: Mapping[str, Any], outside: open_clip_folder.Outside | None = None) -> Tokenizer:
    """Return the tokenizer, which for some models is itself on a hub; without it, texts are refused and images are not."""
    wanted = open_clip_folder.text_of(config, "hf_tokenizer_name")
    here = outside is not None and outside.tokenizer
    if wanted and not here and not model.download and hub.in_hub_cache(wanted, open_clip_folder.TOKENIZER) is None:

        def refuse(texts: list[str]) -> Tensor:
            where = f"is not on this disk (looked in {hub.hub_cache()})"
            advice = f"fetch it with {hub.FETCH}, or use a method without texts"
            raise WeightsNotFound(f"the tokenizer {wanted} of {model} {where}; {advice}")

        return refuse
    try:
        with _quiet():
            if outside is not None and wanted and not here:
                text = config["text_cfg"]
                tokenizer: Tokenizer = open_clip.HFTokenizer(
                    wanted, context_length=text.get("context_length", 77), tokenizer_mode=text.get("tokenizer_mode"),
                    **text.get("tokenizer_kwargs", {}),
                )  # fmt: skip
            else:
                tokenizer = open_clip.get_tokenizer(outside.folder if outside is not None else model.name)
    except ImportError as error:
        package = error.name or "transformers"
        raise MissingPackage(f"the tokenizer of {model} needs the package {package}; run: pip install {package}") from error
    return tokenizer


def adapt(
    name: str, model: nn.Module, tokenizer: Tokenizer, preprocess: Preprocess, weights: str = "random"
) -> OpenClipBackbone:
    """Return the staged view of an open_clip model that is already built; see :class:`OpenClipBackbone`."""
    return OpenClipBackbone(name, model, preprocess, tokenizer, weights=weights)


def entries() -> Iterator[Entry]:
    """Yield every model with each of its tags, then without one, for the list of models."""
    for name in open_clip.list_models():
        for tag in open_clip.list_pretrained_tags_by_model(name):
            place = Place(*_place(open_clip.get_pretrained_cfg(name, tag)))
            yield Entry(f"open_clip:{name}/{tag}", place, partial(count, name))
        yield Entry(f"open_clip:{name}", Place(), partial(count, name), random=True)
