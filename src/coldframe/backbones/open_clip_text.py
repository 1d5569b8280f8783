"""open_clip's text towers: from texts, from token ids, and from word embeddings, no further than an output needs.

A causal tower lets no position see a later one. So positions after the last one that is read need not run; positions
that are the same in every row run once for all rows; and the last block runs for the position that is read alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from coldframe.errors import ModelError

Tokenizer = Callable[[list[str]], Tensor]


class OpenClipText:
    """The text tower of an open_clip model.

    Args:
        model: the whole open_clip model.
        tokenizer: maps K texts to token ids [K, context_length].

    A tokenizer that cannot spell every word has a method ``unknown_words(text)``; CLIP's byte pairs spell all.
    """

    def __init__(self, model: nn.Module, tokenizer: Tokenizer) -> None:
        self.model = model
        self.tokenizer = tokenizer
        own: Any = getattr(model, "context_length", None) or getattr(tokenizer, "context_length", 77)
        self.context_length = int(own)

    def tokenize(self, texts: Sequence[str]) -> Tensor:
        """Return token ids [K, context_length], int64, where the model is."""
        return self.tokenizer(list(texts)).to(next(self.model.parameters()).device)

    def cut(self, texts: Sequence[str]) -> list[str]:
        """Return those of the texts that are longer than ``context_length`` tokens: the tower reads their start alone."""
        wide: Tensor = cast(Any, self.tokenizer)(list(texts), 4 * self.context_length)
        rest = wide[:, self.context_length :]  # all padding behind a text that fits
        return [text for text, row in zip(texts, rest, strict=True) if not bool((row == row[-1]).all())]

    def encode(self, tokens: Tensor) -> Tensor:
        """Return text features before normalisation [K, D]."""
        features: Tensor = self.model.encode_text(tokens, normalize=False)  # type: ignore[operator]
        return features

    def unknown_words(self, text: str) -> list[str]:
        """Return the words of ``text`` that the vocabulary cannot spell."""
        unknown: Callable[[str], list[str]] | None = getattr(self.tokenizer, "unknown_words", None)
        return unknown(text) if unknown is not None else []

    @property
    def causal(self) -> bool:
        """Whether no position sees a later one."""
        return self._tower.attn_mask is not None

    def ends(self, tokens: Tensor) -> Tensor:
        """Return the position that the output is read at [K], of token ids [K, context_length]."""
        tower = self._tower
        kind, end = _pool(tower)
        if kind == "argmax":
            return tokens.argmax(-1)
        if kind == "eos":
            return (tokens == end).int().argmax(-1)
        return torch.full_like(tokens[:, 0], tokens.shape[1] - 1 if kind == "last" else 0)

    def embed_tokens(self, tokens: Tensor) -> Tensor:
        """Return word embeddings without positions, token ids [K, T] -> [K, T, D]."""
        embedded: Tensor = self._tower.token_embedding(tokens)
        return embedded

    def encode_embeddings(self, embeddings: Tensor, ends: Tensor, shared: int = 0) -> Tensor:
        """Return text features before normalisation of word embeddings; ``encode`` of token ids, when they are theirs.

        Args:
            embeddings: word embeddings without positions [K, T, D]; T may be less than ``context_length`` in a causal tower.
            ends: the position that each row's output is read at [K].
            shared: how many of the first positions are the same in all rows, and come before every end.

        Returns:
            Features [K, D].

        Raises:
            ModelError: the tower is not of open_clip's own kind.
        """
        tower = self._tower
        x = embeddings.to(tower.transformer.get_cast_dtype())
        if self.causal:
            x = x[:, : int(ends.max()) + 1]
        x = x + tower.positional_embedding[: x.shape[1]].to(x.dtype)  # [K, T, D]
        if self.causal and all(_plain(block) for block in tower.transformer.resblocks):
            x = _read(tower.transformer.resblocks, x, ends, shared)  # [K, D]
        else:
            mask = tower.attn_mask[: x.shape[1], : x.shape[1]] if self.causal else None
            x = tower.transformer(x, attn_mask=mask)[torch.arange(len(x), device=x.device), ends]
        x = tower.ln_final(x)
        projection = tower.text_projection
        if projection is not None:
            x = projection(x) if isinstance(projection, nn.Linear) else x @ projection
        features: Tensor = x
        return features

    @property
    def _tower(self) -> Any:
        """The module that holds the parts of the text tower. Raises :class:`ModelError` where they are not open_clip's own."""
        tower: Any = getattr(self.model, "text", self.model)
        parts = ("token_embedding", "positional_embedding", "transformer", "ln_final", "text_projection", "attn_mask")
        own = all(hasattr(tower, part) for part in parts)
        if not own or getattr(tower, "cls_emb", None) is not None or getattr(tower, "use_pad_mask", False) or (
            _pool(tower)[0] == "none"
        ):  # fmt: skip
            raise ModelError(
                f"expected a text tower of open_clip's own kind, read at one token, found {type(tower).__name__}; text "
                "prompts need word embeddings: choose a model such as open_clip:ViT-B-32/openai, or another method"
            )
        return tower


