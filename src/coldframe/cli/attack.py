"""``coldframe attack``: adversarial examples of image files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from coldframe.cli import common, numbers, shared


def attack(
    *images: str,
    model: list[str] | None = None,
    own: shared.Own = None,
    target: list[str] | None = None,
    eps: Annotated[str, Parameter(allow_leading_hyphen=True)] = "8/255",
    robust: bool = False,
    steps: numbers.Steps = 40,
    samples: numbers.Steps | None = None,
    seed: numbers.Seed = 0,
    out: Path = Path("runs/attack"),
    device: shared.Device = None,
    download: shared.DownloadWeights = False,
    on_error: shared.OnErrorBefore = "raise",
    most_images: numbers.Count = 10_000,
    json: bool = False,
) -> None:
    """Change image files by too little to be seen, until a model takes them for something else.

    Writes the adversarial images as PNG, figures of them and of what survives mirroring, cropping, turning, grey and JPEG, and
    results.json. The class that the model puts first on the clean image counts as the true one.

    Parameters
    ----------
    images:
        Files, folders (searched below) and globs.
    model:
        A model id with a classifier, or the folder of a saved run; by default lite0. Repeated for several models of the same
        classes: each is attacked, all are shown the images, and who-fools-whom.png says which fool which.
    target:
        Number or name of the wanted class; once for all images, or repeated, once for each. By default any wrong class.
    eps:
        Largest change of a value in units of [0, 1], as a number or a fraction.
    robust:
        Make images that survive mirroring, cropping, turning and the like: steps on the mean over random changes.
    steps:
        Gradient steps, at most.
    samples:
        Random changes in each step of --robust; by default 4.
    seed:
        Of the random changes.
    out:
        Folder of the results.
    most_images:
        Files that are taken, at most; more are refused before any work.
    json:
        Print the rows as JSON.
    """
    from coldframe.errors import InputError
    from coldframe.registry import CLASSIFIER
    from coldframe.verbs.attack import attack_files, usual
    from coldframe.verbs.attack_results import rows, write
    from coldframe.verbs.transfer import matrix, transfer, write_all

    if not images:
        raise InputError("expected at least one image file, folder or glob, found none; name some after 'coldframe attack'")
    if samples is not None and not robust:
        raise InputError("expected --samples with --robust only; add --robust or leave --samples out")
    way = usual(eps, robust=robust, steps=steps, samples=samples or 4, seed=seed)
    common.run_own(own)
    name = model[0] if model else CLASSIFIER
    given: dict[str, Any] = {
        "device": common.device_name(device), "download": download, "on_error": on_error, "seen": common.seen,
        "most": most_images,
    }  # fmt: skip
    said = {"eps": eps, "robust": robust, "steps": steps, "samples": way.samples if robust else None}
    said |= {"step": way.step, "seed": seed}
    if model and len(model) > 1:
        several = transfer(model, images, way, target or (), **given)
        written = write_all(several, out, said)
        common.say_left_out(next(iter(several.attacked.values())).left_out)
        if json:
            common.print_json([cell.as_dict() for cell in several.cells])
            return
        common.print_lines(matrix(several))
        common.say(f"images fooled within {eps}, of those that both models put into one class; {len(written)} files in {out}")
        return
    done = attack_files(name, images, way, target or (), **given)
    written = write(done, out, {"model": name, **said})
    table = rows(done)
    common.say_left_out(done.left_out)
    if json:
        common.print_json(table)
        return
    for row in table:
        first = f"{row['class']} {row['probability']:.1%} -> {row['adversarial_class']} {row['adversarial_probability']:.1%}"
        common.say(row["file"])
        common.say(f"  {first}   {'fooled' if row['fooled'] else 'NOT fooled'} after {row['steps']} steps")
        common.say("  " + "   ".join(f"{change} {'yes' if s['survived'] else 'no'}" for change, s in row["survival"].items()))
    common.say(f"{sum(row['fooled'] for row in table)} of {len(table)} fooled within {eps}; {len(written)} files in {out}")
