"""One rule of choice for all methods: exact leave-one-out where a method has it, else folds; no image is held out for good.

Under ``loo`` and ``cv`` a method sees all labelled images as training images. What has leave-one-out in closed form chooses by
it. Any other method is fitted on each of k parts of the images and judged on the rest; what is best over all parts together is
learned once more from every image.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

import numpy as np
import torch
from torch import Tensor

from coldframe import files
from coldframe.cold import ColdPass
from coldframe.data.base import Dataset, Split
from coldframe.data.joined import Joined
from coldframe.data.targets import refuse_several
from coldframe.methods.base import Method, Report

Rule = Literal["val", "loo", "cv"]
FOLDS = 5
"""k; fewer where no class has as many images."""
_M = TypeVar("_M", bound=Method)


def has(method: Method | type[Method], rule: str) -> bool:
    """Return whether a method's own setting ``choose`` knows a rule."""
    parameter = method.settings().get("choose")
    return parameter is not None and rule in get_args(parameter.annotation)


def settings_for(method: Method, rule: Rule) -> dict[str, str]:
    """Return what a rule asks of the method's own settings."""
    wanted = "cv" if rule == "loo" and not has(method, "loo") else rule
    return {"choose": wanted} if wanted != "val" and has(method, wanted) else {}


def how(method: Method, rule: Rule) -> str:
    """Return in words how a method chooses under a rule, for its row."""
    if rule == "val":
        return "validation images" if method.trains else "nothing to choose"
    if own := settings_for(method, rule).get("choose"):
        return "leave-one-out" if own == "loo" else f"{FOLDS} folds"
    return f"{FOLDS} folds" if method.crosses else "nothing to choose"


def all_shots(dataset: Dataset) -> Dataset:
    """Return the data with the validation images among the training images, as ``loo`` and ``cv`` see it."""
    if not len(dataset.val):
        return dataset
    labels = np.concatenate([dataset.train.labels, dataset.val.labels])
    refuse_several(dataset)
    both = Split("train and val", Joined([dataset.train.images, dataset.val.images]), labels, dataset.classes)
    words = f"{dataset.origin}; validation images joined train, since choices are made without any"
    return replace(dataset, train=both, val=dataset.val.subset(np.zeros(0, dtype=np.int64)), origin=words)


def numbered(labels: Tensor, folds: int, seed: int = 0) -> Tensor:
    """Return the fold of each image [N]: the images of a class go round, in an order drawn by ``seed``."""
    found = torch.empty_like(labels)
    generator = torch.Generator().manual_seed(seed)
    for label in torch.unique(labels):
        mine = (labels == label).nonzero().flatten()
        mine = mine[torch.randperm(len(mine), generator=generator)]
        found[mine] = (torch.arange(len(mine)) + int(label)) % folds
    return found


def fit_crossed(
    method: _M, train: Split, *, cold: ColdPass | None = None, run: Path | None = None, report: Report | None = None
) -> _M:
    """Fit a method that chooses something on validation images from ``train`` alone, its choice made over folds.

    Each fold is fitted with the images of the others and judged on its own. Of what every fold tried (``Method.tried``), the
    candidate with the most right answers over all folds is taken, among equals that with the lowest cross-entropy, and all
    images are learned from with it. An image that is alone in its class is never held out. Where no class has two images,
    nothing can be chosen and the method is fitted without validation images.

    Args:
        method: not fitted yet; the same object is returned.
        train: all labelled images.
        cold: the store.
        run: folder of checkpoints; each fold has one inside.
        report: called with the metrics of each epoch.
    """
    cold = cold or ColdPass()
    labels = torch.from_numpy(train.labels)
    sizes = torch.bincount(labels, minlength=len(train.classes))
    folds = min(FOLDS, int(sizes.max())) if len(labels) else 0
    if not method.crosses or folds < 2:
        method.fit(train, None, cold=cold, run=run, report=report)
        method.choices["chosen by"] = "nothing could be chosen" if method.crosses else "nothing to choose"
        return method
    numbers = numbered(labels, folds)
    numbers[sizes[labels] < 2] = -1
    fits, seen, truth = [], [], []
    for fold in range(folds):
        out = (numbers == fold).numpy()
        if not out.any():
            continue
        part, held = train.subset(np.flatnonzero(~out)), train.subset(np.flatnonzero(out), f"fold {fold + 1} of {folds}")
        place = None if run is None else run / f"fold{fold}"
        fits.append(method.again(refit=True).fit(part, held, cold=cold, run=place, report=report))
        seen.append(fits[-1].logits(held, cold=cold))
        truth.append(torch.from_numpy(held.labels))
        method.take(fits[-1].choices.get("settled", {}))  # what the first fold settles holds for all
    chosen, found = fits[0], best_over(fits)
    chosen.adopt(fits, found)
    final = method.again(refit=True)
    final.classes = method.classes = train.classes
    final._refit(chosen, train, cold, None if run is None else run / "all", report)
    method.load_state({name: value.clone() for name, value in final.state().items()})
    method.history = final.history or chosen.history
    method.choices = {**final.choices, **chosen.choices}
    method.choices |= {"chosen by": f"{folds} folds", "chosen on": "train", "images": {"train": len(train), "val": 0}}
    method.keep_held(torch.cat(seen), torch.cat(truth), "left-out folds")
    for fold in range(folds) if run is not None else ():
        assert run is not None
        files.remove_folder(run / f"fold{fold}")
    return method


def best_over(fits: Sequence[Method]) -> Any:
    """Return what is best over the validation images of all fits together; None where they tried nothing in common."""
    tried: list[tuple[int, Mapping[Hashable, tuple[float, float]]]] = [
        (int(fit.choices["images"]["val"]), fit.tried()) for fit in fits
    ]
    common = [candidate for candidate in tried[0][1] if all(candidate in mine for _, mine in tried)]
    if not common:
        return None

    def rank(candidate: Hashable) -> tuple[float, float]:
        right = sum(count * mine[candidate][0] for count, mine in tried)
        return round(right, 6), -sum(count * mine[candidate][1] for count, mine in tried)

    best = max(common, key=rank)
    starts = [candidate for candidate in common if candidate in fits[0].starts]
    if not starts or best in starts:
        return best
    start = max(starts, key=rank)
    values, before = ([mine[candidate][0] for _, mine in tried] for candidate in (best, start))
    return best if fits[0].outdoes(values, before) else start
