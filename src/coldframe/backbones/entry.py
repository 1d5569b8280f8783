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
        locate: returns the local file of the weights, or None; a :class:`Place` can be kept in the index of all models.
        count: returns the number of parameters, or None where they cannot be counted on this machine.
        licence: of the weights, as their zoo states it; empty where it does not.
        random: there are no trained weights, so that nothing has to be on the disk.
    """

    id: str
    locate: Callable[[], Path | None]
    count: Callable[[], int | None]
    licence: str = ""
    random: bool = False


@dataclass(frozen=True)
class Place:
    """Where weights lie on this machine if they are here: called, it returns their local file, or None.

    Args:
        repository: of the Hugging Face hub, or empty.
        files: names that the weights may have there, best first.
        url: an address that torch would fetch, or empty.
        path: a file that comes with an installed package, or empty.
    """

    repository: str = ""
    files: tuple[str, ...] = ()
    url: str = ""
    path: str = ""

    def __call__(self) -> Path | None:
        """Return the local file, or None."""
        if self.path:
            return Path(self.path) if Path(self.path).is_file() else None
        found = in_hub_cache(self.repository, self.files) if self.repository else None
        return found or (in_torch_cache(self.url) if self.url else None)
