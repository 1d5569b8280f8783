"""A backbone that is a list of links: modules called one after the other, and the few functions between them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from coldframe.backbones.base import Backbone, TextTower
from coldframe.types import BESIDE, EMBED, FEATURES, LADDER, PIXELS, POOLED, TOKENS, Preprocess, block

Function = Callable[[nn.Module, Tensor], Tensor]


@dataclass(frozen=True)
class Link:
    """One piece of a network's forward pass.

    Links hold names, never modules, so that a copy of the network runs on its own weights.

    Args:
        owns: dotted names of the modules and parameters that learn here, inside the network.
        call: a function of the whole network and the activation; without it the one module in ``owns`` is called.
        kwargs: constant keyword arguments of the module.
    """

    owns: tuple[str, ...] = ()
    call: Function | None = None
    kwargs: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, network: nn.Module, x: Tensor) -> Tensor:
        """Run this piece: the activation before it -> the activation after it."""
        if self.call is not None:
            return self.call(network, x)
        output: Tensor = network.get_submodule(self.owns[0])(x, **self.kwargs)
        return output

    def inside(self, part: str) -> Link:
        """Return the same piece for a network of which this one's network is the module named ``part``."""
        own = self.call
        call = None if own is None else lambda network, x: own(network.get_submodule(part), x)
        return Link(tuple(f"{part}.{name}" for name in self.owns), call, self.kwargs)

    def modules(self, network: nn.Module) -> list[nn.Module | nn.Parameter]:
        """Return the modules and parameters of ``owns``."""
        return [found for name in self.owns if (found := member(network, name)) is not None]


def member(network: nn.Module, name: str) -> nn.Module | nn.Parameter | None:
    """Return the module or the parameter of this dotted name; None where the network has nothing there."""
    thing: Any = network
    for part in name.split("."):
        thing = getattr(thing, part, None)
    return thing if isinstance(thing, (nn.Module, nn.Parameter)) else None


def classify(classifier: nn.Module, features: Tensor) -> Tensor:
    """Return the logits [B, K] of features [B, D]; some classifiers are convolutions over one pixel."""
    if isinstance(classifier, nn.Conv2d):
        return torch.flatten(classifier(features[:, :, None, None]), 1)
    logits: Tensor = classifier(features)
    return logits


def pooled(x: Tensor, channels_last: bool = False) -> Tensor:
    """Return one vector an image: the mean of maps [B, C, H, W], or the first and the mean of tokens [B, T, D]."""
    if x.dim() == 3:
        return torch.cat([x[:, 0], x.mean(1)], dim=1)  # [B, 2 D]
    return x.mean((1, 2) if channels_last else (2, 3))


Stages = Sequence[tuple[str, Sequence[Link]]]
"""Cut by cut, from ``pixels`` on: the name of the cut and the links from there to the next."""


def stages_of(first: Sequence[Link], blocks: Sequence[Sequence[Link]], embed: Sequence[Link] = ()) -> Stages:
    """Name the cuts of a network.

    Args:
        first: links before the first block; with ``embed`` given, those after it.
        blocks: links of each block; those after the last block belong to it.
        embed: links of the first convolution alone, where it can be cut off.
    """
    start = [(PIXELS, embed), (EMBED, first)] if embed else [(PIXELS, first)]
    return [*start, *((block(i), links) for i, links in enumerate(blocks))]


def left_over(network: nn.Module, stages: Stages, head: str | None) -> tuple[str, ...]:
    """Return the names of the parameters that no link and not the classifier owns."""
    things = [thing for _, links in stages for link in links for thing in link.modules(network)]
    owned = {id(parameter) for thing in things for parameter in _parameters(thing)}
    if head is not None:
        owned |= {id(parameter) for parameter in network.get_submodule(head).parameters()}
    return tuple(name for name, parameter in network.named_parameters() if id(parameter) not in owned)