def _pool(tower: Any) -> tuple[str, int]:
    """Return how the output is read, and the id of the end; open_clip's two classes name them differently."""
    if hasattr(tower, "text_pool_type"):
        return tower.text_pool_type, tower.text_eos_id
    return tower.pool_type, tower.eos_id


def _plain(block: Any) -> bool:
    """Whether a block is x + ls_1(attention(ln_1(x))), then x + ls_2(mlp(ln_2(x))), with torch's attention."""
    parts = ("ln_1", "ls_1", "ln_2", "ls_2", "mlp")
    attention = getattr(block, "attn", None)
    return (
        isinstance(attention, nn.MultiheadAttention)
        and attention.in_proj_weight is not None
        and attention.bias_k is None
        and all(hasattr(block, part) for part in parts)
        and not hasattr(block, "ln_1_kv")
    )


def _read(blocks: Sequence[Any], x: Tensor, ends: Tensor, shared: int) -> Tensor:
    """Run causal blocks and return the output at ``ends`` [K, D]; the first ``shared`` positions run once for all rows."""
    places = torch.arange(x.shape[1], device=x.device)
    head, tail = x[:1, :shared], x[:, shared:]  # [1, P, D], [K, S, D]
    sees = places <= places[shared:, None]  # [S, T]
    for number, block in enumerate(blocks):
        last = number == len(blocks) - 1
        normed = block.ln_1(tail)
        keys, values = _heads(block.attn, normed, 1), _heads(block.attn, normed, 2)  # [K, heads, S, d]
        if shared:
            before = block.ln_1(head)
            own = _heads(block.attn, before, 1), _heads(block.attn, before, 2)  # [1, heads, P, d]
            keys, values = (
                torch.cat([old.expand(len(x), -1, -1, -1), new], dim=2) for old, new in zip(own, (keys, values), strict=True)
            )
            if not last:
                head = _finish(block, head, _heads(block.attn, before, 0), *own, sees=None)
        if last:
            rows = torch.arange(len(x), device=x.device)
            tail, normed = tail[rows, ends - shared, None], normed[rows, ends - shared, None]  # [K, 1, D]
            sees = (places <= ends[:, None])[:, None, None]  # [K, 1, 1, T]
        tail = _finish(block, tail, _heads(block.attn, normed, 0), keys, values, sees)
    return tail[:, 0]


def _heads(attention: nn.MultiheadAttention, normed: Tensor, which: int) -> Tensor:
    """Return queries (0), keys (1) or values (2) of an attention [K, heads, T, d]."""
    weight, bias = attention.in_proj_weight.chunk(3)[which], attention.in_proj_bias.chunk(3)[which]
    y = functional.linear(normed, weight, bias)  # [K, T, D]
    return y.view(*y.shape[:2], attention.num_heads, -1).transpose(1, 2)


def _finish(block: Any, x: Tensor, queries: Tensor, keys: Tensor, values: Tensor, sees: Tensor | None) -> Tensor:
    """Return a block's output for positions ``x``; without ``sees`` they are one causal sequence of their own."""
    y = functional.scaled_dot_product_attention(queries, keys, values, attn_mask=sees, is_causal=sees is None)
    x = x + block.ls_1(block.attn.out_proj(y.transpose(1, 2).flatten(2)))
    out: Tensor = x + block.ls_2(block.mlp(block.ln_2(x)))
    return out
