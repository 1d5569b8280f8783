"""``coldframe extract``: a model's features of many images as npy files with a manifest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from coldframe.cli import common, grouped, numbers, shared

if TYPE_CHECKING:
    from coldframe.backbones.base import Backbone


def extract(
    *,
    model: str,
    data: str,
    out: Path,
    fit_: shared.Square = None,
    layers: list[str] | None = None,
    normalised: bool = False,
    shard: str | None = None,
    seed: numbers.Seed = 0,
    on_error: shared.OnError = "raise",
    download: shared.Download = False,
    precision: Literal["fp32", "bf16"] = "fp32",
    batch: shared.Decoded = 64,
    engine: shared.Engine = "eager",
    device: shared.Device = None,
    cluster: shared.Cluster = None,
    groups: shared.Groups = 8,
    json: bool = False,
) -> None:
    """Write penultimate features, or the activations at any cuts, of all images of a data set.

    A pass that was stopped goes on where it stood. Shards run in any order, at any time, into the same folder; the last one
    merges them.

    Parameters
    ----------
    model:
        A model id.
    data:
        A data spec, or without labels a folder of loose images, a file or a glob.
    out:
        Folder of the npy files, images.csv and manifest.json.
    layers:
        Names of cuts separated by commas, all written in one pass; by default features.
    normalised:
        Divide each image's features by their L2 norm.
    shard:
        i/n: the i-th of n equal parts of the images; by default what torchrun or srun says, else all of them.
    seed:
        Seed of the splits that the data does not fix.
    precision:
        Of weights and arithmetic; the files are fp32.
    json:
        Print the manifest.
    """
    from coldframe.backbones import load_backbone
    from coldframe.cli.live import Terminal
    from coldframe.cold.units import worker_here
    from coldframe.verbs.extract import extract_data

    grouped.shards(cluster, groups, out / "cluster", shard)
    shard = shard if shard is not None else "{}/{}".format(*worker_here())
    watch = Terminal()
    backbone: str | Backbone = model
    if fit_ is not None:
        backbone = load_backbone(model, device=common.device_name(device), dtype=precision, download=download, fit=fit_)
    try:
        found = extract_data(
            backbone, data, out, layers=common.names(layers), normalised=normalised, shard=shard, seed=seed, on_error=on_error,
            download=download, precision=precision, batch_size=batch, device=common.device_name(device),
            progress=watch.cold, seen=common.seen, engine=engine,
        )  # fmt: skip
    finally:
        watch.stop()
    common.say_left_out(found.get("left_out", {}))
    if "note" in found:
        common.say_aside(found["note"])
    if json:
        common.print_json(found)
        return
    for layer, x in found["layers"].items():
        common.say(f"{layer}: {found['n']:,} x {' x '.join(map(str, x['shape']))}, {x['dtype']}")
    if found["n"] < found["images"]:
        common.say(f"shard {shard} in {out}: {found['n']:,} of {found['images']:,} images; the last shard to finish merges all")
    else:
        common.say(f"manifest: {out / 'manifest.json'}")
