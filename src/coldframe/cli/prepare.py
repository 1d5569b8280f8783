"""``coldframe prepare``: the cold pass alone, over many images by many workers."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from coldframe.cli import common, grouped, numbers, shared


def prepare(
    *,
    model: str,
    data: str,
    layers: list[str] | None = None,
    flip: bool = False,
    shard: str | None = None,
    unit: numbers.Count = 4096,
    patience: numbers.Seconds = 60.0,
    on_error: Literal["raise", "skip"] = "raise",
    download: shared.Download = False,
    precision: shared.Precision = "fp32",
    storage: shared.Storage = "fp32",
    batch: shared.Decoded = 64,
    engine: shared.Engine = "eager",
    device: shared.Device = None,
    cluster: shared.Cluster = None,
    groups: shared.Groups = 8,
    logs: Path = Path("runs/cluster"),
    json: bool = False,
) -> None:
    """Compute and keep the cold activations of a data set, as one of any number of workers.

    Images are taken in units of fixed content, each stored whole or not at all. A worker that is killed loses the unit it was
    at, and the same command takes up what is missing. Under torchrun, or srun, each process is a worker:
    torchrun --nproc-per-node 2 -m coldframe prepare ... What is kept is the store that compare and fit read.

    Parameters
    ----------
    model:
        A model id.
    data:
        A data spec.
    layers:
        Names of cuts separated by commas; by default features.
    flip:
        Keep mirrored images besides.
    shard:
        i/n: be the i-th of n workers; by default what torchrun or srun says, else the only one.
    unit:
        Images per unit.
    patience:
        Seconds that reading and decoding one image may take.
    on_error:
        What to do with images that do not decode or take longer: stop, or skip and count them.
    logs:
        Folder of what the shards of --cluster print.
    json:
        Print what was done as JSON.
    """
    from dataclasses import asdict

    from coldframe.cli.live import Terminal
    from coldframe.cold.units import worker_here
    from coldframe.verbs.extract import shard_of
    from coldframe.verbs.prepare import prepare_data

    grouped.shards(cluster, groups, logs, shard)
    worker = worker_here() if shard is None else shard_of(shard)
    watch = Terminal()
    cold = common.cold_pass(storage, None, batch, engine)
    try:
        found = prepare_data(
            model, data, layers=common.names(layers), flip=flip, worker=worker, size=unit, on_error=on_error,
            patience=patience, download=download, precision=precision, device=common.device_name(device), cold=cold,
            progress=watch.cold,
        )  # fmt: skip
    finally:
        watch.stop()
    common.say_left_out(found.left_out)
    if json:
        common.print_json(asdict(found))
        return
    words = [f"{found.done:,} units done", *([f"{found.before:,} were done before"] if found.before else [])]
    words += [f"{found.elsewhere:,} are another process's"] if found.elsewhere else []
    rate = f", {found.images / found.seconds:,.1f} images/s" if found.images else ""
    common.say(
        f"worker {worker[0]} of {worker[1]}: {', '.join(words)} of {found.units:,} in all; {found.images:,} images, "
        f"{found.bytes / 1e6:,.0f} MB in {found.seconds:.1f} s{rate}"
    )
