"""Model ids: ``ZOO:NAME``, then optionally ``/TAG``, ``/random``, ``@PATH`` of a local checkpoint, ``?options`` behind it.

Two names hold slashes of their own and are kept whole: ``hf-hub:ORG/NAME`` and ``local-dir:PATH``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from coldframe.errors import ModelError

RANDOM = "random"
HUB, LOCAL = "hf-hub:", "local-dir:"
_OLD_HUB = "hf_hub:"
"""timm's older spelling."""


@dataclass(frozen=True)
class ModelId:
    """A model id, taken apart.

    Args:
        zoo: the word before the colon, or the whole id of a model without one (``lite0``).
        name: the zoo's own name of the architecture; empty without a colon.
        tag: the zoo's own name of a set of weights, or empty.
        random: weights are drawn, not loaded.
        checkpoint: a local file with the weights, or None.
        download: whether missing weights may be fetched.
        options: what is said of the weights behind their name or path: names and values.
    """

    zoo: str
    name: str = ""
    tag: str = ""
    random: bool = False
    checkpoint: Path | None = None
    download: bool = False
    options: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        end = f"@{self.checkpoint}" if self.checkpoint is not None else "/random" if self.random else ""
        end += "?" + "&".join(f"{key}={value}" for key, value in self.options) if self.options else ""
        return (f"{self.zoo}:{self.name}" if self.name else self.zoo) + (f"/{self.tag}" if self.tag else "") + end

    @property
    def trained(self) -> str:
        """The id of the same model with its weights from the zoo."""
        return str(ModelId(self.zoo, self.name, self.tag))


def parse(text: str, *, pretrained: bool = True, checkpoint: str | Path | None = None, download: bool = False) -> ModelId:
    """Take a model id apart.

    Example:
        >>> parse("open_clip:ViT-B-32/openai").tag
        'openai'
        >>> parse("timm:resnet18@weights.safetensors").checkpoint
        PosixPath('weights.safetensors')
        >>> parse("timm:resnet18@weights.safetensors?resize=256").options
        (('resize', '256'),)
        >>> parse("open_clip:hf-hub:someone/clip").name
        'hf-hub:someone/clip'
        >>> parse("timm:hf_hub:someone/net?size=384").options
        (('size', '384'),)
    """
    zoo, _, rest = text.partition(":")
    if rest.startswith(LOCAL):
        rest, said = (rest, ()) if Path(rest.removeprefix(LOCAL)).exists() else _options(rest, text)
        plain = rest.removesuffix(f"/{RANDOM}")
        file = Path(checkpoint) if checkpoint is not None else None
        return ModelId(zoo, plain, "", (plain != rest or not pretrained) and file is None, file, download, said)
    model, at, path = text.partition("@")
    model, said = (model, ()) if at else _options(model, text)
    if ":" in model:
        zoo, _, rest = model.partition(":")
        rest = HUB + rest.removeprefix(_OLD_HUB) if rest.startswith(_OLD_HUB) else rest
        name, _, tag = rest.partition("/")
        if name.startswith(HUB):
            own, _, tag = tag.partition("/")
            name = f"{name}/{own}"
    else:
        name = ""
        zoo, _, tag = model.partition("/")
    random = not pretrained
    if tag == RANDOM or tag.endswith("/" + RANDOM):
        random, tag = True, tag[: -len(RANDOM)].rstrip("/")
    if not Path(path).is_file():
        path, more = _options(path, text)
        said = said or more
    file = Path(path) if at else Path(checkpoint) if checkpoint is not None else None
    return ModelId(zoo, name, tag, random and file is None, file, download, said)


def _options(text: str, whole: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Split off what stands behind the last question mark."""
    if "?" not in text:
        return text, ()
    before, _, query = text.rpartition("?")
    options = []
    for part in query.split("&"):
        key, equals, value = part.partition("=")
        if not key or not equals:
            raise ModelError(f"expected NAME=VALUE with & between behind the ? of {whole!r}, found {part!r}")
        options.append((key, value))
    return before, tuple(options)
