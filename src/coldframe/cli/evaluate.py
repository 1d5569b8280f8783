"""``coldframe evaluate RUN``: measure a saved adaptation on data."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from coldframe.cli import common


def evaluate(
    run: Path,
    *,
    data: str,
    split: Literal["train", "val", "test"] = "test",
    seed: int = 0,
    classes: str | None = None,
    on_error: Literal["raise", "skip"] = "raise",
    out: Path | None = None,
    device: str | None = None,
    batch_size: int = 64,
    json: bool = False,
) -> None:
    """Evaluate a saved run: accuracies, calibration, latency.

    Parameters
    ----------
    run:
        Folder that 'coldframe fit' or 'coldframe compare' wrote.
    data:
        A data spec whose classes are the ones that were learned.
    split:
        Which images.
    seed:
        Of splits that the data does not fix.
    classes:
        Class names with commas between, or a file of lines, in place of the data's own.
    on_error:
        What to do with images that do not decode: stop, or skip and count them.
    out:
        Folder for results.json.
    device:
        cpu, cuda or cuda:N; a GPU where there is one when left out.
    batch_size:
        Images in one forward pass of the frozen part.
    json:
        Print the row as JSON.
    """
    from coldframe import evaluation
    from coldframe.data import load_dataset
    from coldframe.methods import load
    from coldframe.report import Table
    from coldframe.running import command_line

    method = load(run, device=common.device_name(device))
    dataset = load_dataset(data, seed=seed, classes=common.class_names(classes), on_error=on_error)
    chosen = {"train": dataset.train, "val": dataset.val, "test": dataset.test}[split]
    done = evaluation.evaluate(method, chosen, data=data, cold=common.cold_pass("fp32", None, batch_size))
    row = done.row | {"latency_ms": round(evaluation.latency(method).median, 4)}
    if out is not None:
        Table(rows=[row], command=command_line(), machine=common.machine(device)).save(out / "results.json")
    common.print_row(row, json=json)
