"""The main job: methods x backbones x data x seeds, with one cold pass for all of them, as one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from coldframe.backbones import load_backbone
from coldframe.backbones.base import Backbone
from coldframe.cold import ColdPass, attempts
from coldframe.data import load_dataset
from coldframe.data.anything import Anything, pictures
from coldframe.data.base import Dataset, OnError, without_labels
from coldframe.data.crossing import crossed
from coldframe.errors import InputError, nearest
from coldframe.evaluation.disturbances import Disturbances
from coldframe.evaluation.disturbed import add
from coldframe.evaluation.serving import serving
from coldframe.evaluation.unknown import AUTO, unknown_images
from coldframe.measures.decision import MARGIN
from coldframe.measures.robustness import Space
from coldframe.methods import Method
from coldframe.methods.balance import Balance
from coldframe.methods.folds import Rule, all_shots
from coldframe.methods.trained import Trained
from coldframe.registry import EMBEDDED
from coldframe.report import Table
from coldframe.results.wording import TRANSDUCTIVE
from coldframe.types import FEATURES, digest_of
from coldframe.verbs.budget import Budget, seconds_of, within
from coldframe.verbs.case import Case, Fits
from coldframe.verbs.choose import check_data, distinct, label, methods_for_all
from coldframe.verbs.hand_over import deliver
from coldframe.verbs.rule import ruled
from coldframe.verbs.tabulate import tabulate
from coldframe.verbs.watch import Watch, command_line, describe_data, describe_model, wanted

__all__ = ["Case", "Watch", "compare"]


def compare(
    methods: Sequence[str | Method] | None = None,
    data: str | Dataset = "mini:caltech7",
    *,
    model: str | Backbone | Sequence[str | Backbone] = EMBEDDED,
    seeds: int = 3,
    folds: int | None = None,
    shots: int | None = None,
    epochs: int | None = None,
    balance: Balance | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    on_error: OnError = "raise",
    classes: Sequence[str] | None = None,
    latency: bool = True,
    choose: Rule = "val",
    unlabelled: Anything | None = None,
    margin: float = MARGIN,
    budget: str | float | Budget | None = None,
    noise: float | Sequence[float] | None = None,
    space: Space = "normalised",
    corruptions: bool = False,
    robustness: bool = False,
    attack_eps: float | Sequence[float] | None = None,
    disturbed: int | None = None,
    unknown: str = AUTO,
    download: bool = False,
    out: str | Path | None = None,
    refit: bool = True,
    device: str = "cpu",
    precision: str = "fp32",
    cold: ColdPass | None = None,
    watch: Watch | None = None,
    command: str | None = None,
    only: tuple[int, int] | None = None,
) -> Table:
    """Run ways to adapt frozen models and return one table of what each gains and costs.

    Every seed draws its own training and validation images where the data does not fix them, and seeds the method; the
    test images are the same for all. Choices are made on validation images; test images are read once a fit.

    Args:
        methods: names, or method objects whose settings and backbone are used; None for all that the model allows.
        data: a data spec or a data set.
        model: backbone names or backbones; not used by methods that are objects.
        seeds: number of seeds, 0 .. seeds-1.
        folds: k folds of cross-validation in place of seeds: every image is a test image once, and intervals speak of all of
            them; the data's own splits do not count.
        shots: training images per class.
        epochs: passes over the training images, for every method by name that has them and is given no others in ``options``.
        balance: for classes of unequal size, of every method by name that has it: ``"loss"`` weights the images of small
            classes more, ``"sample"`` draws them more often; None leaves it to each method.
        options: constructor arguments by method name, such as ``{"fine-tune": {"epochs": 5}}``.
        on_error: ``"raise"`` or ``"skip"`` for images that do not decode.
        classes: class names in place of the data's own.
        latency: whether the latency of each method is measured.
        choose: how every method of the table chooses its settings. ``"val"``: on the validation images. ``"loo"``: by exact
            leave-one-out where a method has it, else over folds; ``"cv"``: over folds. Under both the validation images join
            the training images, so that every labelled image is learned from; see :mod:`coldframe.methods.folds`.
        unlabelled: pictures without labels for transductive methods; without any these take the test images, never their
            labels.
        margin: the difference in top-1 that does not matter in practice, a fraction; see :func:`coldframe.measures.decide`.
        budget: the time that all of it may take, such as ``"10min"``, ``"90s"`` or seconds: cheap methods run first, learning
            rates are searched by successive halving as far as time allows, and the notes say what was left out and what it
            would cost; see :mod:`coldframe.verbs.budget`. None runs everything.
        noise: standard deviations of Gaussian noise under which every fit is measured.
        space: where noise is added: ``"normalised"`` images or ``"pixel"`` values, see :mod:`coldframe.measures.robustness`.
        corruptions: whether every fit is measured under fifteen corruptions at five severities.
        robustness: both, with the usual standard deviations.
        attack_eps: radii of an untargeted L-infinity attack on every fit, in units of [0, 1]; none when None.
        disturbed: most test images to disturb; None for all.
        unknown: images of none of the classes, which every fit should tell from its own: any folder of images or a data spec;
            ``"bundled"`` takes 100 of a bundled sample, ``"none"`` leaves it out.
        download: whether weights and data that are not on this machine may be fetched.
        out: folder for finished fits, so that a stopped comparison goes on where it stood, and for the recommended method in
            ``best``; None keeps nothing.
        refit: whether the recommended method learns from train and val together before it is handed over.
        device: where to run.
        precision: ``"fp32"`` or ``"bf16"`` weights and arithmetic of the frozen part.
        cold: how cold activations are computed and kept.
        watch: told about progress.
        command: what to write into the report as the way to run it again; None for the process's own arguments.
        only: (i, n): run every n-th fit from the i-th on, keep it in ``out`` for a comparison that is run afterwards, and
            return an empty table; with i = 0 the cold pass alone. None runs everything.

    Raises:
        InputError: nothing to compare, or a method that the model does not allow.
    """
    if seeds < 1:
        raise InputError(f"expected at least one seed, found seeds={seeds}")
    if choose not in get_args(Rule):
        raise InputError(f"expected choose of {', '.join(get_args(Rule))}, found {choose!r}{nearest(choose, get_args(Rule))}")
    if not 0 <= margin < 1:
        raise InputError(f"expected a margin in [0, 1), found {margin}; one point is 0.01")
    budget = budget if budget is None or isinstance(budget, Budget) else Budget(seconds_of(budget))
    asked = Disturbances.of(
        noise, space=space, corruptions=corruptions, robustness=robustness, images=disturbed, attack_eps=attack_eps
    )
    cold, watch = cold or ColdPass(), watch or Watch()
    cold.progress = watch.cold
    objects = [method for method in methods or () if isinstance(method, Method)]
    models = distinct(objects) if objects else [model] if isinstance(model, str | Backbone) else list(model)
    if folds is not None and budget is not None:
        raise InputError("expected no budget beside folds, whose images count only when all folds are done, found one")
    if folds is not None and asked:
        raise InputError("expected no noise, corruptions or attack beside folds, found some; evaluate the saved run for them")
    datasets = _folded(data, folds, shots, classes, on_error, download) if folds is not None else [
        load_dataset(data, shots=shots, seed=seed, classes=classes, on_error=on_error, download=download, several=True)
        if isinstance(data, str)
        else data
        for seed in range(seeds)
    ]  # fmt: skip
    if datasets[0].train.tags is not None:
        unknown = _several_alone(unknown, folds=folds, noise=asked, choose=choose, budget=budget, unlabelled=unlabelled)
    if choose != "val":
        datasets = [all_shots(dataset) for dataset in datasets]
    backbones = [
        load_backbone(each, device=device, dtype=precision, download=download) if isinstance(each, str) else each
        for each in models
    ]
    # What a model does not allow is known here, before any image is read.
    chosen = methods_for_all(methods, backbones, options or {}, epochs, datasets[0].classes, balance)
    chosen = [([ruled(method, choose) for method in able], skipped) for able, skipped in chosen]
    chosen = check_data(chosen, datasets, asked=methods is not None)
    strange = unknown_images(unknown, datasets[0], download=download)
    seen = _unlabelled(unlabelled, datasets[0], [method for able, _ in chosen for method in able])
    cases = []
    for number, (backbone, (able, skipped)) in enumerate(zip(backbones, chosen, strict=True)):
        case = Case(backbone, datasets[0].spec, datasets, skipped=skipped, several=len(backbones) > 1, unknown=strange)
        case.folds = folds is not None
        cases.append(case)
        if able:
            _run(case, able, cold, watch, latency, Path(out) if out is not None else None, asked, choose,
                 None if budget is None else budget.part(len(backbones) - number), only)  # fmt: skip
    if only is not None:
        return Table(command=command or command_line())
    without = [note for case in cases if not case.rows for note in case.skipped]
    cases = [case for case in cases if case.rows] or _refuse(cases)
    table = tabulate(cases, command or command_line(), device, cold, margin, choose, whole=budget is None)
    table.notes += without + seen
    table.about.noise, table.about.attack = asked.named, asked.named_eps
    table.notes += asked.notes(datasets[0].test, (method for case in cases for method in case.fitted.values()))
    if out is not None:
        kept = {(case.backbone.name, name): (case.fitted[name], at) for case in cases for name, at in case.folders.items()}
        refit = refit and (budget is None or budget.allows_refit(table))
        deliver(table, kept, datasets[0], Path(out), refit=refit, cold=cold, watch=watch)
    return table


def _several_alone(unknown: str, **asked: Any) -> str:
    """Refuse what knows one label per image alone; return what takes the place of images of none of the classes."""
    usual = {"choose": "val"}
    for name, value in asked.items():
        if value and value != usual.get(name):
            raise InputError(f"expected no {name} beside several labels per image, found some; leave it out")
    if unknown not in (AUTO, "none"):
        raise InputError("expected no unknown images beside several labels per image, found some; leave them out")
    return "none"


def _folded(
    data: str | Dataset, folds: int, shots: int | None, classes: Sequence[str] | None, on_error: OnError, download: bool
) -> list[Dataset]:
    """Return the data sets of cross-validation."""
    if isinstance(data, str):
        data = load_dataset(data, classes=classes, on_error=on_error, download=download, whole=True)
    return crossed(data, folds, shots=shots)


def _unlabelled(given: Anything | None, dataset: Dataset, methods: Sequence[Method]) -> list[str]:
    """Give transductive methods what they may see without labels, and return the sentence that says so."""
    able = [method for method in methods if method.transductive]
    if given is not None and not able:
        raise InputError("expected a transductive method for the unlabelled images, found none; add transclip to --methods")
    if not able:
        return []
    test = dataset.test
    images = test.images if given is None else pictures(given)
    for method in able:
        method.unlabelled = without_labels(images, "unlabelled", dataset.classes)
    what = f"the {len(images):,} test images" if given is None else f"{len(images):,} unlabelled images"
    names = " and ".join(dict.fromkeys(method.name for method in able))
    return [f"{names} learned from {what} too, never from their labels: such a line is {TRANSDUCTIVE} and is not recommended"]


def _refuse(cases: Sequence[Case]) -> list[Case]:
    """Refuse a comparison in which no fit could be finished, with the first reason."""
    raise next((case.failed[0] for case in cases if case.failed), InputError("expected at least one method, found none"))


def _run(
    case: Case, methods: Sequence[Method], cold: ColdPass, watch: Watch, timed: bool, out: Path | None, asked: Disturbances,
    choose: Rule, budget: Budget | None, only: tuple[int, int] | None,
) -> None:  # fmt: skip
    watch.start(describe_model(case.backbone), describe_data(case.datasets))
    splits = [split for dataset in case.datasets for split in dataset.splits]
    splits += [method.unlabelled for method in methods if method.unlabelled is not None][:1]
    wants = wanted(methods, (FEATURES, "plain"))
    strange = [] if case.unknown is None else [case.unknown.split]
    sizes = [len(split) for split in splits]
    drawn = [case.spec, sizes, case.backbone.digest, case.backbone.preprocess.as_dict(), cold.kept]
    note = None if out is None else out / "cold" / f"{digest_of(drawn)[:8]}.json"
    if budget is not None:
        budget.check_cold(cold, case.backbone, splits + strange, wants)
    case.cold = attempts.prepare(cold, case.backbone, splits + strange, wants, note)
    watch.cold_done(case.cold)
    names = [label(method, methods) for method in methods]
    lengths = {name: int(one.epochs) for name, one in zip(names, methods, strict=True) if isinstance(one, Trained)}
    watch.planned(names, lengths, len(case.datasets))
    fits = Fits(case, cold, watch, out, choose)
    if budget is None:
        seeds = range(len(case.datasets))
        for number, (method, name) in enumerate(zip(methods, names, strict=True)):
            for seed in seeds:
                if only is not None and (number * len(seeds) + seed) % only[1] != only[0] - 1:
                    continue
                if not fits.run(method, name, seed):
                    break
    else:
        timed = within(budget, fits, dict(zip(names, methods, strict=True)), timed=timed)
    if only is not None:
        return
    if timed and case.fitted:
        _time(case)
    kept = fits.kept if asked else {}
    case.robustness = add(case.rows, kept, case.datasets[0].test, asked, watch.disturbed)


def _time(case: Case) -> None:
    """Measure what an answer of each method costs, in turns, and put it into the row of its first seed."""
    costs = serving(case.fitted)
    timed = set()
    for row in case.rows:
        if row["method"] not in timed:
            row |= costs[row["method"]].fields()
            timed.add(row["method"])
    disturbed = next((cost.interference for cost in costs.values() if cost.interference), "")
    if disturbed:
        case.notes.append(
            f"other work ran on the machine while {case.backbone.name} was timed ({disturbed}): latencies are upper bounds; "
            "results.json has the processor's time beside them, which other work hardly changes"
        )
