"""Captions say what is true, and the vocabulary can spell all of them."""

from __future__ import annotations

import random

import numpy as np
import pytest

from coldframe.backbones.pocket import CONTEXT
from coldframe.backbones.words import Words, words_of
from coldframe.recipes.pocket.captions import Question, questions
from coldframe.recipes.pocket.corpus import CLASSES, PALETTE, Pictures
from coldframe.recipes.pocket.vocabulary import vocabulary


@pytest.fixture
def asked() -> dict[str, Question]:
    labels = np.arange(10)
    channel, colour = np.full(10, -1), np.full(10, 4)
    channel[0] = 2
    pixels = np.zeros((10, 3, 4, 4), dtype=np.uint8)
    return {question.name: question for question in questions(Pictures(pixels, labels, channel, colour))}


def test_every_caption_is_spelt_with_trained_words(asked: dict[str, Question]) -> None:
    words = Words(*vocabulary(), CONTEXT)
    draw = random.Random(0)
    texts = [text for _ in range(200) for question in asked.values() for text in question.captions(draw)]
    words(texts)
    assert {word for text in texts for word in words.unknown_words(text)} == set()


def test_answers_are_true_of_the_class(asked: dict[str, Question]) -> None:
    for name, class_name, word in (
        ("class", "frog", "frog"),
        ("synonym", "truck", "lorry"),
        ("kind", "ship", "boat"),
        ("kind", "horse", "mammal"),
        ("living", "airplane", "machine"),
        ("origin", "dog", "from-nature"),
        ("origin", "automobile", "human-made"),
        ("pet", "cat", "pet"),
    ):
        question = asked[name]
        assert word in question.answers[int(question.target[CLASSES.index(class_name)])], (name, class_name)


def test_a_question_that_does_not_apply_is_not_asked(asked: dict[str, Question]) -> None:
    assert asked["pet"].target[CLASSES.index("ship")] == -1
    assert asked["channel"].target.tolist() == [2, *[-1] * 9]
    assert asked["channel"].answers[2] == ("blue",)
    assert list(PALETTE)[4] in asked["colour"].answers[4]


def test_captions_repeat_with_the_same_draw_and_differ_with_another(asked: dict[str, Question]) -> None:
    question = asked["synonym"]
    assert question.captions(random.Random("0:1")) == question.captions(random.Random("0:1"))
    assert question.captions(random.Random("0:1")) != question.captions(random.Random("0:2"))


def test_the_course_s_templates_are_known() -> None:
    trained = set(vocabulary()[0])
    for text in (
        "This is a photo of a airplane",
        "This is an image mostly coloured red",
        "This image displays an object that is human-made",
        "This image displays an object that is from-nature",
    ):
        assert set(words_of(text)) <= trained


def test_no_word_is_listed_twice() -> None:
    trained, spelt = vocabulary()
    assert len(set(trained) | set(spelt)) == len(trained) + len(spelt)
    assert {"accordion", "zero", "7", "tulip"} <= set(spelt)
