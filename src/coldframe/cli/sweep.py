"""``coldframe sweep PLAN``: a grid of runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from coldframe.cli import common, grouped, numbers, shared, spread


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
    device: shared.Device = None,
    precision: shared.Precision = "fp32",
    storage: shared.Storage = "fp32",
    budget_gb: shared.BudgetGb = None,
    batch: shared.Frozen = 64,
    engine: shared.Engine = "eager",
    latency: bool = False,
    on_error: shared.OnErrorBefore = "raise",
    download: shared.Download = False,
    cluster: shared.Cluster = None,
    groups: shared.Groups = 8,
    only: shared.Only = None,
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
    latency:
        Measure the latency of every cell.
    json:
        Print results.json to stdout and nothing else.
    """
    from coldframe.cli.live import Terminal
    from coldframe.verbs import plan as plans
    from coldframe.verbs.sweep import RANKED
    from coldframe.verbs.sweep import sweep as run
    from coldframe.verbs.watch import Watch

    spread.alone("sweep")
    part = grouped.part_of(only, cluster, out)
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
    grouped.elsewhere(cluster, groups, None if out is None else out / "cluster")
    watch = Watch() if json else Terminal()
    done = run(
        asked, out=out, device=common.device_name(device), precision=precision, download=download, latency=latency,
        cold=common.cold_pass(storage, budget_gb, batch, engine), watch=watch, on_error=on_error, only=part,
    )  # fmt: skip
    if isinstance(watch, Terminal):
        watch.stop()
    if part is not None:
        common.say_failed(watch.failures)
        return
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
