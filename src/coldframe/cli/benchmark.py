"""``coldframe benchmark``: accuracy, latency, memory and size of models in one picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from coldframe.cli import common, numbers, shared


def benchmark(
    *models: str,
    images: Path | None = None,
    device: shared.Device = None,
    precision: Literal["fp32", "bf16"] = "fp32",
    channels_last: bool = False,
    compiled: Annotated[bool, Parameter(name="--compile")] = False,
    batch: numbers.Batch = 8,
    memory_batch: numbers.Batch = 64,
    passes: numbers.Steps = 20,
    seconds: numbers.Seconds = 60.0,
    out: Path = Path("runs/benchmark"),
    on_error: Literal["raise", "skip"] = "raise",
    download: shared.DownloadWeights = False,
    json: bool = False,
) -> None:
    """Measure what models cost and show it beside what they reach: latency, memory, parameters, operations, top-1.

    Without models it measures the seven of the founding exercise. Models whose weights are not on this machine run with
    random ones, on which cost does not depend, and say so. Memory is predicted from small batches before a large one
    runs; a batch that would take more than half of the free memory is halved, and the row says so.

    Parameters
    ----------
    models:
        Model ids; see 'coldframe models'.
    images:
        Folder of images with known labels, to measure top-1: files WORD_name.jpg beside a classes.json that maps WORD to a
        class index, or one folder per class.
    precision:
        Arithmetic and weights.
    channels_last:
        Store images pixel by pixel.
    compiled:
        Time the compiled network.
    batch:
        Images in a timed pass.
    memory_batch:
        Images in the pass whose memory is measured.
    passes:
        Most timed passes of each mode: no_grad, inference_mode, gradients on; they take turns.
    seconds:
        Of timed passes for one model; after that no more follow, but five of each mode there are.
    out:
        Folder for results.json, results.csv, figures and report.html.
    on_error:
        What to do with --images that do not decode: stop before any work, or skip and count them by reason.
    json:
        Print results.json to stdout and nothing else.
    """
    import sys

    from coldframe.errors import visible
    from coldframe.verbs import benchmark as verb
    from coldframe.verbs.watch import command_line

    where = common.device_name(device)
    settings = verb.Settings(
        device=where,
        precision=precision,
        channels_last=channels_last,
        compiled=compiled,
        batch=batch,
        memory_batch=memory_batch,
        passes=passes,
        seconds=seconds,
        images=images,
        download=download,
        on_error=on_error,
    )
    found = verb.benchmark(
        models,
        settings,
        common.machine(where),
        command=command_line(),
        say=lambda line: print(visible(line), file=sys.stderr, flush=True),
        keep=lambda so_far: so_far.save_numbers(out),
    )
    page = found.save(out)
    if json:
        common.print_json(found.to_json())
    else:
        common.say_all([*str(found).split("\n"), f"report: {page}"])
