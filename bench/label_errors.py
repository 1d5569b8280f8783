"""How well are wrong labels ranked? Precision at k of ``check``'s ranking and of cleanlab's on the same probabilities.

    COLDFRAME_DATA=DATA python bench/label_errors.py [--data cifar10 cifar100] [--model pocket] [--share .05] [--seeds 3]
    COLDFRAME_DATA=DATA python bench/label_errors.py --data cifar10 --checked cifar10_mturk.json --order labels.txt

Without ``--checked``, a share of the test labels is changed, and every changed label counts as wrong. ``uniform``: any
pictures, to any other class. ``confusable``: any pictures, each to the class that the model takes its class for most often.
``annotator``: the errors of another model (``--annotator``), hard pictures first: a picture is drawn with weight 1 - p of its
class, and its label from the other classes' probabilities, both left-one-out.

With ``--checked``, labels stay as they are, and only pictures that five people looked at count: wrong is what fewer than three
of them gave the label of the data alone (Northcutt et al., 2021: 54 of 275 in CIFAR-10, 585 of 2,235 in CIFAR-100;
https://github.com/cleanlab/label-errors, ``mturk/``). Its ids follow the original test file, whose order ``--order`` gives: a
label a line for CIFAR-10, whose pictures are called CLASS/NUMBER in the order of their class; a file name a line for CIFAR-100.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
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
NOISES = ("uniform", "confusable", "annotator")
KINDS = ("self_confidence", "normalized_margin", "confidence_weighted_entropy")
KS = (25, 50, 100, 200)
ANNOTATOR = "timm:mobilenetv2_100@{}?pad_type=same&mean=0.5&std=0.5&size=96&resize=96"
"""MobileNetV2 with the weights of ``DATA/weights``, at 96 pixels."""
Labels = NDArray[np.int64]
Probabilities = NDArray[np.float64]


def probabilities(split: Split, model: str) -> Probabilities:
    """Return leave-one-out probabilities [N, K] of ridge regression on a model's features, as ``check`` makes them."""
    method = Ridge(load_backbone(model), prior="none", choose="loo").fit(split, cold=ColdPass())
    found = method.out_of_sample.softmax(-1).double().numpy()
    return found / found.sum(1, keepdims=True)


def changed(labels: Labels, noise: str, p: Probabilities, share: float, seed: int) -> Labels:
    """Return labels of which a share is wrong; p are the probabilities [N, K] that the noise follows."""
    generator = np.random.default_rng(seed)
    found, rows = labels.copy(), np.arange(len(labels))
    classes, count = p.shape[1], round(share * len(labels))
    if noise == "annotator":
        doubt = 1 - p[rows, labels]
        for row in generator.choice(len(labels), count, replace=False, p=doubt / doubt.sum()):
            others = np.delete(p[row], labels[row])
            drawn = int(generator.choice(classes - 1, p=others / others.sum()))
            found[row] = drawn + (drawn >= labels[row])
        return found
    chosen = generator.permutation(len(labels))[:count]
    if noise == "uniform":
        found[chosen] = (labels[chosen] + generator.integers(1, classes, count)) % classes
    else:
        confusion = np.zeros((classes, classes))
        np.add.at(confusion, (labels, p.argmax(1)), 1)
        np.fill_diagonal(confusion, -1)
        found[chosen] = confusion.argmax(1)[labels[chosen]]
    return found


def ours(split: Split, model: str) -> Labels:
    """Return the rows that ``check`` doubts by their labels, the most doubtful first."""
    none = split.subset(np.zeros(0, dtype=np.int64))
    data = Dataset("checked", split, Split("val", none.images, none.labels, split.classes), none)
    return np.array([fault.row for fault in check(data, model=model).of("label")], dtype=np.int64)


