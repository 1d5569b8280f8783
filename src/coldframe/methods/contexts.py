"""Where learned context stands among the tokens of a class name's text, and how far the text tower has to run."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from coldframe.backbones.base import Backbone, TextTower
from coldframe.errors import InputError, TextWarning

Position = Literal["end", "middle", "front"]
"""Where the class name stands: at the end, after the context; in its middle; or in front of it."""


@dataclass(frozen=True)
class Prompts:
    """K prompts with places for n context vectors.

    Args:
        names: word embeddings of the names' texts [K, T, D].
        order: which of [names, context] stands at each position [K, L]; the context's numbers follow those of the names.
        ends: position that is read [K].
        shared: how many of the first positions are the same in all prompts.
        start: how many of them come before any context.
    """

    names: Tensor
    order: Tensor
    ends: Tensor
    shared: int
    start: int = 0

    def embed(self, context: Tensor) -> Tensor:
        """Return word embeddings [K, L, D] with a context [n, D] for all or [K, n, D] for each in its place."""
        context = context.to(self.names.dtype).expand(len(self.names), *context.shape[-2:])  # [K, n, D]
        parts = torch.cat([self.names, context], dim=1)  # [K, T + n, D]
        return parts.gather(1, self.order[..., None].expand(-1, -1, parts.shape[-1]))


@torch.no_grad()
def prompts_of(
    text: TextTower, names: Sequence[str], ending: str, count: int, position: Position, class_specific: bool = False
) -> Prompts:
    """Return the prompts of K names with places for ``count`` context vectors.

    Args:
        text: the text tower.
        names: class names as they are spoken.
        ending: what follows the name, such as a full stop.
        count: n.
        position: where the name stands.
        class_specific: whether every prompt has a context of its own, so that only the start is shared.

    Raises:
        InputError: a name leaves no room for the context.
    """
    if unknown := list(dict.fromkeys(word for name in names for word in text.unknown_words(name))):
        shown = ", ".join(repr(word) for word in unknown[:3])
        warnings.warn(
            f"the text tower was not trained with {shown}{' and others' if len(unknown) > 3 else ''}; a context is learned "
            "around these words, and serves no other class of such words", TextWarning, stacklevel=2,
        )  # fmt: skip
    tokens = check_room(text, names, ending, count)  # [K, T]
    frame = Frame.of(text, tokens)
    words = frame.used(text.tokenize(list(names))) - frame.last
    before = {"end": count, "middle": count // 2, "front": 0}[position]
    size, first, rows = tokens.shape[1], frame.first, []
    for row in range(len(names)):
        spoken = list(range(first, int(words[row]))) if position != "end" else []
        context = list(range(size, size + count))
        rest = list(range(first + len(spoken), size))
        rows.append([*range(first), *context[:before], *spoken, *context[before:], *rest][:size])
    order = torch.tensor(rows, device=tokens.device)
    ends = text.ends(torch.cat([tokens, tokens.new_zeros(len(tokens), count)], dim=1).gather(1, order))
    if text.causal:
        order = order[:, : int(ends.max()) + 1]
    shared = first + (0 if class_specific else before)
    start = first if text.causal else 0
    return Prompts(text.embed_tokens(tokens), order, ends, shared if text.causal else 0, start)


def check_room(text: TextTower, names: Sequence[str], ending: str, count: int) -> Tensor:
    """Return the tokens of names with their ending [K, T].

    Raises:
        InputError: one of them leaves no room for ``count`` context vectors.
    """
    tokens = text.tokenize([name + ending for name in names])
    used = Frame.of(text, tokens).used(tokens)
    longest = int(used.max())
    if longest + count > text.context_length:
        name = names[int(used.argmax())]
        raise InputError(
            f"expected prompts of at most {text.context_length} tokens, found {longest + count}: {count} of context and "
            f"{longest} of {name!r} with start and end; take fewer context vectors or a shorter name"
        )
    return tokens


@dataclass(frozen=True)
class Frame:
    """What a tokenizer puts around words.

    Args:
        first: start tokens, 0 or 1.
        last: end tokens that are not the padding, 0 or 1.
        padding: the id that fills a row.
    """

    first: int
    last: int
    padding: int

    @classmethod
    def of(cls, text: TextTower, tokens: Tensor) -> Frame:
        """Find the frame around the texts of ``tokens`` [K, T], none of them empty, from the empty text."""
        empty = text.tokenize([""])[0]
        padding, first = int(empty[-1]), int((tokens[:, 0] == empty[0]).all())
        return cls(first, int((empty != padding).sum()) - first, padding)

    def used(self, tokens: Tensor) -> Tensor:
        """Return how many ids of each row come before its padding [K]."""
        places = torch.arange(1, tokens.shape[1] + 1, device=tokens.device)
        return ((tokens != self.padding) * places).amax(-1)


@torch.no_grad()
def word_embeddings(text: TextTower, words: str) -> Tensor:
    """Return the embeddings of words, without start and end [n, D]."""
    tokens = text.tokenize([words])
    frame = Frame.of(text, tokens)
    return text.embed_tokens(tokens[:, frame.first : int(frame.used(tokens)) - frame.last])[0].float().clone()


def text_of(backbone: Backbone) -> TextTower:
    """Return the text tower. Raises :class:`InputError` where there is none."""
    if backbone.text is None:
        raise InputError(
            f"{backbone.name} has no text tower, so it knows no class by its name; choose an open_clip model or pocket, "
            "or a method that learns from labels"
        )
    return backbone.text
