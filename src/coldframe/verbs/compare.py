"""The main job: methods x backbones x data x seeds, with one cold pass for all of them, as one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from coldframe import measures
from coldframe.backbones import load_backbone
from coldframe.backbones.base import Backbone
from coldframe.cold import ColdPass, PassReport, attempts
from coldframe.data import load_dataset
from coldframe.data.anything import Anything, pictures
from coldframe.data.base import Dataset, OnError, Split, without_labels
from coldframe.data.crossing import crossed, pooled
from coldframe.errors import ColdframeError, InputError, nearest
from coldframe.evaluation.disturbances import Disturbances
from coldframe.evaluation.disturbed import add
from coldframe.evaluation.serving import serving
from coldframe.evaluation.unknown import AUTO, Strangers, Unknown, unknown_images
from coldframe.measures import hardware
from coldframe.measures.decision import MARGIN
from coldframe.measures.robustness import Space
from coldframe.methods import Method
from coldframe.methods.folds import Rule, all_shots
from coldframe.registry import EMBEDDED
from coldframe.report import Curve, Detail, Table, recommended
from coldframe.results.parts import training_curves
from coldframe.results.rows import short
from coldframe.results.wording import TRANSDUCTIVE
from coldframe.types import FEATURES, Row, digest_of
from coldframe.verbs.choose import check_data, distinct, label, methods_for_all
from coldframe.verbs.fit import finished, fit_and_evaluate
from coldframe.verbs.hand_over import deliver, fit_folder
from coldframe.verbs.pictures import hardest, prompts, wrong
from coldframe.verbs.rule import ruled, said
from coldframe.verbs.watch import Watch, circumstances, command_line, describe_data, describe_model, wanted

__all__ = ["Case", "Watch", "compare"]

@dataclass
class Case:
    """One model on one data set: its splits by seed and what was measured.

    Args:
        backbone: the frozen model.
        spec: the data's name.
        datasets: one a seed; the test split is the same in all.
        cold: what the shared pass did.
        rows: one a method and seed.
        probabilities: by method, one [N, K] a seed.
        fitted: by method, the object fitted with the first seed.
        robustness: by method, the lines of the robustness figures.
        notes: what a reader must know of the measurements.
        skipped: a sentence for each method that was not fitted, or not with every seed.
        failed: what stopped such a fit.
        several: whether other models are compared beside this one, so that folders are named by their model too.
        folders: by method, where the fit of the first seed is kept.
        unknown: images of none of the classes.
        folds: whether the data sets are folds, so that each has test images of its own.
    """

    backbone: Backbone
    spec: str
    datasets: list[Dataset]
    cold: PassReport = field(default_factory=PassReport)
    rows: list[Row] = field(default_factory=list)
    probabilities: dict[str, list[NDArray[np.float32]]] = field(default_factory=dict)
    fitted: dict[str, Method] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)
    failed: list[ColdframeError] = field(default_factory=list)
    several: bool = False
    folders: dict[str, Path] = field(default_factory=dict)
    unknown: Unknown | None = None
    folds: bool = False
    robustness: dict[str, list[Curve]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def tested(self) -> Split:
        """Return the test images that all seeds share, or those of all folds."""
        return pooled(self.datasets) if self.folds else self.datasets[0].test

    def answers(self, name: str) -> list[NDArray[np.float32]]:
        """Return a method's probabilities of :meth:`tested`, one [N, K] a seed; folds together are one."""
        found = self.probabilities[name]
        return [np.concatenate(found)] if self.folds else found


