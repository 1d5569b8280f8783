"""The folders of a comparison: a readable name for every fit, and ``best/``, the model that is handed over."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from coldframe import files
from coldframe.cold import ColdPass
from coldframe.data.base import Dataset
from coldframe.errors import ColdframeError
from coldframe.evaluation.row import evaluate
from coldframe.files.reading import read
from coldframe.methods import Method
from coldframe.methods.folds import Rule, how
from coldframe.methods.run_folder import ABOUT, BEST
from coldframe.results.results import Results
from coldframe.results.verdict import recommended
from coldframe.training.checkpoint import NAME as CHECKPOINT
from coldframe.training.checkpoint import another_run
from coldframe.types import digest_of
from coldframe.verbs.watch import Watch

KEY = "fit.json"
"""What a fit's folder belongs to, written before anything else: settings, weights and images, as one digest."""
HANDED = "handed.json"
"""What ``best/`` holds and where it comes from; written last."""


def fit_folder(out: Path, text: str, method: Method, dataset: Dataset, storage: str, choose: Rule = "val") -> Path:
    """Return the folder of a fit in ``out/fits``, made when absent: named by ``text``, with a number behind it where the name
    belongs to a fit of other settings, weights or images already.

    Args:
        out: the comparison's folder.
        text: such as ``"linear-probe seed 0"``.
        method: not fitted yet.
        dataset: what it is fitted and measured on.
        storage: how activations are stored.
        choose: the rule of choice.
    """
    rule = [] if choose == "val" else [how(method, choose)]
    key = digest_of([method.key(dataset.train, dataset.val), method.key(dataset.test, None), storage, *rule])
    name = files.slug(text, keep="=._+")
    number = 1
    while True:
        folder = out / "fits" / (name if number == 1 else f"{name}-{number}")
        if not files.exists(folder):
            files.write_json(folder / KEY, {"key": key})
            return folder
        if files.is_file(folder / KEY) and read(folder / KEY, dict[str, str], remedy=f"remove {folder}").get("key") == key:
            return folder
        number += 1


def claim(folder: Path, method: Method, dataset: Dataset) -> None:
    """Write into the folder of one fit what it belongs to, before any image is read.

    Raises:
        InputError: an unfinished fit of other settings, weights or images lies there.
    """
    key = method.key(dataset.train, dataset.val)
    if files.exists(folder / CHECKPOINT) and files.is_file(folder / KEY):
        if read(folder / KEY, dict[str, str], remedy=f"remove {folder}").get("key") != key:
            raise another_run(folder)
    else:
        files.write_json(folder / KEY, {"key": key})


def deliver(
    table: Results, kept: Mapping[tuple[str, str], tuple[Method, Path]], dataset: Dataset, out: Path, *, refit: bool,
    cold: ColdPass, watch: Watch,
) -> None:  # fmt: skip
    """Hand the recommended method over; where its refit cannot be finished, the fit as it was measured, with a note.

    Args:
        table: the comparison; its ``handed`` and ``notes`` are written.
        kept: (model, method) -> the fit of the first seed, and its folder.
        dataset: of the first seed.
        out: the comparison's folder.
        refit: see :func:`hand_over`.
        cold: the store.
        watch: told about epochs.
    """
    best = recommended(table)
    if best is None or (best.model, best.method) not in kept:
        return
    method, fit = kept[best.model, best.method]
    try:
        table.handed = hand_over(method, dataset, out, name=best.method, fit=fit, refit=refit, cold=cold, watch=watch)
    except ColdframeError as error:
        if not refit:
            raise
        table.notes.append(f"{best.method} could not be refitted on train and val: {error}; best/ holds it as it was measured")
        table.handed = hand_over(method, dataset, out, name=best.method, fit=fit, refit=False, cold=cold, watch=watch)


def hand_over(
    method: Method, dataset: Dataset, out: Path, *, name: str, fit: Path, refit: bool, cold: ColdPass, watch: Watch
) -> dict[str, Any]:
    """Save the recommended method in ``out/best``, refitted on train and val, and return what ``results.json`` says of it.

    Args:
        method: the fit of the first seed, which stays as it is.
        dataset: what it was fitted on.
        out: the comparison's folder.
        name: what the table calls it.
        fit: the folder of that fit.
        refit: whether it learns from train and val together before it is saved.
        cold: the store.
        watch: told about epochs.

    Returns:
        ``folder``, ``method``, ``fit``, ``refit``, ``measure`` (``map`` where images have several labels, else ``top1``), the
        value of that as ``top1`` of what is handed over on the test images and as ``measured_top1`` of the fit, and ``next``:
        commands to go on with.
    """
    refit = refit and method.trains and len(dataset.val) > 0
    about = [method.key(dataset.train, dataset.val), method.key(dataset.test, None), cold.kept]
    key = digest_of([*about, refit, method.choices])
    folder = out / BEST
    run = shlex.quote(str(out))
    found = {
        "folder": BEST, "method": name, "fit": str(fit.relative_to(out).as_posix()), "refit": refit,
        "next": [f"coldframe predict PHOTOS --run {run}", f"coldframe evaluate {run} --data {shlex.quote(dataset.spec)}"],
    }  # fmt: skip
    if files.is_file(folder / HANDED) and files.is_file(folder / ABOUT):
        kept = read(folder / HANDED, dict[str, Any], remedy=f"remove {folder}", strict=False)
        if kept.get("key") == key:
            return found | {word: kept.get(word) for word in ("measure", "top1", "measured_top1")}
    chosen = method
    if refit:
        watch.fitting(f"{name}, refit", 0)
        chosen = method.refitted(
            dataset.train, dataset.val, cold=cold, run=fit, report=lambda metrics: watch.epoch(f"{name}, refit", 0, metrics)
        )
    main = "top1" if dataset.test.tags is None else "map"
    numbers = {
        "measure": main,
        "top1": evaluate(chosen, dataset.test, data=dataset.spec, cold=cold).row[main],
        "measured_top1": evaluate(method, dataset.test, data=dataset.spec, cold=cold).row[main],
    }
    (folder / HANDED).unlink(missing_ok=True)
    chosen.save(folder)
    files.write_json(folder / HANDED, {"key": key, **found, **numbers})
    if refit:
        files.remove_folder(fit / "refit")
    return found | numbers
