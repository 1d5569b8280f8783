"""What is said about each picture: questions, the words that answer them, and the templates around the words.

A question is a list of answers that exclude each other, and each answer is a list of words that mean the same. Every
step writes one caption for each answer, from a random word and a random template, and asks the picture to find the one
that is true of it. The 110 names are asked three times over: within CIFAR-10, within CIFAR-100, and all together.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import torch
from torch import Tensor

from coldframe.recipes.pocket.colours import PALETTE
from coldframe.recipes.pocket.corpus import CLASSES, COARSE, NAMES
from coldframe.recipes.pocket.words import ALIVE, ALSO, COARSE_WORDS, KINDS, LIVING, ORIGIN, PETS, SHADES, places, said_of

OBJECT_TEMPLATES = (
    "This is a photo of a {}",
    "a photo of a {}",
    "a photo of the {}",
    "a picture of a {}",
    "an image of a {}",
    "This is an image of a {}",
    "This is a picture of a {}",
    "a small photo of a {}",
    "a blurry photo of a {}",
    "a low resolution photo of a {}",
    "a good photo of a {}",
    "a photo of one {}",
    "this image shows a {}",
    "the object in this image is a {}",
    "This image displays a {}",
    "an example of a {}",
    "{}",
    "a {}",
    "the {}",
)
QUALITY_TEMPLATES = (
    "This image displays an object that is {}",
    "this image shows an object that is {}",
    "This is a photo of something {}",
    "a photo of something {}",
    "an object that is {}",
    "a picture of something that is {}",
    "the object in this image is {}",
    "{}",
    "something {}",
)
COLOUR_TEMPLATES = (
    "This is an image mostly coloured {}",
    "This is an image mostly colored {}",
    "an image mostly coloured {}",
    "a mostly {} image",
    "a {} picture",
    "a photo in which most is {}",
    "this image is mostly {}",
    "a picture with a lot of {}",
    "{}",
    "the colour {}",
    "This is a {} image",
)
SHARED = 0.1
"""Share of captions whose template comes from another question's list, so that no template belongs to one question."""


@dataclass(frozen=True)
class Question:
    """Answers that exclude each other.

    Args:
        name: for the log.
        answers: for each answer, the words that mean it.
        templates: the sentences around the words.
        weight: share of this question in the loss.
        target: which answer is true of each of the 110 classes; -1 where the question is not asked. None where the
            pixels answer.
    """

    name: str
    answers: tuple[tuple[str, ...], ...]
    templates: tuple[str, ...]
    weight: float
    target: tuple[int, ...] | None

    def captions(self, draw: random.Random) -> list[str]:
        """Return one caption for each answer; all share one template half of the time."""
        together = draw.choice(self.templates) if draw.random() < 0.5 else None
        texts = []
        for words in self.answers:
            word = words[0] if draw.random() < 0.4 else draw.choice(words)
            texts.append((together or self._template(draw)).format(word))
        return texts

    def _template(self, draw: random.Random) -> str:
        if draw.random() < SHARED:
            return draw.choice(OBJECT_TEMPLATES + QUALITY_TEMPLATES)
        return draw.choice(self.templates)


Groups = tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]


def questions() -> list[Question]:
    """Return what is asked, the two questions about the class first."""
    every = tuple(range(len(NAMES)))
    return [
        Question("class", tuple((name,) for name in NAMES), OBJECT_TEMPLATES, 0.5, every),
        Question("synonym", tuple(said_of(name) for name in NAMES), OBJECT_TEMPLATES, 0.5, every),
        _asked("coarse", tuple((COARSE_WORDS[name], members) for name, members in COARSE.items()), OBJECT_TEMPLATES, 0.15),
        _asked("kind", KINDS, OBJECT_TEMPLATES, 0.15),
        _asked("living", LIVING, OBJECT_TEMPLATES + QUALITY_TEMPLATES, 0.1),
        _asked("alive", ALIVE, OBJECT_TEMPLATES + QUALITY_TEMPLATES, 0.05),
        _asked("origin", ORIGIN, QUALITY_TEMPLATES, 0.15),
        _asked("pet", PETS, OBJECT_TEMPLATES, 0.05),
        Question("channel", (("red",), ("green",), ("blue",)), COLOUR_TEMPLATES, 0.15, None),
        Question("colour", tuple(SHADES.get(word, (word,)) for word in PALETTE), COLOUR_TEMPLATES, 0.15, None),
    ]


def _asked(name: str, groups: Groups, templates: tuple[str, ...], weight: float) -> Question:
    target = [-1] * len(NAMES)
    for answer, (_, members) in enumerate(groups):
        for label in places(members):
            target[label] = answer
    return Question(name, tuple(words for words, _ in groups), templates, weight, tuple(target))


@dataclass(frozen=True)
class View:
    """Some captions of a step that exclude each other, as columns of the matrix of logits.

    Args:
        name: for the log.
        columns: where its captions are.
        target: the true column, counted from the first, of each class [110], -1 where it is not asked; None where the
            pixels answer.
        excluded: columns that may be true too, and are left out [110, columns], or None.
        weight: share of the loss.
        labels: the labels that the columns stand for, where they are classes, so that a teacher can answer; else None.
    """

    name: str
    columns: slice
    target: Tensor | None
    excluded: Tensor | None
    weight: float
    labels: slice | None


def views(asked: list[Question], device: torch.device) -> list[View]:
    """Return how the captions of the questions are compared; questions about the class give three views each."""
    result, start = [], 0
    n = len(NAMES)
    excluded = torch.zeros(n, n, dtype=torch.bool)
    for name, others in ALSO.items():
        excluded[places((name,))[0], places(others)] = True
    for question in asked:
        columns = slice(start, start + len(question.answers))
        target = None if question.target is None else torch.tensor(question.target, device=device)
        if question.name in ("class", "synonym") and target is not None:
            for part, labels in (("10", slice(0, len(CLASSES))), ("100", slice(len(CLASSES), n)), ("110", slice(0, n))):
                inside = (target >= labels.start) & (target < labels.stop)
                mine = torch.where(inside, target - labels.start, -1)
                left_out = excluded.to(device) if part == "110" else None
                weight = question.weight * (0.5 if part == "110" else 1.0)
                at = slice(start + labels.start, start + labels.stop)
                result.append(View(f"{question.name} {part}", at, mine, left_out, weight, labels))
        else:
            result.append(View(question.name, columns, target, None, question.weight, None))
        start = columns.stop
    return result


def trained_texts() -> list[str]:
    """Return every word and template that a caption can be made of, for the vocabulary."""
    words = [word for question in questions() for answer in question.answers for word in answer]
    return [*words, *OBJECT_TEMPLATES, *QUALITY_TEMPLATES, *COLOUR_TEMPLATES]