def compare(
    methods: Sequence[str | Method] | None = None,
    data: str | Dataset = "mini:caltech7",
    *,
    model: str | Backbone | Sequence[str | Backbone] = EMBEDDED,
    seeds: int = 3,
    folds: int | None = None,
    shots: int | None = None,
    epochs: int | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    on_error: OnError = "raise",
    classes: Sequence[str] | None = None,
    latency: bool = True,
    choose: Rule = "val",
    unlabelled: Anything | None = None,
    margin: float = MARGIN,
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

    Raises:
        InputError: nothing to compare, or a method that the model does not allow.
    """
    if seeds < 1:
        raise InputError(f"expected at least one seed, found seeds={seeds}")
    if choose not in get_args(Rule):
        raise InputError(f"expected choose of {', '.join(get_args(Rule))}, found {choose!r}{nearest(choose, get_args(Rule))}")
    if not 0 <= margin < 1:
        raise InputError(f"expected a margin in [0, 1), found {margin}; one point is 0.01")
    asked = Disturbances.of(
        noise, space=space, corruptions=corruptions, robustness=robustness, images=disturbed, attack_eps=attack_eps
    )
    cold, watch = cold or ColdPass(), watch or Watch()
    cold.progress = watch.cold
    objects = [method for method in methods or () if isinstance(method, Method)]
    models = distinct(objects) if objects else [model] if isinstance(model, str | Backbone) else list(model)
    if folds is not None and asked:
        raise InputError("expected no noise, corruptions or attack beside folds, found some; evaluate the saved run for them")
    datasets = _folded(data, folds, shots, classes, on_error, download) if folds is not None else [
        load_dataset(data, shots=shots, seed=seed, classes=classes, on_error=on_error, download=download)
        if isinstance(data, str)
        else data
        for seed in range(seeds)
    ]  # fmt: skip
    if choose != "val":
        datasets = [all_shots(dataset) for dataset in datasets]
    backbones = [
        load_backbone(each, device=device, dtype=precision, download=download) if isinstance(each, str) else each
        for each in models
    ]
    # What a model does not allow is known here, before any image is read.
    chosen = methods_for_all(methods, backbones, options or {}, epochs, datasets[0].classes)
    chosen = [([ruled(method, choose) for method in able], skipped) for able, skipped in chosen]
    chosen = check_data(chosen, datasets, asked=methods is not None)
    strange = unknown_images(unknown, datasets[0], download=download)
    seen = _unlabelled(unlabelled, datasets[0], [method for able, _ in chosen for method in able])
    cases = []
    for backbone, (able, skipped) in zip(backbones, chosen, strict=True):
        case = Case(backbone, datasets[0].spec, datasets, skipped=skipped, several=len(backbones) > 1, unknown=strange)
        case.folds = folds is not None
        cases.append(case)
        if able:
            _run(case, able, cold, watch, latency, Path(out) if out is not None else None, asked, choose)
    without = [note for case in cases if not case.rows for note in case.skipped]
    cases = [case for case in cases if case.rows] or _refuse(cases)
    table = _table(cases, command or command_line(), device, cold.storage, margin, choose)
    table.notes += without + seen
    table.about.noise, table.about.attack = asked.named, asked.named_eps
    table.notes += asked.notes(datasets[0].test, (method for case in cases for method in case.fitted.values()))
    if out is not None:
        kept = {(case.backbone.name, name): (case.fitted[name], at) for case in cases for name, at in case.folders.items()}
        deliver(table, kept, datasets[0], Path(out), refit=refit, cold=cold, watch=watch)
    return table


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
    choose: Rule,
) -> None:  # fmt: skip
    watch.start(describe_model(case.backbone), describe_data(case.datasets))
    splits = [split for dataset in case.datasets for split in dataset.splits]
    splits += [method.unlabelled for method in methods if method.unlabelled is not None][:1]
    kept = wanted(methods, (FEATURES, "plain"))
    strange = [] if case.unknown is None else [case.unknown.split]
    sizes = [len(split) for split in splits]
    drawn = [case.spec, sizes, case.backbone.digest, case.backbone.preprocess.as_dict(), cold.kept]
    note = None if out is None else out / "cold" / f"{digest_of(drawn)[:8]}.json"
    case.cold = attempts.prepare(cold, case.backbone, splits + strange, kept, note)
    watch.cold_done(case.cold)
    watch.planned([label(method, methods) for method in methods])
    fits: dict[tuple[str, int], tuple[Method, Path | None]] = {}
    strangers: dict[int, Strangers] = {}
    for method in methods:
        name = label(method, methods)
        for seed, dataset in enumerate(case.datasets):
            watch.fitting(name, seed)
            fit = method.again(seed=0 if case.folds else seed)
            try:
                turn = f"fold{seed}" if case.folds else f"seed{seed}"
                called = f"{case.backbone.name} {name} {turn}" if case.several else f"{name} {turn}"
                about = cold.kept if case.unknown is None else f"{cold.kept} {case.unknown.spec}"
                folder = None if out is None else fit_folder(out, called, fit, dataset, about, choose)
                if folder is not None and (folder / "result.json").exists():
                    row, probabilities = finished(fit, dataset, folder)
                else:
                    if case.unknown is not None and seed not in strangers:
                        strangers[seed] = Strangers(case.backbone, dataset, case.unknown, cold)
                    row, probabilities = fit_and_evaluate(
                        fit, dataset, data=case.spec, seed=seed, cold=cold, watch=watch,
                        name=name, folder=folder, timed=False, choose=choose, strangers=strangers.get(seed),
                    )  # fmt: skip
            except ColdframeError as error:  # what others have finished must not be lost with it
                case.failed.append(error)
                case.skipped.append(f"{name} on {case.backbone.name}, seed {seed}, was not finished: {error}")
                watch.failed(case.skipped[-1])
                break
            row["cold_seconds"] = round(case.cold.seconds, 3)
            row |= {"images_in_all": sum(len(each.test) for each in case.datasets)} if case.folds else {}
            if folder is not None and out is not None:
                row["folder"] = folder.relative_to(out).as_posix()
                case.folders.setdefault(name, folder)
            case.rows.append(row)
            case.probabilities.setdefault(name, []).append(probabilities)
            case.fitted.setdefault(name, fit)
            if asked:
                fits[name, seed] = fit, folder
            watch.row(row)
    if timed and case.fitted:
        _time(case)
    case.robustness = add(case.rows, fits, case.datasets[0].test, asked, watch.disturbed)


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


def _table(cases: Sequence[Case], command: str, device: str, storage: str, margin: float, choose: Rule) -> Table:
    first = cases[0]
    data, one = first.datasets[0], len(cases) == 1
    fingerprint = measures.machine(device)
    seeds = len(first.datasets)
    about = circumstances(
        data,
        {
            name if one else f"{name} on {case.backbone.name}": method
            for case in cases
            for name, method in case.fitted.items()
        },
        [case.backbone for case in cases],
        data=short(first.spec),
        train=len(data.train),
        val=len(data.val),
        test=len(first.tested()),
        classes=data.classes,
        device=f"{fingerprint['device']}, {hardware.threads(fingerprint)}",
        precision=str(first.backbone.dtype).removeprefix("torch."),
        splits=data.origin + (f"; the other seeds to {seeds - 1} draw theirs the same way" * (seeds > 1 and not first.folds)),
        choices=said(choose, {row["method"]: row.get("chosen_by") for case in cases for row in case.rows}, seeds),
        cold="; ".join(_cold_words(case) for case in cases),
        margin=margin,
    )
    table = Table(command=command, machine=fingerprint, about=about)
    for case in cases:
        for row in case.rows:
            table.add(row)
        for name, probabilities in case.probabilities.items():
            if len(probabilities) < seeds:
                continue  # rows stand in the table, but nothing can be paired with the other methods
            probabilities = case.answers(name)
            curves = [*training_curves(case.fitted[name].history), *case.robustness.get(name, [])]
            table.details.append(
                Detail.of(name, probabilities, case.tested().labels, model=case.backbone.name, data=case.spec, curves=curves)
            )
        table.notes += case.skipped + case.cold.notes + case.notes
    if storage == "bf16":
        table.notes.append("activations were stored in bf16, an approximation: results differ a little from fp32")
    if data.skipped:
        table.notes.append(f"{len(data.skipped)} unreadable files were left out: {', '.join(data.skipped[:5])}")
    if first.unknown is not None:
        table.notes += first.unknown.doubts()
    table.pair()
    best = recommended(table)
    for case in cases:
        if best is not None and case.backbone.name == best.model:
            table.hardest = hardest(case.answers(best.method), case.tested(), case.spec)
            table.wrong = wrong(case.answers(best.method), case.tested(), case.spec)
        for name, method in case.fitted.items():
            table.prompts += prompts(name, method, data)
    return table


def _cold_words(case: Case) -> str:
    cuts = ", ".join(case.cold.cuts)
    if not case.cold.images:
        return f"{case.backbone.name}: all of {case.cold.reused:,} images were in the store already (cuts {cuts})"
    return (
        f"{case.backbone.name}: {case.cold.images:,} images in {case.cold.seconds:.1f} s, "
        f"{case.cold.bytes / 1e6:,.0f} MB stored (cuts {cuts})"
    )
