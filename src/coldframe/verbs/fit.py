"""One fit, evaluated and kept: what ``fit`` does once and ``compare`` many times."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from coldframe import files, measures
from coldframe.cold import ColdPass
from coldframe.data.base import Dataset, without_labels
from coldframe.errors import FileError
from coldframe.evaluation.predictions import predictions_csv
from coldframe.evaluation.row import evaluate
from coldframe.evaluation.serving import serving
from coldframe.evaluation.tagged import tags_csv
from coldframe.evaluation.unknown import Strangers
from coldframe.files import formats
from coldframe.methods import Method, restore
from coldframe.methods.folds import Rule, fit_crossed, how, settings_for
from coldframe.methods.saving import validated_of
from coldframe.report import Table
from coldframe.report.figures.prompts import prompt_figure
from coldframe.report.figures.style import save_figure
from coldframe.results.rows import fit_of
from coldframe.training.ranks import here
from coldframe.types import Row
from coldframe.verbs.choose import label
from coldframe.verbs.hand_over import claim
from coldframe.verbs.pictures import prompted
from coldframe.verbs.watch import Watch, circumstances, command_line, describe_data, describe_model, wanted


def fit_and_evaluate(
    method: Method,
    dataset: Dataset,
    *,
    data: str,
    seed: int,
    cold: ColdPass,
    watch: Watch,
    name: str = "",
    folder: Path | None = None,
    timed: bool = True,
    refit: bool = False,
    choose: Rule = "val",
    strangers: Strangers | None = None,
    in_time: Callable[[], None] | None = None,
) -> tuple[Row, NDArray[np.float32]]:
    """Fit a method on train, choosing on val, and measure it on test.

    Args:
        method: not fitted yet.
        dataset: its splits.
        data: the data's spec, for the row.
        seed: for the row.
        cold: the store.
        watch: told about epochs.
        name: what the row calls the method; its own name when empty.
        folder: where checkpoints, and at the end the adaptation, predictions and ``result.json``, are kept.
        timed: whether latency is measured; of several methods it is measured after all fits, in turns.
        refit: whether the method learns from train and val together in the end, see :meth:`Method.refitted`.
        choose: the rule of choice; under ``loo`` and ``cv`` the data has no validation images.
        strangers: images of none of the classes, to be told from the test images.
        in_time: called after each epoch; may raise to stop the fit.

    Returns:
        The row, and the calibrated probabilities of the test images [N, K].
    """
    name = name or label(method, [method])
    if method.transductive and method.unlabelled is None:
        method.unlabelled = without_labels(dataset.test.images, dataset.test.name, dataset.classes)
    with measures.PeakMemory(method.backbone.device) as memory:
        start = time.perf_counter()

        def told(metrics: dict[str, Any]) -> None:
            watch.epoch(name, seed, metrics)
            if in_time is not None:
                in_time()

        if choose == "val" or settings_for(method, choose):
            method.fit(dataset.train, dataset.val, cold=cold, run=folder, report=told, refit=refit)
        else:
            fit_crossed(method, dataset.train, cold=cold, run=folder, report=told)
        seconds = time.perf_counter() - start
    if method.history and "seconds" in method.history[-1]:
        seconds = max(seconds, method.history[-1]["seconds"])
    done = evaluate(method, dataset.test, data=data, seed=seed, cold=cold)
    if strangers is not None:
        strange = strangers.row(method, done.logits)
        done.row |= strange | {"intervals": done.row["intervals"] | strange["intervals"]}
    row = done.row | {"method": name, "train_seconds": round(seconds, 4) if method.trains else None}
    row["chosen_by"], row["settings_tried"] = how(method, choose), method.settings_tried
    row["peak_memory_mb"] = None if memory.total_mb is None else round(memory.total_mb, 1)
    row |= serving({name: method})[name].fields() if timed else {}
    if folder is not None:
        method.save(folder)
        files.write_safetensors(folder / "predictions.safetensors", {"probabilities": torch.from_numpy(done.probabilities)})
        answers = (
            predictions_csv(dataset.test, done.probabilities, data) if dataset.test.tags is None
            else tags_csv(dataset.test, done.probabilities, method.thresholds, data)
        )  # fmt: skip
        files.write_text(folder / "predictions.csv", answers)
        files.write_json(folder / "result.json", formats.plain(formats.Fit(row, method.choices, method.history)))
        (folder / "checkpoint.safetensors").unlink(missing_ok=True)
        files.remove_folder(folder / "refit")
    return row, done.probabilities


def finished(method: Method, dataset: Dataset, folder: Path) -> tuple[Row, NDArray[np.float32]]:
    """Take up what :func:`fit_and_evaluate` kept in ``folder``: the method becomes the one that was fitted."""
    kept = fit_of(folder / "result.json")
    predictions, _ = files.read_safetensors(folder / "predictions.safetensors")
    restore(method, folder, dataset.classes)
    method.choices, method.history, method.validated = kept.choices, kept.history, validated_of(folder)
    found = predictions.get("probabilities")
    if found is None or found.shape != (len(dataset.test), len(dataset.classes)):
        expected = f"expected probabilities of {len(dataset.test):,} images and {len(dataset.classes)} classes"
        raise FileError(f"{folder / 'predictions.safetensors'} is damaged: {expected}, found others; remove {folder}")
    return kept.row, found.float().numpy()


def fit_one(
    method: Method,
    dataset: Dataset,
    out: Path,
    *,
    cold: ColdPass | None = None,
    watch: Watch | None = None,
    tensorboard: bool = False,
    refit: bool = False,
) -> Row | None:
    """Fit one method, evaluate it on the test split, and write what it learned with ``results.json`` to ``out``.

    An unfinished run in ``out`` goes on where it stood; one with other settings, data or weights is refused. Among processes
    that share the training, the first one runs the cold pass, measures and writes; the others return None.
    """
    ranks = here()
    cold, watch = cold or ColdPass(), watch or Watch()
    cold.progress = watch.cold
    backbone, seed = method.backbone, int(method.config().get("seed", 0))
    method.check_data(dataset.train, dataset.val if len(dataset.val) else None)
    claim(out, method, dataset)
    watch.start(describe_model(backbone), describe_data([dataset]))
    if ranks.first:
        done = cold.prepare(backbone, dataset.splits, wanted([method]))
        watch.cold_done(done)
    ranks.wait()
    if not ranks.first:
        method.fit(dataset.train, dataset.val, cold=cold, run=out)
        return None
    watch.fitting(method.name, seed)
    method.tensorboard = tensorboard
    row, _ = fit_and_evaluate(method, dataset, data=dataset.spec, seed=seed, cold=cold, watch=watch, folder=out, refit=refit)
    row["cold_seconds"] = round(done.seconds, 3)
    about = circumstances(dataset, {method.name: method}, data=dataset.spec)
    table = Table(rows=[row], command=command_line(), machine=measures.machine(backbone.device), about=about)
    table.save(out / "results.json")
    shown = prompted(method, dataset.test)
    if shown is not None:
        save_figure(prompt_figure(method.name, *shown), out / "prompt")
    return row
