"""One line of the list of models, as a zoo's file offers it; nothing is built and no network is used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from coldframe.backbones.hub import in_hub_cache, in_torch_cache


@dataclass(frozen=True)
class Entry:
    """One id that :func:`coldframe.load_backbone` takes, before anything is built.

    Args:
        id: the id.
        locate: returns the local file of the weights, or None.
        count: returns the number of parameters, or None where they cannot be counted on this machine.
        licence: of the weights, as their zoo states it; empty where it does not.
        random: there are no trained weights, so that nothing has to be on the disk.
    """

    id: str
    locate: Callable[[], Path | None]
    count: Callable[[], int | None]
    licence: str = ""
    random: bool = False


def cached(repository: str, files: tuple[str, ...], url: str = "") -> Path | None:
    """Return the local file of weights that come from a hub's repository or from an address; None where there is none."""
    return (in_hub_cache(repository, files) if repository else None) or (in_torch_cache(url) if url else None)
