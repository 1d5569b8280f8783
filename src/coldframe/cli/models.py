"""``coldframe models``: what can be loaded, what of it is on this disk, and which of it suits some images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coldframe.cli import common, numbers

if TYPE_CHECKING:
    from coldframe.backbones.listing import Listed
    from coldframe.verbs.rank import Ranked


def models(
    pattern: str | None = None,
    *,
    on_disk: bool = False,
    limit: numbers.Limit = 40,
    rank_on: str | None = None,
    candidates: list[str] | None = None,
    most_images: numbers.Pictures = 1000,
    seed: numbers.Seed = 0,
    device: str | None = None,
    download: bool = False,
    json: bool = False,
) -> None:
    """List models that can be loaded, those on this disk first; with --rank-on, order candidates by how they suit some images.

    --rank-on fits ridge regression to the features of each candidate and counts what it gets right of training images that
    it was not fitted on (exact leave-one-out). Test images are not read. Features are kept, so that a second run is quick.

    Args:
        pattern: part of an id, or a glob such as 'timm:vit_*dino*'; leave it out for all.
        on_disk: only models whose weights are on this disk.
        limit: how many to list.
        rank_on: a data spec with labels; print left-out accuracy with its interval, time and size of each candidate.
        candidates: ids to rank, such as lite0,pocket; by default the models on this disk that match the pattern.
        most_images: images that are looked at, at most, when ranking.
        seed: of the images that are looked at.
        device: cpu, cuda or cuda:N; by default a GPU if there is one.
        download: fetch weights and data that are not on this machine; without it no network is used.
        json: print JSON instead of a table.
    """
    if rank_on is not None:
        _rank(rank_on, candidates, pattern, limit, most_images, seed, device, download, json)
        return
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


def _rank(
    data: str, candidates: list[str] | None, pattern: str | None, limit: int, images: int, seed: int, device: str | None,
    download: bool, json: bool,
) -> None:  # fmt: skip
    from coldframe.backbones.listing import list_models
    from coldframe.verbs.rank import rank

    names = common.names(candidates)
    if names is None:
        names = [line.id for line in list_models(pattern, on_disk=True, limit=limit)[0]]
    found, left = rank(
        names, data, images=images, seed=seed, device=common.device_name(device), download=download,
        told=lambda name: None if json else common.say(f"{name} ..."),
    )  # fmt: skip
    if json:
        common.print_json({"ranked": [line.as_dict() for line in found], "left_out": left})
        return
    common.print_lines(_lines(found))
    for sentence in left:
        common.say(sentence)


def _lines(found: list[Ranked]) -> list[list[str]]:
    head = ["model", "left-out top-1 (%)", "95% interval", "ms per image", "parameters"]
    rows = [
        [line.model, f"{100 * line.top1:.1f}", f"{100 * line.low:.1f} to {100 * line.high:.1f}", f"{line.latency_ms:.1f}",
         f"{line.parameters / 1e6:,.1f} M"]
        for line in found
    ]  # fmt: skip
    return [head, *rows]


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
