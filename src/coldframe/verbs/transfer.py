"""Who fools whom: adversarial images made for one model, shown to others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from coldframe.attacks import Attack, Model
from coldframe.attacks.checks import LEVELS
from coldframe.backbones.base import Backbone
from coldframe.data.arrays import Arrays
from coldframe.data.decode import load_pixels
from coldframe.errors import InputError
from coldframe.evaluation.classifiers import opened
from coldframe.files import write_bytes, write_json
from coldframe.files.system import slug
from coldframe.measures import machine
from coldframe.measures.significance import Interval, wilson
from coldframe.methods import Method
from coldframe.report.figures.heat_map import Panel, heat_map
from coldframe.report.figures.style import as_png
from coldframe.results.rows import without_weights
from coldframe.verbs.attack import PIECE, Attacked, attacked, pictures, prepared
from coldframe.verbs.attack_results import write

FIGURE = "who-fools-whom.png"


@dataclass(frozen=True)
class Cell:
    """How many of the images made for one model fool another.

    Args:
        made_for: name of the model that was attacked.
        shown_to: name of the model that answers.
        asked: images whose clean version the second puts into the same class as the first; only these count.
        fooled: those of them that it puts elsewhere once they are changed, or into the target where there is one.
    """

    made_for: str
    shown_to: str
    asked: int
    fooled: int

    @property
    def share(self) -> Interval | None:
        """Return the share of fooled images with Wilson's interval; None where no image counts."""
        return wilson(self.fooled, self.asked) if self.asked else None

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, the share with its interval among them."""
        share = self.share
        parts = (share.mean, share.low, share.high) if share is not None else (None, None, None)
        numbers = dict(zip(("share", "low", "high"), parts, strict=True))
        return {"made_for": self.made_for, "shown_to": self.shown_to, "asked": self.asked, "fooled": self.fooled, **numbers}


@dataclass(frozen=True)
class Transfer:
    """The attacks of several models, and every pair of them.

    Args:
        names: of the models, short and different.
        attacked: what became of the images, by name.
        cells: one for each pair, by the attacked model, then by the answering one.
    """

    names: tuple[str, ...]
    attacked: dict[str, Attacked]
    cells: tuple[Cell, ...]


def transfer(
    sources: Sequence[str | Backbone | Method],
    places: Sequence[str | Path],
    attack: Attack,
    targets: Sequence[str] = (),
    *,
    device: str = "cpu",
    download: bool = False,
    **settings: Any,
) -> Transfer:
    """Attack each model, and show the changed images to all.

    An image has the resolution of the model that it was made for. Another model sees it resized to its own, whole, with its own
    filter, and answers the clean image in the same way.

    Args:
        sources: two or more of those that :func:`.attack.attack_files` takes, with the same classes in the same order.
        places: files, folders and globs.
        attack: what is done to each image.
        targets: as in ``attack_files``.
        device: where to run.
        download: whether weights may be fetched.
        settings: of :func:`.attack.pictures`.

    Raises:
        InputError: models of other classes, or options that cannot be used; before any image is attacked.
    """
    models = [opened(source, device=device, download=download) for source in sources]
    first = models[0][1]
    names = _names(sources, [backbone for _, _, backbone in models])
    for name, (_, classes, _) in zip(names, models, strict=True):
        if tuple(classes) != tuple(first):
            raise InputError(
                f"expected models of the same classes in the same order, found {len(first):,} in {names[0]} and others "
                f"({len(classes):,}) in {name}; attack them one by one"
            )
    files, left = pictures(places, targets, **settings)
    ready = [prepared(model, files, targets) for model in models]  # what one of them refuses is refused before any attack
    made = {name: replace(attacked(one, attack), left_out=left) for name, one in zip(names, ready, strict=True)}
    cells = []
    for made_for, done in made.items():
        labels, wanted = done.labels.cpu(), None if done.targets is None else done.targets.cpu()
        for shown_to, (model, _, backbone) in zip(names, models, strict=True):
            same = _answers(model, backbone, done.images) == labels
            after = _answers(model, backbone, done.found.images)
            fooled = after != labels if wanted is None else after == wanted
            cells.append(Cell(made_for, shown_to, int(same.sum()), int((same & fooled).sum())))
    return Transfer(tuple(names), made, tuple(cells))


@torch.no_grad()
def _answers(model: Model, backbone: Backbone, images: Tensor) -> Tensor:
    """Return the first class of each picture [B, 3, S, S], resized whole to the model's own resolution, on the CPU."""
    pictures = Arrays(images.mul(LEVELS).round().to(torch.uint8).cpu().numpy())
    pixels = load_pixels(pictures, list(range(len(pictures))), replace(backbone.preprocess, mode="squash"))
    whole = torch.from_numpy(pixels).to(backbone.device).float().div(LEVELS)
    return torch.cat([model(piece).argmax(-1) for piece in torch.split(whole, PIECE)]).cpu()


def _names(sources: Sequence[str | Backbone | Method], backbones: Sequence[Backbone]) -> list[str]:
    """Return short names; a run that has the backbone of another is called by its folder, what is still alike by its place."""
    plain = [without_weights(backbone.name) for backbone in backbones]
    twice = {name for name in plain if plain.count(name) > 1}
    for at, source in enumerate(sources):
        if plain[at] in twice and isinstance(source, str) and Path(source).is_dir():
            plain[at] = Path(source).name
    return [name if plain.count(name) == 1 else f"{name} ({at + 1})" for at, name in enumerate(plain)]


def matrix(done: Transfer) -> list[list[str]]:
    """Return the shares as a text table: a head, then a line for each attacked model."""
    lines = [["made for", *(f"shown to {name}" for name in done.names)]]
    for name in done.names:
        mine = [cell for cell in done.cells if cell.made_for == name]
        lines.append([name, *(f"{100 * c.share.mean:.1f}% of {c.asked}" if c.share else "none asked" for c in mine)])
    return lines


def write_all(done: Transfer, folder: str | Path, settings: dict[str, Any]) -> list[Path]:
    """Write the figure, ``results.json`` and a folder for each attacked model; return their paths."""
    folder, written = Path(folder), []
    for name, one in done.attacked.items():
        written += write(one, folder / slug(name), settings | {"model": name})
    shares = {(cell.made_for, cell.shown_to): cell.share.mean if cell.share else None for cell in done.cells}
    count = len(next(iter(done.attacked.values())).files)
    title = f"{count} image{'s' * (count != 1)}, eps {settings['eps']}"
    drawn = heat_map([Panel("", title, shares)], "made for", "shown to", measured="fooled, %")
    written.append(write_bytes(folder / FIGURE, as_png(drawn, 140)))
    device = next(iter(done.attacked.values())).images.device
    content = {
        "settings": settings | {"models": list(done.names)}, "machine": machine(device), "images": count,
        "cells": [cell.as_dict() for cell in done.cells],
    }  # fmt: skip
    written.append(write_json(folder / "results.json", content))
    return written
