"""Texts for class names: templates, named ensembles, texts of each class from a JSON file; class embeddings made once."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from coldframe.backbones.base import Backbone
from coldframe.errors import InputError, TextWarning, nearest
from coldframe.files.reading import loads, read

PHOTO = "This is a photo of a {}"
"""The template of Bahng et al. (2022) and of the founding course, without a full stop."""

Prior = Literal["auto", "text", "none"]
"""Whether texts count: ``"text"`` they do, ``"none"`` they do not, ``"auto"`` where the model knows the class names' words."""

ENSEMBLES: dict[str, tuple[str, ...]] = {
    "photo": (PHOTO,),
    "name": ("{}",),
    "clip-7": (
        "itap of a {}.",
        "a bad photo of the {}.",
        "a origami {}.",
        "a photo of the large {}.",
        "a {} in a video game.",
        "art of the {}.",
        "a photo of the small {}.",
    ),
}
"""Named templates. ``clip-7`` is the subset that CLIP's authors chose for ImageNet."""


def resolve(template: str | Sequence[str]) -> tuple[str, ...]:
    """Return templates from one text, several, or the name of an ensemble; each has ``{}`` or ``{c}`` for the class.

    Raises:
        InputError: a template has no place for the class.
    """
    if isinstance(template, str):
        template = ENSEMBLES.get(template, (template,))
    if not template:
        raise InputError("expected at least one template, found none")
    for text in template:
        if "{}" not in text and "{c}" not in text:
            raise InputError(
                f"expected a template with {{}} in the place of the class, or a .json file of texts by class, found {text!r}"
            )
    return tuple(text.replace("{c}", "{}") for text in template)


def kept(template: str | Sequence[str]) -> str | list[str]:
    """Return a template as a saved run writes it, after it was looked at; of a JSON file what is in it.

    The file maps each class to its texts: ``{"cat": ["a cat with whiskers", "a purring {}"], "dog": "a barking dog"}``.
    """
    if isinstance(template, str) and template.endswith(".json"):
        found = read(Path(template), dict[str, str | list[str]], remedy="correct the file")
        template = json.dumps(_by_class(found), ensure_ascii=False)
    if not by_class(template):
        resolve(template)
    return template if isinstance(template, str) else list(template)


def _by_class(found: dict[str, str | list[str]]) -> dict[str, list[str]]:
    each = {name: [texts] if isinstance(texts, str) else texts for name, texts in found.items()}
    empty = next((name for name, texts in each.items() if not texts or not all(text.strip() for text in texts)), None)
    if empty is not None or not each:
        raise InputError(f"expected texts for every class of the prompts, found none for {empty!r}; write some")
    return each


def by_class(template: str | Sequence[str]) -> bool:
    """Whether a template, as :func:`kept` returns it, has texts of each class's own."""
    return _own(template) is not None


def _own(template: str | Sequence[str]) -> dict[str, list[str]] | None:
    """Return texts by class where a template is such, as :func:`kept` returns it; None for others."""
    if not isinstance(template, str) or not template.startswith("{\""):
        return None
    return _by_class(loads(template, dict[str, str | list[str]], "the prompts by class", remedy="correct them"))


def texts_of(template: str | Sequence[str], classes: Sequence[str]) -> list[list[str]]:
    """Return the texts of each class: all templates with its name, or its own of the prompts by class.

    Raises:
        InputError: the prompts have none for a class.
    """
    own = _own(template)
    if own is None:
        return [[fill(text, name) for text in resolve(template)] for name in classes]
    own = {_loose(name): texts for name, texts in own.items()}
    missing = [name for name in classes if _loose(name) not in own]
    if missing:
        name, more = missing[0], f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise InputError(f"expected texts for the class {name!r}{more} in the prompts, found none{nearest(name, own)}")
    return [[fill(text.replace("{c}", "{}"), name) for text in own[_loose(name)]] for name in classes]


def _loose(name: str) -> str:
    """Return a class name as readers of folders and files spell it alike: small letters, no marks between words."""
    return " ".join(re.sub(r"[-_\s]+", " ", name).lower().split())


def fill(template: str, name: str) -> str:
    """Return the text of one class: ``_`` becomes a space, white space is single."""
    return template.replace("{}", re.sub(r"\s+", " ", name.replace("_", " ")).strip())


