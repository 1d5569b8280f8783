"""``coldframe cache``: what the store of cold activations holds, and clearing it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from coldframe.cli import common

if TYPE_CHECKING:
    from coldframe.cold import Store
    from coldframe.cold.store import ShelfInfo


def cache(
    action: Literal["show", "clear"] = "show", *, model: str | None = None, cut: str | None = None, json: bool = False
) -> None:
    """Show or clear the store of cold activations. Nothing in it is needed: what is cleared is computed again.

    Args:
        action: show lists the shelves, clear removes them and says what was freed.
        model: only shelves of this model, such as lite0.
        cut: only shelves of this cut, such as features.
        json: print JSON instead of a table.
    """
    from coldframe.cold import Store

    store = Store()
    every = list(store.shelves())
    chosen = [shelf for shelf in every if model in (None, shelf.model) and cut in (None, shelf.cut)]
    if every and not chosen:
        _refuse(every, model, cut)
    told: dict[str, Any] = {"folder": str(store.root), "shelves": [vars(shelf) for shelf in chosen]}
    told["bytes"] = sum(shelf.bytes for shelf in chosen)
    if action == "clear":
        store.sweep()
        told["freed"] = store.clear([shelf.shelf for shelf in chosen])
    if json:
        common.print_json(told)
    elif action == "clear":
        _print_cleared(store, chosen, told["freed"])
    else:
        _print_shelves(store, chosen, told["bytes"])


def _refuse(every: list[ShelfInfo], model: str | None, cut: str | None) -> None:
    from coldframe.errors import InputError, nearest

    for what, asked, known in (("model", model, {s.model for s in every}), ("cut", cut, {s.cut for s in every})):
        if asked is not None and asked not in known:
            raise InputError(f"the store holds nothing of the {what} {asked!r}{nearest(asked, known)}")
    raise InputError(f"the store holds nothing of the cut {cut!r} of the model {model!r}; coldframe cache lists what it holds")


def _print_cleared(store: Store, shelves: list[ShelfInfo], freed: int) -> None:
    from rich.filesize import decimal

    if not shelves:
        common.say(f"Nothing to clear: the store at {store.root} is empty.")
        return
    images, models = sum(shelf.images for shelf in shelves), sorted({shelf.model for shelf in shelves})
    count = f"{len(shelves)} {'shelf' if len(shelves) == 1 else 'shelves'}"
    common.say(f"Freed {decimal(freed)}: {count} with {images:,} activations of {', '.join(models)} at {store.root}.")


def _print_shelves(store: Store, shelves: list[ShelfInfo], size: int) -> None:
    from rich.console import Console
    from rich.filesize import decimal
    from rich.table import Table

    if not shelves:
        common.say(f"The store at {store.root} is empty.")
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("model", "cut", "view", "dtype"):
        table.add_column(heading, overflow="fold")
    for heading in ("images", "size"):
        table.add_column(heading, justify="right", no_wrap=True)
    for shelf in sorted(shelves, key=lambda shelf: (shelf.model, shelf.cut, shelf.view, shelf.dtype)):
        names = map(common.cell, (shelf.model, shelf.cut, shelf.view, shelf.dtype))
        table.add_row(*names, f"{shelf.images:,}", decimal(shelf.bytes))
    console = Console()
    console.print(table)
    common.say(f"{decimal(size)} in all at {store.root}")
    unfinished = sum(shelf.unfinished for shelf in shelves)
    if unfinished:
        print(f"{unfinished} unfinished: a pass is running, or one was killed and the next sweeps it")
