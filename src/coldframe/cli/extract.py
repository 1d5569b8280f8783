"""``coldframe extract``: a model's features of many images as npy files with a manifest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from coldframe.cli import common, numbers
from coldframe.types import Fit

if TYPE_CHECKING:
    from coldframe.backbones.base import Backbone


def extract(
    *,
    model: str,
    data: str,
    out: Path,
    fit_: Annotated[Fit | None, Parameter(name="--fit")] = None,
    layers: list[str] | None = None,
    normalised: bool = False,
    shard: str | None = None,
    seed: numbers.Seed = 0,
    on_error: Literal["raise", "skip"] = "raise",
    download: bool = False,
    precision: Literal["fp32", "bf16"] = "fp32",
    batch: numbers.Batch = 64,
    engine: common.Engine = "eager",
    device: str | None = None,
    json: bool = False,
) -> None:
    """Write penultimate features, or the activations at any cuts, of all images of a data set.

    A pass that was stopped goes on where it stood. Shards run in any order, at any time, into the same folder; the last one
    merges them.

    Parameters
    ----------
    model:
        A model id.
    fit_:
        How pictures become square: crop the centre, squash both sides, pad with black, or as-is for pictures of the model's
        size; by default the model's own way. It is part of the preprocessing and of every digest.
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
    on_error:
        What to do with images that do not decode: stop, or skip and count them.
    download:
        Fetch weights and data that are not on this machine.
    precision:
        Of weights and arithmetic; the files are fp32.
    batch:
        Images decoded together, and run together on a GPU.
    engine:
        What runs the network: eager PyTorch (every bit), folded, onnxruntime or compile (equal to 1e-4, checked on the first
        images), or auto, the fastest that is installed.
    device:
        cpu, cuda or cuda:N; by default a GPU if there is one.
    json:
        Print the manifest.
    """
    from coldframe.backbones import load_backbone
    from coldframe.cli.live import Terminal
    from coldframe.cold.units import worker_here
    from coldframe.verbs.extract import extract_data

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
