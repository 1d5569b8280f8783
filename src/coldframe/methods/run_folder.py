"""The folder of a saved run: found, or told apart from what it is instead."""

from __future__ import annotations

from pathlib import Path

from coldframe.errors import InputError, nearest
from coldframe.files import exists, expanded, is_file

ABOUT = "adaptation.json"
"""The file by which the folder of a saved run is known."""
BEST = "best"
"""The folder inside a comparison's that holds the recommended method."""
_SHOWN = 3


def run_folder(path: str | Path) -> Path:
    """Return the folder of a saved run; of a comparison's folder the one with the method that it recommends.

    Raises:
        InputError: there is nothing, a file, a folder that holds saved runs (as ``compare``, ``sweep`` and ``fit`` write them
            into one folder), or a folder of something else.
    """
    folder = expanded(path)
    if is_file(folder / ABOUT):
        return folder
    if is_file(folder / BEST / ABOUT):
        return folder / BEST
    wanted = "expected the folder of a saved run"
    if not exists(folder):
        near = [place.name for place in folder.parent.iterdir() if place.is_dir()] if folder.parent.is_dir() else []
        hint = nearest(folder.name, near)
        raise InputError(f"{wanted}, found nothing at {folder}{hint if hint.startswith('; did') else '; check the path'}")
    if not folder.is_dir():
        raise InputError(f"{wanted}, found a file at {folder}; name the folder that coldframe fit wrote")
    inside = saved_runs(folder)
    if inside:
        named = ", ".join(str(place) for place in inside[:_SHOWN])
        more = f" and {len(inside) - _SHOWN:,} more" if len(inside) > _SHOWN else ""
        raise InputError(f"{wanted}, found one that holds {len(inside):,} of them in {folder}; name one: {named}{more}")
    raise InputError(f"{wanted}, found no {ABOUT} in {folder}; name the folder that coldframe fit wrote")


def saved_runs(folder: Path) -> list[Path]:
    """Return the saved runs below a folder, at most three folders deep: where fits, comparisons and sweeps put them."""
    found = {place.parent for depth in ("*", "*/*", "*/*/*") for place in folder.glob(f"{depth}/{ABOUT}")}
    return sorted(found)


def means_run(source: str | Path) -> bool:
    """Return whether a source means the folder of a saved run, and no model id.

    A path object always does. A text does where a run is saved there, and where it is written like a path: the id of a model
    with a slash has a colon before it.
    """
    if isinstance(source, Path):
        return True
    saved = exists(f"{source}/{ABOUT}") or exists(f"{source}/{BEST}/{ABOUT}")
    return saved or ("/" in source and ":" not in source and "@" not in source)
