"""The vocabulary of whole words."""

from __future__ import annotations

import pytest

from coldframe.backbones.words import PAD, START, Words, words_of
from coldframe.errors import InputError


@pytest.fixture
def words() -> Words:
    return Words(["a", "photo", "of", "human", "made"], ["zebra"], 8)


def test_separators_split_and_case_is_lost() -> None:
    assert words_of("A Photo-of_human\tmade!") == ["a", "photo", "of", "human", "made"]


def test_the_end_has_the_highest_id(words: Words) -> None:
    ids = words(["a photo", "a photo of a zebra"])
    assert ids.shape == (2, 8)
    assert ids[0].tolist() == [1, 2, 3, words.end, 0, 0, 0, 0] and (START, PAD) == (1, 0)
    assert ids.argmax(dim=1).tolist() == [3, 6]
    assert words.vocab_size == words.end + 1 == 9


def test_a_word_that_was_never_trained_is_told_and_spelt(words: Words) -> None:
    assert words.unknown_words("a photo of a zebra, zebra and okapi") == ["zebra", "and", "okapi"]
    assert words(["zebra"])[0, 1] == 7


def test_a_word_outside_the_vocabulary_is_one_sentence(words: Words) -> None:
    with pytest.raises(InputError, match=r"no word 'fotos'.*did you mean 'photo'"):
        words(["a fotos"])


def test_a_text_that_is_too_long(words: Words) -> None:
    with pytest.raises(InputError, match="at most 6 words, found 7"):
        words(["a a a a a a a"])
