"""One model on one data set, and its fits, made one by one and taken up again where they are finished."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from coldframe.backbones.base import Backbone
from coldframe.cold import ColdPass, PassReport
from coldframe.data.base import Dataset, Split
from coldframe.data.crossing import pooled
from coldframe.errors import ColdframeError
from coldframe.evaluation.unknown import Strangers, Unknown
from coldframe.methods import Method
from coldframe.methods.folds import Rule
from coldframe.report import Curve
from coldframe.types import Row
from coldframe.verbs.fit import finished, fit_and_evaluate
from coldframe.verbs.hand_over import fit_folder
from coldframe.verbs.watch import Watch


class OutOfTime(ColdframeError):
    """A fit was stopped because its time is up; its checkpoint lets it go on another day."""


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


@dataclass
class Fits:
    """How the fits of a case are made.

    Args:
        case: what they are written into.
        cold: the store.
        watch: told about progress.
        out: the comparison's folder, or None.
        choose: the rule of choice.
        kept: every fit with its folder, by method and seed.
    """

    case: Case
    cold: ColdPass
    watch: Watch
    out: Path | None
    choose: Rule
    kept: dict[tuple[str, int], tuple[Method, Path | None]] = field(default_factory=dict)
    _strangers: dict[int, Strangers] = field(default_factory=dict)

    def run(self, method: Method, name: str, seed: int, *, in_time: Callable[[], None] | None = None) -> bool:
        """Fit a method with a seed, or take up its finished fit, and keep its row; return whether it was finished.

        Args:
            method: not fitted.
            name: what the table calls it.
            seed: which data and which start.
            in_time: called after each epoch; raises :class:`OutOfTime` to stop the fit.
        """
        case, dataset = self.case, self.case.datasets[seed]
        self.watch.fitting(name, seed)
        fit = method.again(seed=0 if case.folds else seed)
        try:
            turn = f"fold{seed}" if case.folds else f"seed{seed}"
            called = f"{case.backbone.name} {name} {turn}" if case.several else f"{name} {turn}"
            about = self.cold.kept if case.unknown is None else f"{self.cold.kept} {case.unknown.spec}"
            folder = None if self.out is None else fit_folder(self.out, called, fit, dataset, about, self.choose)
            if folder is not None and (folder / "result.json").exists():
                row, probabilities = finished(fit, dataset, folder)
            else:
                if case.unknown is not None and seed not in self._strangers:
                    self._strangers[seed] = Strangers(case.backbone, dataset, case.unknown, self.cold)
                row, probabilities = fit_and_evaluate(
                    fit, dataset, data=case.spec, seed=seed, cold=self.cold, watch=self.watch, name=name, folder=folder,
                    timed=False, choose=self.choose, strangers=self._strangers.get(seed), in_time=in_time,
                )  # fmt: skip
        except OutOfTime:
            raise
        except ColdframeError as error:  # what others have finished must not be lost with it
            case.failed.append(error)
            case.skipped.append(f"{name} on {case.backbone.name}, seed {seed}, was not finished: {error}")
            self.watch.failed(case.skipped[-1])
            return False
        row["cold_seconds"] = round(case.cold.seconds, 3)
        row |= {"images_in_all": sum(len(each.test) for each in case.datasets)} if case.folds else {}
        if folder is not None and self.out is not None:
            row["folder"] = folder.relative_to(self.out).as_posix()
            case.folders.setdefault(name, folder)
        case.rows.append(row)
        case.probabilities.setdefault(name, []).append(probabilities)
        case.fitted.setdefault(name, fit)
        self.kept[name, seed] = fit, folder
        self.watch.row(row)
        return True

    def forget(self, name: str) -> None:
        """Take back every fit of a method, to make room for other settings of it."""
        case = self.case
        case.rows[:] = [row for row in case.rows if row["method"] != name]
        for held in (case.probabilities, case.fitted, case.folders):
            held.pop(name, None)
        for key in [key for key in self.kept if key[0] == name]:
            del self.kept[key]
