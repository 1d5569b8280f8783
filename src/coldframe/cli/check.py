"""``coldframe check``: what is wrong with a data set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from coldframe.cli import common, numbers


def check(
    data: str,
    *,
    model: str | None = None,
    seed: numbers.Seed = 0,
    out: Path = Path("runs/check"),
    fix: Path | None = None,
    unlabelled: list[str] | None = None,
    next_: Annotated[numbers.Count, Parameter(name="--next")] = 20,
    device: str | None = None,
    download: bool = False,
    on_error: Literal["raise", "skip"] = "raise",
    json: bool = False,
) -> None:
    """Find repeats within and across splits, pictures with two labels, doubtful labels, odd pictures and shortcuts.

    Writes report.html with pictures, issues.csv and results.json. Files are never touched.

    Args:
        data: the data set, such as folder:PATH.
        model: a model id, by whose features labels are doubted; by default pocket; none looks at pixels alone.
        seed: decides which images are drawn where splits are drawn.
        out: folder of what is written.
        unlabelled: files, folders or globs without labels: those that would teach most are named and written to label-next.csv.
        next_: how many of them.
        fix: write a cleaned list there, which csv: reads: without repeats of the same pixels, pictures with two labels and
            blank ones. Doubtful labels stay.
        device: cpu, cuda or cuda:N; by default a GPU if there is one.
        download: fetch what is not on this machine; without it no network is used.
        on_error: what to do with images that do not decode: stop, or skip and count them by reason.
        json: print results.json to stdout.
    """
    from coldframe.data import load_dataset
    from coldframe.data.places import find_files, readable
    from coldframe.registry import EMBEDDED
    from coldframe.verbs import check as verb
    from coldframe.verbs.check_files import write
    from coldframe.verbs.watch import command_line

    name = None if model == "none" else model or EMBEDDED
    held = load_dataset(data, seed=seed, download=download, on_error=on_error)
    pool, left = readable(find_files(unlabelled), on_error) if unlabelled else ([], {})
    common.say_left_out(left)
    found = verb.check(held, model=name, device=common.device_name(device), unlabelled=pool, count=next_)
    results = write(found, out, command_line(), fix)
    if json:
        common.print_json(results)
        return
    common.say(f"{held.spec} · {len(found.labels):,} images · {len(held.classes)} classes")
    common.say_all(found.lines or ["nothing found"])
    common.say(f"report: {out / 'report.html'}   to act on: {out / 'issues.csv'}")
    if fix is not None:
        common.say(f"cleaned list: csv:{fix}")
