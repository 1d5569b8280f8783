"""``coldframe compare``: the main job."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from coldframe.cli import common, grouped, numbers, shared, spread

if TYPE_CHECKING:
    from coldframe.backbones.base import Backbone

DEFAULT_DATA, DEFAULT_EPOCHS = "mini:caltech7", 6
"""What is compared when no data is named, and for how many passes: enough for every method to gain."""
REPORT = 5.0
"""Seconds of a budget that are kept for the report."""


def compare(
    *,
    data: list[str] | None = None,
    model: list[str] | None = None,
    fit_: shared.Square = None,
    methods: list[str] | None = None,
    seeds: numbers.Seeds = 3,
    folds: numbers.Count | None = None,
    shots: numbers.Count | None = None,
    epochs: numbers.Epochs | None = None,
    balance: Literal["none", "loss", "sample"] | None = None,
    set_: Annotated[list[str] | None, Parameter(name="--set")] = None,
    classes: str | None = None,
    on_error: shared.OnError = "raise",
    noise: list[str] | None = None,
    space: Literal["normalised", "pixel"] = "normalised",
    corruptions: bool = False,
    attack_eps: Annotated[list[str] | None, Parameter(allow_leading_hyphen=True)] = None,
    disturbed: numbers.Count | None = None,
    choose: Literal["val", "loo", "cv"] = "val",
    unknown: str = "bundled",
    unlabelled: list[str] | None = None,
    budget: str | None = None,
    margin: numbers.Points = 1.0,
    out: Path | None = None,
    refit: bool = True,
    device: shared.Device = None,
    precision: shared.Precision = "fp32",
    storage: shared.Storage = "fp32",
    budget_gb: shared.BudgetGb = None,
    batch: shared.Frozen = 64,
    engine: shared.Engine = "eager",
    download: shared.Download = False,
    fast: bool = False,
    cluster: shared.Cluster = None,
    groups: shared.Groups = 8,
    only: shared.Only = None,
    json: bool = False,
) -> None:
    """Run ways to adapt frozen models on your images; print a table and a verdict, write a report.

    Without --data it takes mini:caltech7, 432 bundled training images, for 6 epochs. Choices are made on validation images;
    test images are read once a fit. A stopped comparison goes on where it stood when it is given the same --out again.

    Parameters
    ----------
    data:
        folder:PATH, parquet:PATH, torchvision:NAME, mini:NAME, or several joined by +; by default mini:caltech7. Repeat the
        option for several.
    model:
        A model id, such as open_clip:ViT-B-32/openai or lite0; by default pocket. 'coldframe models' lists them. Repeat the
        option for several.
    methods:
        Names separated by commas, or FILE.py:NAME of a class of your own.
        When left out: zero-shot, linear-probe, pixel-prompt, deep-prompt and fine-tune, as far as
        the model allows.
    seeds:
        Number of seeds; each draws its own validation images and seeds the method.
    folds:
        Cross-validation in so many folds in place of seeds: every image is a test image once, and intervals speak of all.
    shots:
        Training images per class; by default all.
    epochs:
        Passes over the training images, for every method that has them.
    balance:
        For classes of unequal size, in every trained method: loss weights the images of small classes more, sample draws them
        more often in an epoch.
    set_:
        A method's setting, METHOD.NAME=VALUE, such as fine-tune.epochs=5, or of a group, such as peft.lr=auto. Repeat the
        option for several.
    classes:
        Class names separated by commas, or a file of lines, in place of the data's own.
    noise:
        Standard deviations of Gaussian noise separated by commas, such as 0,0.05,0.1,0.2; several give a curve.
    space:
        Where noise is added: to normalised images, as the founding course does, or to pixels in [0, 1].
    corruptions:
        Measure every fit under the fifteen corruptions of ImageNet-C at five severities.
    attack_eps:
        Attack every fit by untargeted PGD within these L-infinity radii, such as 4/255 or 0,2/255,4/255; several give a curve.
    disturbed:
        Most test images to disturb, drawn evenly over classes; by default all.
    choose:
        How every method chooses its settings: on validation images; by exact leave-one-out where a method has it, else over 5
        folds; or over 5 folds. Under loo and cv no image is held out: the validation images are learned from too.
    unknown:
        Images of none of your classes, to measure whether they are noticed: any folder of images or a data spec; bundled takes
        100 images of a bundled sample, none leaves it out.
    unlabelled:
        Pictures or folders without labels for transductive methods (transclip); without any they see the test images, never
        their labels. Such a line is marked transductive.
    budget:
        The time that the command may take, such as 90s, 10min or 2h: cheap methods run first, learning rates are searched by
        successive halving as far as time allows, and what is left out is named with its cost.
    margin:
        Points of top-1 that do not matter to you: among methods surely within them of the best, the cheapest to serve is
        recommended.
    out:
        Folder for results.json, results.csv, figures, report.html and the adapted models: all in fits/, the recommended one in
        best/.
    refit:
        Let the recommended method learn once more from train and validation images together before it goes to best/.
    fast:
        One seed, at most 20 training images per class and 4 epochs, for a first look within a minute.
    json:
        Print results.json to stdout and nothing else.
    """
    started = time.monotonic()
    from coldframe import registry
    from coldframe.backbones import load_backbone
    from coldframe.cli.live import Terminal
    from coldframe.data import load_dataset
    from coldframe.evaluation.disturbances import deviations, radii
    from coldframe.report import print_table, save_report
    from coldframe.report.index import joined, save_index
    from coldframe.results.wording import handed_over
    from coldframe.verbs.budget import Budget, seconds_of
    from coldframe.verbs.compare import compare as run
    from coldframe.verbs.look_ahead import look_ahead
    from coldframe.verbs.watch import Watch, folder_names

    spread.alone("compare")
    part = grouped.part_of(only, cluster, out, budget)
    whole = None if budget is None else Budget(seconds_of(budget), started=started)
    if fast:
        seeds, shots, epochs = 1, shots or 20, epochs or 4
    if not data:
        data, epochs = [DEFAULT_DATA], epochs or DEFAULT_EPOCHS
    grouped.elsewhere(cluster, groups, None if out is None else out / "cluster")
    watch = Watch() if json else Terminal()
    specs, tables, names = data, {}, folder_names(data)
    models: Sequence[str | Backbone] = model or [registry.EMBEDDED]
    backbones: list[Backbone] = []
    if len(specs) > 1 or fit_ is not None:
        where = common.device_name(device)
        models = backbones = [
            load_backbone(name, device=where, dtype=precision, download=download, fit=fit_)
            for name in model or [registry.EMBEDDED]
        ]
    if len(specs) > 1:
        look_ahead(
            specs,
            lambda spec: load_dataset(
                spec, shots=shots, classes=common.class_names(classes), on_error=on_error, download=download, several=True
            ),
            common.names(methods), backbones, options=common.settings(set_ or []), epochs=epochs, on_error=on_error,
        )  # fmt: skip
    for number, spec in enumerate(specs):
        folder = out if out is None or len(specs) == 1 else out / names[spec]
        table = run(
            common.names(methods),
            spec,
            model=models,
            seeds=seeds,
            folds=folds,
            shots=shots,
            epochs=epochs,
            balance=balance,
            options=common.settings(set_ or []),
            on_error=on_error,
            classes=common.class_names(classes),
            noise=deviations(noise),
            space=space,
            corruptions=corruptions,
            attack_eps=radii(attack_eps) or None,
            disturbed=disturbed,
            choose=choose,
            unknown=unknown,
            unlabelled=unlabelled,
            budget=None if whole is None else whole.part(len(specs) - number, REPORT if folder is not None else 0.0),
            margin=margin / 100,
            out=folder,
            refit=refit,
            device=common.device_name(device),
            precision=precision,
            download=download,
            cold=common.cold_pass(storage, budget_gb, batch, engine),
            watch=watch,
            only=part,
        )
        if isinstance(watch, Terminal):
            watch.stop()
        if part is not None:
            continue
        tables[names[spec]] = table
        if folder is not None:
            save_report(table, folder)
        if json:
            continue
        print_table(table)
        if folder is not None:
            common.say_all(handed_over(table.handed, str(folder)))
        if folder is not None and len(specs) == 1:
            common.say(f"report: {folder / 'report.html'}")
    if part is not None:
        common.say_failed(watch.failures)
        return
    if out is not None and len(specs) > 1:
        page = save_index(tables, out)
        if not json:
            common.say(f"report: {page}")
    if json:
        common.print_json(joined(tables))
    common.refuse(watch.failures)
