"""``coldframe sweep PLAN``: a grid of runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from coldframe.cli import common, numbers


def sweep(
    plan: str,
    *,
    data: list[str] | None = None,
    model: str | None = None,
    grid: list[str] | None = None,
    set_: Annotated[list[str] | None, Parameter(name="--set")] = None,
    seeds: numbers.Seeds | None = None,
    shots: numbers.Count | None = None,
    out: Path | None = None,
    device: str | None = None,
    precision: Literal["fp32", "bf16"] = "fp32",
    storage: Literal["fp32", "bf16"] = "fp32",
    budget_gb: numbers.Gigabytes | None = None,
    batch: numbers.Batch = 64,
    engine: common.Engine = "eager",
    latency: bool = False,
    on_error: Literal["raise", "skip"] = "raise",
    download: bool = False,
    json: bool = False,
) -> None:
    """Run a grid of settings on one shared cold pass; print a table, write heat maps.

    The table is ranked by accuracy on validation images and begins with a baseline: class names alone, or a linear probe.
    A stopped sweep goes on where it stood when it is given the same --out again, and finished runs are not run again.

    Parameters
    ----------
    plan:
        A TOML file, a recipe that comes with coldframe (uva-a2-table3, prompting), the name of a method, or FILE.py:NAME of
        one of your own.
    data:
        Data specs in place of the plan's. Repeat the option for several.
    model:
        A model id in place of the plan's.
    grid:
        What is varied of a method, NAME=VALUE,VALUE such as tokens=1,4,8; a+b=1+2,3+4 varies two together. Repeat the option.
    set_:
        A fixed setting of a method, METHOD.NAME=VALUE, over the plan's. Repeat the option for several.
    seeds:
        Number of seeds, in place of the plan's.
    shots:
        Training images per class, in place of the plan's.
    out:
        Folder for results.json, heat maps, report.html, and a report for each data set.
    device:
        cpu, cuda or cuda:N; by default a GPU if there is one.
    precision:
        Arithmetic of the frozen part.
    storage:
        How activations are stored; bf16 takes half the space and is an approximation, which the report names.
    budget_gb:
        Most gigabytes that stored activations of one cut may take; by default half of the free disk.
    batch:
        Images in one forward pass of the frozen part.
    engine:
        What runs the frozen part in the cold pass: eager PyTorch (every bit), folded, onnxruntime or compile (equal to 1e-4,
        checked on the first images), or auto, the fastest that is installed.
    latency:
        Measure the latency of every cell.
    on_error:
        What to do with images that do not decode: stop before any work, or skip and count them by reason.
    download:
        Fetch weights and data that are not on this machine; without it no network is used.
    json:
        Print results.json to stdout and nothing else.
    """
    from coldframe.cli.live import Terminal
    from coldframe.verbs import plan as plans
    from coldframe.verbs.sweep import RANKED
    from coldframe.verbs.sweep import sweep as run
    from coldframe.verbs.watch import Watch

    asked = plans.read(plan)
    fixed, varied = common.settings(set_ or []), plans.grid_of(grid or [])
    asked = plans.changed(asked, fixed, varied)
    asked = replace(
        asked,
        data=tuple(data) if data else asked.data,
        model=model or asked.model,
        seeds=seeds or asked.seeds,
        shots=shots or asked.shots,
    )
    watch = Watch() if json else Terminal()
    done = run(
        asked, out=out, device=common.device_name(device), precision=precision, download=download, latency=latency,
        cold=common.cold_pass(storage, budget_gb, batch, engine), watch=watch, on_error=on_error,
    )  # fmt: skip
    if isinstance(watch, Terminal):
        watch.stop()
    if out is not None:
        done.save(out)
    if json:
        common.print_json(done.results())
    else:
        common.print_lines(done.table())
        common.say(RANKED)
        if out is not None:
            common.say(f"report: {out / 'report.html'}")
    common.refuse(watch.failures)
