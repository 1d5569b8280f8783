"""``coldframe models``: what can be loaded, and what of it is on this disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coldframe.cli import common, numbers

if TYPE_CHECKING:
    from coldframe.backbones.listing import Listed


def models(pattern: str | None = None, *, on_disk: bool = False, limit: numbers.Limit = 40, json: bool = False) -> None:
    """List models that can be loaded, those on this disk first. Nothing is fetched.

    Args:
        pattern: part of an id, or a glob such as 'timm:vit_*dino*'; leave it out for all.
        on_disk: only models whose weights are on this disk.
        limit: how many to list.
        json: print JSON instead of a table.
    """
    from coldframe.backbones.listing import list_models

    found, matched = list_models(pattern, on_disk=on_disk, limit=limit)
    if json:
        told = {"models": [line.as_dict() for line in found], "matched": matched, "shown": len(found)}
        common.print_json(told)
        return
    if found:
        _print(found)
    if matched > len(found):
        print(f"and {matched - len(found):,} more; narrow the pattern, or ask for more with --limit")
    elif not found:
        print("No weights of these models are on this disk.")


def _print(found: list[Listed]) -> None:
    import sys

    from rich.console import Console
    from rich.filesize import decimal
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("model", no_wrap=True, min_width=min(60, max(len(line.id) for line in found)))
    table.add_column("on disk", no_wrap=True)
    table.add_column("parameters", justify="right", no_wrap=True)
    table.add_column("size", justify="right", no_wrap=True)
    table.add_column("licence", no_wrap=True)
    for line in found:
        here = "yes" if line.on_disk else "random" if line.random else "no"
        parameters = f"{line.parameters / 1e6:,.1f} M" if line.parameters is not None else "-"
        about = "" if line.path else "~"
        size = about + decimal(line.bytes) if line.bytes is not None else "-"
        table.add_row(common.cell(line.id), here, parameters, size, common.cell(line.licence or "-"))
    # a file or a pipe has no width of its own: nothing is cut off there
    Console(highlight=False, width=None if sys.stdout.isatty() else 200).print(table)
