"""What pocket knows: the figures of its model card (docs/pocket.md), as a table.

    python bench/pocket.py [--model pocket] [--threads 2] [--train 1000]

Needs COLDFRAME_DATA with cifar10/, cifar100/ and caltech101/. The whole test sets of CIFAR-10 (JPEG) and CIFAR-100 (JPEG) are
read for zero-shot, alone and among the 110 names of both; that of CIFAR-10 for the colour question and the question of origin.
Probes learn from ``--train`` images per class (CIFAR-10), from 1,600 images (mini:mnist)
and from half of Caltech-101, each with validation images beside them.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from coldframe import LinearProbe, ZeroShot, load_backbone, load_dataset
from coldframe.cold import ColdPass
from coldframe.data.base import Split
from coldframe.files import data_root
from coldframe.machine.allocator import keep_freed_memory
from coldframe.measures import machine
from coldframe.recipes.pocket.colours import strongest_channel
from coldframe.recipes.pocket.corpus import CLASSES, NAMES, read
from coldframe.recipes.pocket.words import MAN_MADE


def main() -> None:
    keep_freed_memory()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="pocket")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--train", type=int, default=1000)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    root = data_root()
    if root is None:
        raise SystemExit("expected data in COLDFRAME_DATA, found none")
    backbone, cold = load_backbone(options.model), ColdPass()
    print(machine("cpu"), options.model, backbone.digest)
    print("| what | images | top-1 |\n| --- | --- | --- |")

    def line(what: str, right: NDArray[np.bool_]) -> None:
        low = 1.96 * float(np.sqrt(right.mean() * (1 - right.mean()) / len(right)))
        print(f"| {what} | {len(right):,} | {100 * right.mean():.1f} ± {100 * low:.1f} |", flush=True)

    def asked(split: Split, words: Sequence[str], template: str) -> NDArray[np.int64]:
        method = ZeroShot(backbone, template=template).for_classes(words)
        return method.predict(split, cold=cold).numpy()

    cifar = load_dataset(f"parquet:{root / 'cifar10'}", shots=options.train)
    test = cifar.test
    answer = asked(test, cifar.classes, "This is a photo of a {}")
    line('zero-shot, CIFAR-10 test, "This is a photo of a {}"', answer == test.labels)
    hundred = load_dataset(f"parquet:{root / 'cifar100'}?label=fine_label", shots=5).test
    answer = asked(hundred, [name.replace("_", " ") for name in hundred.classes], "This is a photo of a {}")
    line('zero-shot, CIFAR-100 test, "This is a photo of a {}"', answer == hundred.labels)
    for name, split, first in (("CIFAR-10", test, 0), ("CIFAR-100", hundred, len(CLASSES))):
        line(f"{name} test among the 110 names of both", asked(split, NAMES, "This is a photo of a {}") == split.labels + first)
    pixels = read(root, "cifar10", "test", backbone.preprocess.size).pixels
    colours = strongest_channel(torch.from_numpy(pixels)).numpy()
    clear = colours >= 0
    answer = asked(test, ("red", "green", "blue"), "This is an image mostly coloured {}")
    line('"This is an image mostly coloured {}": red, green, blue, where the lead is clear', (answer == colours)[clear])
    made = np.isin(test.labels, MAN_MADE)
    answer = asked(test, ("human-made", "from-nature"), "This image displays an object that is {}")
    line('"This image displays an object that is {}": human-made, from-nature', (answer == 0) == made)

    def probe(what: str, spec: str, shots: int | None = None, at: str = "features") -> None:
        data = load_dataset(spec, shots=shots)
        method = LinearProbe(backbone, at=at).fit(data.train, data.val, cold=cold)
        right = method.predict(data.test, cold=cold).numpy() == data.test.labels
        line(f"linear probe, {what}, {len(data.train):,} training and {len(data.val):,} validation images", right)

    probe("CIFAR-10", f"parquet:{root / 'cifar10'}", options.train)
    probe("MNIST", "mini:mnist")
    probe("MNIST, tokens entering block 8", "mini:mnist", at="block8")
    probe("Caltech-101", f"folder:{root / 'caltech101'}")
    probe("Caltech-101, tokens entering block 8", f"folder:{root / 'caltech101'}", at="block8")
    seven = load_dataset("mini:caltech7")
    line("zero-shot, mini:caltech7", asked(seven.test, seven.classes, "This is a photo of a {}") == seven.test.labels)
    probe("mini:caltech7", "mini:caltech7")


if __name__ == "__main__":
    main()