def unknown_words(backbone: Backbone, classes: Sequence[str]) -> list[str]:
    """Return the words of class names that the text tower was not trained with, once each; none without a text tower."""
    if backbone.text is None:
        return []
    return list(dict.fromkeys(word for name in classes for word in backbone.text.unknown_words(fill("{}", name))))


def known(backbone: Backbone, classes: Sequence[str]) -> bool:
    """Whether a text tower knows the words of all class names, and reads each to its end."""
    if backbone.text is None or unknown_words(backbone, classes):
        return False
    return not backbone.text.cut([fill(PHOTO, name) for name in classes])


def check_prior(backbone: Backbone, prior: Prior) -> None:
    """Refuse texts that a backbone cannot read.

    Raises:
        InputError: ``"text"`` without a text tower.
    """
    if prior == "text" and backbone.text is None:
        raise InputError(f"{backbone.name} has no text tower; use prior none or auto")


def check_lengths(backbone: Backbone, texts: Sequence[str], classes: Sequence[str]) -> None:
    """Refuse a text of which the tower would read the start alone.

    Raises:
        InputError: one is longer than the context; the sentence names its class.
    """
    if backbone.text is None or not (long := backbone.text.cut(texts)):
        return
    name = classes[list(texts).index(long[0])]
    more = f" (and {len(long) - 1} more)" if len(long) > 1 else ""
    shown = long[0] if len(long[0]) <= 60 else long[0][:57] + "..."
    raise InputError(
        f"expected texts of at most {backbone.text.context_length} tokens for {backbone.name}, found a longer one for the "
        f"class {name!r}{more}: {shown!r}; shorten it"
    )


def warn_of(backbone: Backbone, texts: Sequence[str]) -> None:
    """Warn, by :class:`coldframe.errors.TextWarning`, of words that a model was not trained with."""
    if backbone.text is None:
        return
    words = list(dict.fromkeys(word for text in texts for word in backbone.text.unknown_words(text)))
    if words:
        warnings.warn(
            f"{backbone.name} was not trained with the {_some(words, 'word')}: its answers to such texts are chance; "
            "use words that it knows, a method that learns from labels, or a larger model", TextWarning, stacklevel=3,
        )  # fmt: skip


def _some(names: Sequence[str], what: str) -> str:
    """Return the first three names and how many there are besides."""
    shown = ", ".join(repr(name) for name in names[:3])
    return f"{what}{'s' if len(names) > 1 else ''} {shown}" + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def check_text(backbone: Backbone) -> None:
    """Raise :class:`InputError` for a model without a text tower."""
    if backbone.text is None:
        raise InputError(
            f"{backbone.name} has no text tower, so it knows no class by its name; "
            "choose an open_clip model or pocket, or a method that learns from labels"
        )


@torch.no_grad()
def class_embeddings(backbone: Backbone, classes: Sequence[str], template: str | Sequence[str]) -> Tensor:
    """Return unit class embeddings [K, D]: the mean over a class's texts of unit text features, made unit again.

    Raises:
        InputError: the backbone has no text tower, the vocabulary lacks a word, or a text is longer than the tower reads.
    """
    check_text(backbone)
    each = texts_of(template, classes)
    if not by_class(template):
        columns = [_unit(backbone, [texts[number] for texts in each], classes) for number in range(len(each[0]))]
        total = columns[0]
        for column in columns[1:]:
            total = total + column
        return functional.normalize(total, dim=-1)
    owners = [name for name, texts in zip(classes, each, strict=True) for _ in texts]
    unit = _unit(backbone, [text for texts in each for text in texts], owners)
    parts = torch.split(unit, [len(texts) for texts in each])
    return functional.normalize(torch.stack([part.mean(0) for part in parts]), dim=-1)


def _unit(backbone: Backbone, texts: list[str], classes: Sequence[str]) -> Tensor:
    """Return unit text features [N, D] of texts, each of a class."""
    assert backbone.text is not None
    tokens = backbone.text.tokenize(texts)
    check_lengths(backbone, texts, classes)
    warn_of(backbone, texts)
    parts = torch.split(tokens.to(backbone.device), 256)
    return functional.normalize(torch.cat([backbone.text.encode(part).float() for part in parts]), dim=-1)
