"""``coldframe datasets``: what kinds of data there are and what is here, or what one data set holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from coldframe.cli import common, numbers
from coldframe.errors import InputError

if TYPE_CHECKING:
    from coldframe.data import Dataset, Split

KINDS = {
    "folder": ("folder:flowers", "one folder per class, with or without train/, val/, test/ above"),
    "parquet": ("parquet:cifar10", "a parquet file or a folder of them, in the way of the Hub"),
    "csv": ("csv:labels.csv?label=species", "a table of images and labels, any separator, with or without a head"),
    "json": ("json:annotations.json", "COCO's annotations with one category an image, or a few-shot split file"),
    "npz": ("npz:pathmnist.npz", "arrays of images and labels in one file, as MedMNIST and Keras store them"),
    "npy": ("npy:X.npy?labels=y.npy", "arrays of images and labels in files of their own"),
    "wds": ("wds:train-{000..009}.tar", "tar shards in the way of webdataset"),
    "hf": ("hf:beans", "a data set of the Hub, or a folder that save_to_disk wrote (extra hub)"),
    "torchvision": ("torchvision:Flowers102", "a data set of torchvision by its own name"),
    "mini": ("mini:cifar10", "a small sample that comes with coldframe"),
}
"""Kind -> (example, what it reads)."""
_SAMPLE = 16


def datasets(
    spec: str | None = None,
    *,
    seed: numbers.Seed = 0,
    shots: numbers.Count | None = None,
    download: bool = False,
    on_error: Literal["raise", "skip"] = "raise",
    examples: Path | None = None,
    json: bool = False,
) -> None:
    """List kinds of data and what is on this machine, or describe one data set.

    Args:
        spec: the data set, such as folder:PATH or mini:cifar10; leave it out for the list.
        seed: decides which images are drawn where splits are drawn.
        shots: training images per class; by default all.
        download: fetch the data set where it is not on this machine; without it no network is used.
        on_error: what to do with images that do not decode: stop, or skip and count them by reason.
        examples: write a test picture of each class into this folder, to look at or to try a model on.
        json: print JSON instead of a table.

    Raises:
        InputError: examples of no data set.
    """
    if spec is None:
        if examples is not None:
            raise InputError("expected a data set beside --examples, found none; name one, such as mini:caltech7")
        found = {"kinds": [{"kind": k, "example": e, "reads": r} for k, (e, r) in KINDS.items()], "here": here()}
        common.print_json(found) if json else _print_kinds(found)
        return
    from coldframe.data import load_dataset

    data = load_dataset(spec, seed=seed, shots=shots, download=download, on_error=on_error, several=True)
    described = describe(data)
    if examples is not None:
        from coldframe.data.examples import examples as write

        described["examples"] = [str(path) for path in write(data, examples)]
    common.print_json(described) if json else _print_described(described)


def here() -> list[str]:
    """Return the specs of the bundled samples and of what lies in the data folder."""
    from importlib.resources import files

    from coldframe.files import data_root

    bundled = files("coldframe.data").joinpath("mini")
    names = sorted(place.name for place in bundled.iterdir()) if bundled.is_dir() else []
    specs = [f"mini:{name.removesuffix('.zip')}" for name in names if name.endswith(".zip")]
    root = data_root()
    if root is not None and root.is_dir():
        specs += [found for place in sorted(root.iterdir()) if place.is_dir() and (found := _recognise(place))]
    return specs


def _recognise(place: Path) -> str | None:
    if any(place.glob("*.parquet")) or any(place.glob("data/*.parquet")):
        return f"parquet:{place}"
    if (place / "train").is_dir():
        return f"folder:{place}"
    known = {"cifar-10-batches-py": "CIFAR10", "cifar-100-python": "CIFAR100", "oxford-iiit-pet": "OxfordIIITPet",
             "flowers-102": "Flowers102", "food-101": "Food101", "dtd": "DTD"}  # fmt: skip
    if place.name in ("MNIST", "FashionMNIST", "KMNIST") and (place / "raw").is_dir():
        return f"torchvision:{place.name}"
    return f"torchvision:{known[place.name]}" if place.name in known else None


def describe(data: Dataset) -> dict[str, Any]:
    """Return splits, classes, origin, and the sizes of a sample of the training images, as plain values."""
    import numpy as np

    sample = np.linspace(0, len(data.train) - 1, min(_SAMPLE, len(data.train))).astype(int)
    sizes = sorted({data.train.images.open(int(index)).size for index in sample})
    return {
        "data": data.spec,
        "origin": data.origin,
        "splits": [_counts(split) for split in data.splits],
        "n_classes": len(data.classes),
        "classes": list(data.classes),
        "image_sizes": [list(size) for size in sizes],
        "skipped": list(data.skipped),
    }


def _counts(split: Split) -> dict[str, Any]:
    import numpy as np

    counts = np.bincount(split.labels, minlength=len(split.classes)) if split.tags is None else split.tags.sum(0)
    return {
        "split": split.name,
        "n": len(split),
        "least_per_class": int(counts.min()),
        "most_per_class": int(counts.max()),
    }


def _print_kinds(found: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("kind", "example", "reads"):
        table.add_column(heading)
    for kind in found["kinds"]:
        table.add_row(kind["kind"], kind["example"], kind["reads"])
    console = Console()
    console.print(table)
    console.print("\nJoin label sets with +, as in mini:cifar10+folder:flowers.")
    common.say("On this machine: " + (", ".join(found["here"]) or "none"))


def _print_described(described: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    common.say(f"{described['data']} · {described['n_classes']} classes")
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("split", "images", "least a class", "most a class"):
        table.add_column(heading, justify="left" if heading == "split" else "right")
    for split in described["splits"]:
        table.add_row(
            split["split"], f"{split['n']:,}", f"{split['least_per_class']:,}", f"{split['most_per_class']:,}"
        )
    console.print(table)
    names, sizes = described["classes"], described["image_sizes"]
    more = f" and {len(names) - 12} more" if len(names) > 12 else ""
    smallest, largest = min(sizes, key=lambda s: s[0] * s[1]), max(sizes, key=lambda s: s[0] * s[1])
    span = f"{smallest[0]} x {smallest[1]}" + (f" to {largest[0]} x {largest[1]}" if smallest != largest else "")
    for line in (
        f"classes: {', '.join(names[:12])}{more}",
        f"image sizes in a sample: {span}",
        f"origin: {described['origin'] or 'official'}",
    ):
        common.say(line)
    if "examples" in described:
        common.say(f"a test picture of each class: {', '.join(described['examples'])}")