def _parameters(thing: nn.Module | nn.Parameter) -> list[nn.Parameter]:
    return [thing] if isinstance(thing, nn.Parameter) else list(thing.parameters())


class ChainBackbone(Backbone):
    """A network cut into stages of links.

    Args:
        stages: the links between each cut and the next.
        classifier: dotted name of the network's own last linear layer, or None.
        published: figures known of the weights, such as ``{"top1": 0.6976, "source": "..."}``.

    The other arguments are those of :class:`Backbone`.
    """

    def __init__(
        self,
        name: str,
        module: nn.Module,
        preprocess: Preprocess,
        stages: Stages,
        feature_dim: int,
        *,
        classifier: str | None = None,
        text: TextTower | None = None,
        classes: Sequence[str] = (),
        weights: str = "random",
        published: Mapping[str, Any] | None = None,
    ) -> None:
        cuts = [cut for cut, _ in stages] + [FEATURES]
        super().__init__(
            name, module, preprocess, cuts, feature_dim, text=text, classes=classes, weights=weights, published=published
        )
        self.classifier = classifier
        self._links = [tuple(links) for _, links in stages]

    def _step(self, index: int, x: Tensor) -> Tensor:
        for link in self._links[index]:
            x = link(self.module, x)
        return x

    def before(self, cut: str) -> tuple[str, ...]:
        if cut not in BESIDE or not self.layers:
            return super().before(cut)
        last = self.layers - 1 if cut == TOKENS else 0
        return (*self.cuts[: self.index(block(last)) + 1], cut)

    def run(self, x: Tensor, start: str = PIXELS, stop: str = FEATURES) -> Tensor:
        if stop in BESIDE and self.layers and start != stop:
            return self.taps(x, [stop], start)[stop]
        return x if start == stop else super().run(x, start, stop)

    def taps(self, x: Tensor, cuts: Iterable[str], start: str = PIXELS) -> dict[str, Tensor]:
        wanted = list(cuts)
        beside = [cut for cut in BESIDE if cut in wanted]
        if not beside or not self.layers:
            return super().taps(x, wanted, start)
        blocks = [block(layer) for layer in range(self.layers)]
        chain = {cut for cut in wanted if cut not in BESIDE} | {FEATURES for cut in beside if cut == POOLED}
        needed = blocks[-1:] if beside == [TOKENS] else blocks
        found = super().taps(x, {*chain, *needed}, start)
        last = self.links(blocks[-1])[0](self.module, found[blocks[-1]])
        every = [*(found[cut] for cut in needed), last]
        if TOKENS in beside:
            found[TOKENS] = last
        if LADDER in beside:
            found[LADDER] = torch.stack(every, dim=1)
        if POOLED in beside:
            channels_last = getattr(self.module, "output_fmt", "") == "NHWC"
            found[POOLED] = torch.cat([*(pooled(each, channels_last) for each in every), found[FEATURES]], dim=1)
        return {cut: found[cut] for cut in wanted}

    def end(self, x: Tensor) -> Tensor:
        """Map what the last block gives to the features [B, D]."""
        last = block(self.layers - 1)
        for link in self.links(last)[1:]:
            x = link(self.module, x)
        return super().run(x, self.cuts[self.index(last) + 1])

    def links(self, cut: str) -> tuple[Link, ...]:
        """Return the links between ``cut`` and the next one; none after ``features``."""
        index = self.index(cut)
        return self._links[index] if index < len(self._links) else ()

    def stage_modules(self, cut: str) -> list[nn.Module | nn.Parameter]:
        """Return what is learned between ``cut`` and the next one; nothing for ``features``, which is followed by the head."""
        return [thing for link in self.links(cut) for thing in link.modules(self.module)]

    def head(self, features: Tensor) -> Tensor | None:
        """Return the logits [B, K] of the network's own classifier, or None where it has none."""
        if self.classifier is None:
            return None
        return classify(self.module.get_submodule(self.classifier), features)