def ordered_rows(root: Path, name: str, order: Path, classes: tuple[str, ...]) -> Labels:
    """Return for each id of the original test file the row of the stored one."""
    table = open_parquet(next((root / name).glob("test*"))).read(columns=["img"]).column(0).to_pylist()
    places = {str(value["path"]).rpartition(".")[0]: row for row, value in enumerate(table)}
    lines = order.read_text().split()
    if name == "cifar100":
        named = {place.rpartition("/")[2]: row for place, row in places.items()}
        return np.array([named[line.rpartition(".")[0]] for line in lines])
    seen, rows = dict.fromkeys(range(len(classes)), 0), []
    for label in map(int, lines):
        rows.append(places[f"{classes[label]}/{seen[label]:04d}"])
        seen[label] += 1
    return np.array(rows)


def people(path: Path, place: Labels, labels: Labels) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which rows people looked at, and which of them they found wrong."""
    counts, wrong = np.zeros(len(labels), dtype=bool), np.zeros(len(labels), dtype=bool)
    for one in json.loads(path.read_text()):
        row = place[one["id"]]
        assert labels[row] == one["given_original_label"], "the order is another file's"
        counts[row], wrong[row] = True, one["mturk"]["given"] < 3
    return counts, wrong


def rankings(split: Split, model: str) -> Iterator[tuple[str, Labels]]:
    """Yield ``check``'s ranking and cleanlab's on the same probabilities."""
    p = probabilities(split, model)
    yield "`check`", ours(split, model)
    for kind in KINDS:
        yield f"cleanlab, {kind}", find_label_issues(split.labels, p, return_indices_ranked_by=kind, n_jobs=1)
    yield "cleanlab, quality of all", np.argsort(get_label_quality_scores(split.labels, p), kind="stable")


def precision(ranking: Labels, wrong: NDArray[np.bool_], counts: NDArray[np.bool_]) -> list[float]:
    """Return the share of wrong labels among the first k of a ranking that count, in percent, and how many it ranks."""
    hits = wrong[ranking[counts[ranking]]]
    return [100 * float(hits[:k].mean()) if len(hits) >= k else float("nan") for k in KS] + [float(len(hits))]


def row_of(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", default=list(SPECS), choices=list(SPECS))
    parser.add_argument("--model", default="pocket")
    parser.add_argument("--noise", nargs="+", default=list(NOISES), choices=list(NOISES))
    parser.add_argument("--annotator", help="a model id; by default MobileNetV2 at 96 pixels")
    parser.add_argument("--share", type=float, default=0.05)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--checked", type=Path)
    parser.add_argument("--order", type=Path)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    root = data_root()
    assert root is not None, "set COLDFRAME_DATA"
    other = asked.annotator or ANNOTATOR.format(root / "weights" / "mobilenetv2_100" / "model.safetensors")
    print(row_of(["data", "wrong labels", "ranking", *(f"k = {k}" for k in KS), "ranked"]))
    print(row_of(["---"] * (len(KS) + 4)))
    for name in asked.data:
        test = load_dataset(f"parquet:{root / SPECS[name]}").test
        everywhere = np.ones(len(test), dtype=bool)
        for noise in ["people"] if asked.checked else asked.noise:
            found: dict[str, list[list[float]]] = {}
            for seed in range(1 if asked.checked else asked.seeds):
                if asked.checked:
                    labels = test.labels
                    counts, wrong = people(asked.checked, ordered_rows(root, name, asked.order, test.classes), labels)
                else:
                    p = probabilities(test, other if noise == "annotator" else asked.model)
                    labels, counts = changed(test.labels, noise, p, asked.share, seed), everywhere
                    wrong = labels != test.labels
                for word, ranking in rankings(Split("train", test.images, labels, test.classes), asked.model):
                    found.setdefault(word, []).append(precision(ranking, wrong, counts))
            what = f"{noise}: {int(wrong.sum()):,} of {int(counts.sum()):,}"
            for word, values in found.items():
                mean = np.mean(values, axis=0)
                print(row_of([name, what, word, *(f"{v:.1f}" for v in mean[:-1]), f"{mean[-1]:,.0f}"]), flush=True)


if __name__ == "__main__":
    main()
