"""Pocket's own vocabulary: whole words, listed in ``weights/pocket.json``; a word that is not listed is an error."""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch
from torch import Tensor

from coldframe.errors import InputError, nearest

PAD, START = 0, 1
_WORD = re.compile(r"[^\W_]+")


def words_of(text: str) -> list[str]:
    """Return the words of a text in lower case; everything but letters and digits separates them.

    Example:
        >>> words_of("This is a photo of a fire-truck.")
        ['this', 'is', 'a', 'photo', 'of', 'a', 'fire', 'truck']
    """
    return _WORD.findall(text.lower())


class Words:
    """Texts to token ids: start, one id a word, end, then zeros.

    Args:
        trained: words that the model was trained with.
        spelt: further words that it has a place for and has never seen, such as the class names of other data sets.
        context_length: ids in a row, start and end included.

    The end has the highest id, which is where a CLIP text tower reads its output.
    """

    def __init__(self, trained: Sequence[str], spelt: Sequence[str], context_length: int) -> None:
        self.trained = frozenset(trained)
        self.ids = {word: 2 + i for i, word in enumerate((*trained, *spelt))}
        self.end = 2 + len(self.ids)
        self.context_length = context_length

    @property
    def vocab_size(self) -> int:
        """Number of ids."""
        return self.end + 1

    def unknown_words(self, text: str) -> list[str]:
        """Return the words of ``text`` that the model was not trained with, once each."""
        return list(dict.fromkeys(word for word in words_of(text) if word not in self.trained))

    def __call__(self, texts: str | Sequence[str], context_length: int | None = None) -> Tensor:
        """Return ids [K, context_length], int64.

        Raises:
            InputError: a word is not in the vocabulary, or a text is longer than the context.
        """
        texts = [texts] if isinstance(texts, str) else list(texts)
        length = context_length or self.context_length
        result = torch.full((len(texts), length), PAD, dtype=torch.int64)
        for row, text in enumerate(texts):
            words = words_of(text)
            for word in words:
                if word not in self.ids:
                    raise InputError(
                        f"pocket has no word {word!r} (in {text!r}){nearest(word, self.ids)}; use words of its vocabulary, "
                        "a method that reads no texts, or a larger model"
                    )
            if len(words) > length - 2:
                raise InputError(f"expected at most {length - 2} words, found {len(words)} in {text!r}; shorten the text")
            ids = [START, *(self.ids[word] for word in words), self.end]
            result[row, : len(ids)] = torch.tensor(ids)
        return result
