"""``coldframe evaluate RUN``: measure a saved adaptation on data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from coldframe.cli import common, numbers, shared


def evaluate(
    run: Path,
    *,
    data: str,
    split: Literal["train", "val", "test", "all"] = "test",
    noise: list[str] | None = None,
    space: Literal["normalised", "pixel"] = "normalised",
    corruptions: bool = False,
    attack: Literal["pgd"] | None = None,
    eps: Annotated[list[str] | None, Parameter(allow_leading_hyphen=True)] = None,
    steps: numbers.Steps | None = None,
    restarts: numbers.Steps | None = None,
    disturbed: numbers.Count | None = None,
    seed: numbers.Seed = 0,
    classes: str | None = None,
    on_error: shared.OnError = "raise",
    out: Path | None = None,
    own: shared.Own = None,
    device: shared.Device = None,
    download: shared.Download = False,
    batch: shared.Frozen = 64,
    json: bool = False,
) -> None:
    """Evaluate a saved run: accuracies, calibration, latency; on request under noise, corruptions and attack.

    On joined data (A+B) a run that scores class names answers with the classes of both: top-1 on the union, on each part
    alone and in the union, and how many images of one part are taken for a class of the other.

    Parameters
    ----------
    run:
        Folder of a saved run: what 'coldframe fit' wrote, or what 'coldframe compare' wrote, which stands for its
        best/, or one of the folders in its fits/.
    data:
        A data spec whose classes are bound by name to those that were learned, in any order, or several joined by +.
    split:
        Which images; all reads every image as one split and draws none, such as labelled photos that the run has never seen.
    noise:
        Standard deviations of Gaussian noise separated by commas, such as 0,0.05,0.1,0.2; several give a curve.
    space:
        Where noise is added: to normalised images, as the founding course does, or to pixels in [0, 1].
    corruptions:
        Measure under the fifteen corruptions of ImageNet-C at five severities.
    attack:
        Share of images still right after an untargeted L-infinity attack: signed projected gradient steps.
    eps:
        Largest changes of a value separated by commas, such as 0,1/255,2/255,4/255; several give a curve. By default 4/255.
    steps:
        Gradient steps of the attack, at most; by default 20.
    restarts:
        How often the attack begins, from the second time on at random points; by default 1.
    disturbed:
        Most images to disturb, drawn evenly over classes; by default all.
    seed:
        Seed of the splits that the data does not fix.
    classes:
        Class names separated by commas, or a file of lines, in place of the data's own.
    out:
        Folder for results.json, the report and the figures.
    json:
        Print the row as JSON.
    """
    from coldframe.cli.live import Terminal
    from coldframe.data import load_dataset
    from coldframe.errors import InputError
    from coldframe.evaluation.disturbances import Disturbances, deviations, radii
    from coldframe.measures.adversarial import STEPS, USUAL
    from coldframe.methods import load
    from coldframe.verbs.evaluate import measure_run, write
    from coldframe.verbs.watch import Watch, command_line

    common.run_own(own)
    if attack is None and any(value is not None for value in (eps, steps, restarts)):
        raise InputError("expected --eps, --steps and --restarts with an attack only; add --attack pgd or leave them out")
    asked = Disturbances.of(
        deviations(noise), space=space, corruptions=corruptions, images=disturbed,
        attack_eps=None if attack is None else radii(eps) or USUAL,
        steps=STEPS if steps is None else steps, restarts=1 if restarts is None else restarts,
    )  # fmt: skip
    method = load(run, device=common.device_name(device), download=download)
    dataset = load_dataset(
        data, seed=seed, classes=common.class_names(classes), on_error=on_error, download=download, whole=split == "all",
        several=True,
    )
    watch = Watch() if json else Terminal()
    done = measure_run(
        method, dataset, split, asked=asked, cold=common.cold_pass("fp32", None, batch),
        command=command_line(), progress=watch.disturbed,
    )  # fmt: skip
    if out is not None:
        write(done, out)
    common.say_left_out(dict(dataset.reasons))
    common.print_row(done.row, json=json)
    for line in () if json else done.lines:
        common.say(f"  {line}")
