"""Texts for class names: templates, named ensembles of them, and class embeddings made once."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from coldframe.backbones.base import Backbone
from coldframe.errors import InputError, TextWarning

PHOTO = "This is a photo of a {}"
"""The template of Bahng et al. (2022) and of the founding course, without a full stop."""

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
            raise InputError(f"expected a template with {{}} in the place of the class, found {text!r}")
    return tuple(text.replace("{c}", "{}") for text in template)


def kept(template: str | Sequence[str]) -> str | list[str]:
    """Return a template as a saved run writes it, after :func:`resolve` has looked at it."""
    resolve(template)
    return template if isinstance(template, str) else list(template)


def fill(template: str, name: str) -> str:
    """Return the text of one class: ``_`` becomes a space, white space is single."""
    return template.replace("{}", re.sub(r"\s+", " ", name.replace("_", " ")).strip())


def unknown_words(backbone: Backbone, classes: Sequence[str]) -> list[str]:
    """Return the words of class names that the text tower was not trained with, once each; none without a text tower."""
    if backbone.text is None:
        return []
    return list(dict.fromkeys(word for name in classes for word in backbone.text.unknown_words(fill("{}", name))))


def warn_of(backbone: Backbone, texts: Sequence[str]) -> None:
    """Warn, by :class:`coldframe.errors.TextWarning`, of words that a model was not trained with and of texts it would cut."""
    if backbone.text is None:
        return
    words = list(dict.fromkeys(word for text in texts for word in backbone.text.unknown_words(text)))
    if words:
        warnings.warn(
            f"{backbone.name} was not trained with the {_some(words, 'word')}: its answers to such texts are chance; "
            "use words that it knows, a method that learns from labels, or a larger model", TextWarning, stacklevel=3,
        )  # fmt: skip
    if long := backbone.text.cut(texts):
        warnings.warn(
            f"{backbone.name} reads {backbone.text.context_length} tokens of a text and cuts off the end of the "
            f"{_some([text if len(text) <= 60 else text[:57] + '...' for text in long], 'text')}; use shorter ones",
            TextWarning, stacklevel=3,
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
    """Return unit class embeddings [K, D]: the mean over templates of unit text features, made unit again.

    Raises:
        InputError: the backbone has no text tower, or the vocabulary lacks a word.
    """
    check_text(backbone)
    assert backbone.text is not None
    total = torch.zeros(len(classes), 0)
    for text in resolve(template):
        texts = [fill(text, name) for name in classes]
        tokens = backbone.text.tokenize(texts)
        warn_of(backbone, texts)
        parts = torch.split(tokens.to(backbone.device), 256)
        features = torch.cat([backbone.text.encode(part).float() for part in parts])
        unit = functional.normalize(features, dim=-1)  # [K, D]
        total = unit if total.shape[1] == 0 else total + unit
    return functional.normalize(total, dim=-1)
