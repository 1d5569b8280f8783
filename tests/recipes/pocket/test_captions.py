"""Captions say what is true, and the vocabulary can spell all of them."""

from __future__ import annotations

import random

import pytest
import torch
from drawn import same_text

from coldframe.backbones.pocket import CONTEXT
from coldframe.backbones.words import Words, words_of
from coldframe.recipes.pocket.captions import Question, questions, trained_texts, views
from coldframe.recipes.pocket.colours import PALETTE
from coldframe.recipes.pocket.corpus import CLASSES, COARSE, NAMES
from coldframe.recipes.pocket.vocabulary import vocabulary
from coldframe.recipes.pocket.words import SYNONYMS, said_of


@pytest.fixture
def asked() -> dict[str, Question]:
    return {question.name: question for question in questions()}


def test_every_caption_is_spelt_with_trained_words(asked: dict[str, Question]) -> None:
    words = Words(*vocabulary(), CONTEXT)
    draw = random.Random(0)
    texts = [text for _ in range(20) for question in asked.values() for text in question.captions(draw)]
    words(texts)
    assert {word for text in texts for word in words.unknown_words(text)} == set()


@pytest.mark.parametrize(
    ("name", "class_name", "word"),
    [
        ("class", "frog", "frog"),
        ("class", "streetcar", "streetcar"),
        ("synonym", "truck", "lorry"),
        ("synonym", "couch", "sofa"),
        ("coarse", "trout", "fish"),
        ("coarse", "willow tree", "tree"),
        ("kind", "ship", "boat"),
        ("kind", "horse", "mammal"),
        ("kind", "whale", "mammal"),
        ("kind", "orchid", "flower"),
        ("living", "airplane", "vehicle"),
        ("living", "oak tree", "plant"),
        ("living", "lamp", "household object"),
        ("alive", "woman", "alive"),
        ("origin", "dog", "from-nature"),
        ("origin", "automobile", "human-made"),
        ("origin", "castle", "human-made"),
        ("pet", "hamster", "pet"),
        ("pet", "cattle", "farm animal"),
    ],
)
def test_answers_are_true_of_the_class(asked: dict[str, Question], name: str, class_name: str, word: str) -> None:
    target = asked[name].target
    assert target is not None
    assert word in asked[name].answers[target[NAMES.index(class_name)]]


def test_a_question_that_does_not_apply_is_not_asked(asked: dict[str, Question]) -> None:
    pet, coarse = asked["pet"].target, asked["coarse"].target
    assert pet is not None and coarse is not None
    assert pet[NAMES.index("ship")] == -1
    assert coarse[: len(CLASSES)] == (-1,) * len(CLASSES) and min(coarse[len(CLASSES) :]) == 0
    assert asked["channel"].target is None and asked["channel"].answers[2] == ("blue",)
    assert list(PALETTE)[4] in asked["colour"].answers[4]


def test_every_class_is_listed_once_and_has_words_of_its_own() -> None:
    assert len(NAMES) == len(set(NAMES)) == 110
    assert [len(members) for members in COARSE.values()] == [5] * 20
    assert set(SYNONYMS) == set(NAMES)
    said = [word for name in NAMES for word in said_of(name)]
    assert len(said) == len(set(said))


def test_names_are_compared_within_each_data_set_and_all_together() -> None:
    found = {view.name: view for view in views(questions(), torch.device("cpu"))}
    ten, hundred, all_of_them = (found[f"class {name}"] for name in ("10", "100", "110"))
    assert (ten.columns, hundred.columns, all_of_them.columns) == (slice(0, 10), slice(10, 110), slice(0, 110))
    assert ten.target is not None and hundred.target is not None and all_of_them.target is not None
    pickup, lion = NAMES.index("pickup truck"), NAMES.index("lion")
    assert ten.target[pickup] == -1 and hundred.target[pickup] == pickup - 10 and all_of_them.target[pickup] == pickup
    assert all_of_them.excluded is not None
    assert all_of_them.excluded[pickup].nonzero()[:, 0].tolist() == [CLASSES.index("automobile"), CLASSES.index("truck")]
    assert all_of_them.excluded[lion].nonzero()[:, 0].tolist() == [CLASSES.index("cat")]
    assert not all_of_them.excluded.diagonal().any()


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
    assert {"accordion", "zero", "7", "satellite"} <= set(spelt)


def test_questions_and_views_are_the_ones_they_were(asked: dict[str, Question]) -> None:
    lines = [
        f"{q.name} {len(q.answers)} answers, {len(q.templates)} templates, weight {q.weight}, {q.target}"
        for q in asked.values()
    ]
    for view in views(list(asked.values()), torch.device("cpu")):
        told = None if view.target is None else (int((view.target >= 0).sum()), int(view.target.sum()))
        left = None if view.excluded is None else int(view.excluded.sum())
        lines.append(f"{view.name} {view.columns} weight {view.weight:g} labels {view.labels} target {told} left out {left}")
    lines += asked["kind"].captions(random.Random(3))
    lines += asked["synonym"].captions(random.Random(4))[:12]
    same_text(__file__, "questions", "\n".join(lines) + "\n")
    texts = trained_texts()
    assert len(texts) == sum(len(answer) for q in asked.values() for answer in q.answers) + 19 + 9 + 11
