"""How well are wrong labels ranked? Precision at k of ``check``'s ranking and of cleanlab's on the same probabilities.

    COLDFRAME_DATA=DATA python bench/label_errors.py [--data cifar10 cifar100] [--model pocket] [--share .05] [--seeds 3]
    COLDFRAME_DATA=DATA python bench/label_errors.py --data cifar10 --checked cifar10_mturk.json --order labels.txt

Without ``--checked``, a share of the test labels is changed, half to any other class, half to the class that the model takes
the picture for among the others, and every changed label counts as wrong. With it, labels stay as they are, and only pictures
that five people looked at count: wrong is what fewer than three of them gave the label of the data (Northcutt et al., 2021:
54 of 275 in CIFAR-10, 585 of 2,235 in CIFAR-100; https://github.com/cleanlab/label-errors, ``mturk/``). Its ids follow the
original test file, whose order ``--order`` gives: a label a line for CIFAR-10, whose pictures are called CLASS/NUMBER in the
order of their class; a file name a line for CIFAR-100.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores
from numpy.typing import NDArray

from coldframe import load_backbone
from coldframe.cold import ColdPass
from coldframe.data import load_dataset
from coldframe.data.base import Dataset, Split
from coldframe.data.parquet import open_parquet
from coldframe.files import data_root
from coldframe.methods.ridge import Ridge
from coldframe.verbs.check import check

SPECS = {"cifar10": "cifar10", "cifar100": "cifar100?label=fine_label"}
KINDS = ("self_confidence", "normalized_margin", "confidence_weighted_entropy")
Labels = NDArray[np.int64]


def probabilities(split: Split, model: str) -> NDArray[np.float64]:
    """Return leave-one-out probabilities [N, K] of ridge regression on a model's features, as ``check`` makes them."""
    method = Ridge(load_backbone(model), prior="none", choose="loo").fit(split, cold=ColdPass())
    found = method.out_of_sample.softmax(-1).double().numpy()
    return found / found.sum(1, keepdims=True)


def changed(labels: Labels, guesses: NDArray[np.float64], share: float, seed: int) -> Labels:
    """Return labels of which a share is wrong."""
    generator = np.random.default_rng(seed)
    found, classes = labels.copy(), guesses.shape[1]
    rows = generator.permutation(len(labels))[: round(share * len(labels))]
    for place, row in enumerate(rows):
        others = guesses[row].copy()
        others[labels[row]] = -1
        found[row] = others.argmax() if place % 2 else (labels[row] + generator.integers(1, classes)) % classes
    return found


def ours(split: Split, model: str) -> Labels:
    """Return the rows that ``check`` doubts by their labels, the most doubtful first."""
    none = split.subset(np.zeros(0, dtype=np.int64))
    data = Dataset("checked", split, Split("val", none.images, none.labels, split.classes), none)
    return np.array([fault.row for fault in check(data, model=model).of("label")], dtype=np.int64)


def ordered_rows(root: Path, name: str, order: Path, classes: tuple[str, ...]) -> Labels:
    """Return for each id of the original test file the row of the stored one."""
    table = open_parquet(next((root / name).glob("test*"))).read(columns=["img"]).column(0).to_pylist()
    stored = {str(value["path"]).rpartition(".")[0].rpartition("/")[2 if name == "cifar100" else 0] or value["path"]: row
              for row, value in enumerate(table)}  # fmt: skip
    lines = order.read_text().split()
    if name == "cifar100":
        return np.array([stored[line.rpartition(".")[0]] for line in lines])
    places = {str(value["path"]).rpartition(".")[0]: row for row, value in enumerate(table)}
    seen, rows = dict.fromkeys(range(len(classes)), 0), []
    for label in map(int, lines):
        rows.append(places[f"{classes[label]}/{seen[label]:04d}"])
        seen[label] += 1
    return np.array(rows)


def precision(ranking: Labels, wrong: NDArray[np.bool_], counts: NDArray[np.bool_], ks: list[int]) -> list[float]:
    """Return the share of wrong labels among the first k of a ranking that count."""
    hits = wrong[ranking[counts[ranking]]]
    return [float(hits[:k].mean()) if len(hits) >= k else float("nan") for k in ks]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", default=list(SPECS), choices=list(SPECS))
    parser.add_argument("--model", default="pocket")
    parser.add_argument("--share", type=float, default=0.05)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--checked", type=Path)
    parser.add_argument("--order", type=Path)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    root = data_root()
    assert root is not None, "set COLDFRAME_DATA"
    print("| data | labels | ranking | " + " | ".join(("precision at 50", "100", "200", "as many as are wrong")) + " |")
    print("|" + " --- |" * 7)
    for name in asked.data:
        test = load_dataset(f"parquet:{root / SPECS[name]}").test
        everywhere = np.ones(len(test), dtype=bool)
        found: dict[str, list[list[float]]] = {}
        for seed in range(1 if asked.checked else asked.seeds):
            labels, counts = test.labels, everywhere
            if asked.checked:
                place = ordered_rows(root, name, asked.order, test.classes)
                entries = [one for one in json.loads(asked.checked.read_text()) if one["id"] < len(place)]
                counts, wrong = np.zeros(len(test), dtype=bool), np.zeros(len(test), dtype=bool)
                for one in entries:
                    row = place[one["id"]]
                    assert test.labels[row] == one["given_original_label"], "the order is another file's"
                    counts[row], wrong[row] = True, one["mturk"]["given"] < 3
            else:
                labels = changed(test.labels, probabilities(test, asked.model), asked.share, seed)
                wrong = labels != test.labels
            split = Split("train", test.images, labels, test.classes)
            p = probabilities(split, asked.model)
            ks = [50, 100, 200, int(wrong.sum())]
            rankings = {"check": ours(split, asked.model)}
            for kind in KINDS:
                rankings[f"cleanlab, {kind}"] = find_label_issues(labels, p, return_indices_ranked_by=kind, n_jobs=1)
            rankings["cleanlab, quality of all"] = np.argsort(get_label_quality_scores(labels, p), kind="stable")
            for word, ranking in rankings.items():
                found.setdefault(word, []).append(precision(ranking, wrong, counts, ks))
        what = f"{int(wrong.sum()):,} wrong of {int(counts.sum()):,}"
        for word, values in found.items():
            print(f"| {name} | {what} | {word} | {' | '.join(f'{100 * v:.1f}' for v in np.mean(values, axis=0))} |", flush=True)


if __name__ == "__main__":
    main()
