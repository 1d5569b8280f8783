"""What is said about each picture: questions, the words that answer them, and the templates around the words.

A question is a list of answers that exclude each other, and each answer is a list of words that mean the same. Every
step writes one caption for each answer, from a random word and a random template, and asks the picture to find the one
that is true of it.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coldframe.recipes.pocket.corpus import CLASSES, PALETTE, Pictures

SYNONYMS: dict[str, tuple[str, ...]] = {
    "airplane": ("airplane", "aeroplane", "plane", "aircraft", "jet", "airliner"),
    "automobile": ("automobile", "car", "motorcar", "sedan", "passenger car"),
    "bird": ("bird", "songbird", "feathered bird", "small bird"),
    "cat": ("cat", "kitten", "kitty", "house cat", "domestic cat"),
    "deer": ("deer", "stag", "doe", "elk", "antlered deer"),
    "dog": ("dog", "puppy", "hound", "doggy", "domestic dog"),
    "frog": ("frog", "toad", "tree frog", "small frog"),
    "horse": ("horse", "pony", "stallion", "mare", "foal"),
    "ship": ("ship", "boat", "vessel", "watercraft", "big ship"),
    "truck": ("truck", "lorry", "pickup truck", "fire truck", "big truck"),
}
KINDS: dict[str, tuple[tuple[str, ...], tuple[int, ...]]] = {
    "mammal": (("mammal", "furry animal", "four-legged animal", "mammals"), (3, 4, 5, 7)),
    "flier": (("winged animal", "bird", "birds", "animal with feathers"), (2,)),
    "amphibian": (("amphibian", "cold-blooded animal", "frog", "amphibians"), (6,)),
    "flying machine": (("flying machine", "aircraft", "aircrafts", "machine with wings"), (0,)),
    "water vehicle": (("water vehicle", "boat", "boats", "vehicle on water"), (8,)),
    "road vehicle": (("road vehicle", "motor vehicle", "vehicle with wheels", "land vehicle"), (1, 9)),
}
LIVING = (
    ("animal", "animals", "living creature", "creature", "living thing", "beast", "living being"),
    ("vehicle", "vehicles", "machine", "means of transport", "machinery", "non-living thing", "device"),
)
ORIGIN = (
    ("from-nature", "natural", "from nature", "not human-made", "found in nature", "alive"),
    ("human-made", "artificial", "man-made", "made by humans", "manufactured", "built by people"),
)
PETS = (("pet", "pets", "house pet", "domestic pet"), ("wild animal", "wildlife", "farm animal", "outdoor animal"))
SHADES: dict[str, tuple[str, ...]] = {
    "brown": ("brown", "tan"),
    "purple": ("purple", "violet"),
    "grey": ("grey", "gray"),
    "black": ("black", "dark"),
    "white": ("white", "bright white"),
}
MAN_MADE = (0, 1, 8, 9)
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
        target: which answer is true of each picture [N]; -1 where the question is not asked.
    """

    name: str
    answers: tuple[tuple[str, ...], ...]
    templates: tuple[str, ...]
    weight: float
    target: NDArray[np.int64]

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


def questions(pictures: Pictures) -> list[Question]:
    """Return what is asked about some pictures, with the true answers."""
    labels = pictures.labels

    def of_classes(groups: list[tuple[int, ...]]) -> NDArray[np.int64]:
        table = np.full(len(CLASSES), -1, dtype=np.int64)
        for answer, members in enumerate(groups):
            table[list(members)] = answer
        return table[labels]

    animals = tuple(label for label in range(len(CLASSES)) if label not in MAN_MADE)
    palette = tuple(SHADES.get(word, (word,)) for word in PALETTE)
    kinds = tuple(words for words, _ in KINDS.values())
    members = [group for _, group in KINDS.values()]
    names = tuple((name,) for name in CLASSES)
    synonyms = tuple(SYNONYMS[name] for name in CLASSES)
    channels = (("red",), ("green",), ("blue",))
    return [
        Question("class", names, OBJECT_TEMPLATES, 0.5, labels),
        Question("synonym", synonyms, OBJECT_TEMPLATES, 0.5, labels),
        Question("kind", kinds, OBJECT_TEMPLATES, 0.15, of_classes(members)),
        Question("living", LIVING, OBJECT_TEMPLATES + QUALITY_TEMPLATES, 0.1, of_classes([animals, MAN_MADE])),
        Question("origin", ORIGIN, QUALITY_TEMPLATES, 0.15, of_classes([animals, MAN_MADE])),
        Question("pet", PETS, OBJECT_TEMPLATES, 0.05, of_classes([(3, 5), (2, 4, 6, 7)])),
        Question("channel", channels, COLOUR_TEMPLATES, 0.15, pictures.channel),
        Question("colour", palette, COLOUR_TEMPLATES, 0.15, pictures.colour),
    ]


def trained_texts() -> list[str]:
    """Return every word and template that a caption can be made of, for the vocabulary."""
    words = [w for group in (*SYNONYMS.values(), LIVING[0], LIVING[1], *ORIGIN, *PETS, *SHADES.values()) for w in group]
    words += [w for group, _ in KINDS.values() for w in group]
    return [*words, *PALETTE, *OBJECT_TEMPLATES, *QUALITY_TEMPLATES, *COLOUR_TEMPLATES]
