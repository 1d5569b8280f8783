"""What prompts that tune themselves gain over doing nothing, and what the choice of their settings costs.

    python bench/self_tuning.py [--data mini:caltech7] [--corrupt gaussian-noise:3] [--methods deep-prompt] [--seeds 0 1 2]
                                [--shots 20] [--epochs 4] [--model pocket] [--keep rows.jsonl]

For each seed the images are drawn, and zero-shot (a linear probe where the model does not know the words) and each method are
fitted as ``compare`` fits them. Printed are top-1 on the test images in percent, the seconds of the processor with the search
and without (the same settings, given), and what was chosen.
``--corrupt`` disturbs all images, train, validation and test. With ``--keep`` finished rows are kept and not run again.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from coldframe import files, load_backbone, load_dataset
from coldframe.cold import ColdPass
from coldframe.data.base import Dataset, Images, Split
from coldframe.data.corruptions import corrupt
from coldframe.methods import Method, method_class, templates
from coldframe.types import PIXELS, digest_of


@dataclass(frozen=True)
class Corrupted:
    """Pictures, each corrupted in the same way whenever it is opened."""

    images: Images
    name_: str
    severity: int

    def __len__(self) -> int:
        return len(self.images)

    def open(self, index: int) -> Image.Image:
        picture = np.asarray(self.images.open(index)).transpose(2, 0, 1)
        changed = corrupt(np.ascontiguousarray(picture), self.name_, self.severity, digest=self.images.digest(index))
        return Image.fromarray(changed.transpose(1, 2, 0))

    def digest(self, index: int) -> str:
        return digest_of([self.images.digest(index), self.name_, self.severity])

    def name(self, index: int) -> str:
        return self.images.name(index)


def disturbed(data: Dataset, how: str) -> Dataset:
    """Return a data set with every picture corrupted."""
    name, _, severity = how.partition(":")

    def split(part: Split) -> Split:
        return replace(part, images=Corrupted(part.images, name, int(severity)))

    return replace(data, train=split(data.train), val=split(data.val), test=split(data.test))


def fitted(method: Method, data: Dataset, cold: ColdPass) -> float:
    """Fit a method and return the processor's seconds."""
    start = time.process_time()
    method.fit(data.train, data.val, cold=cold)
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="mini:caltech7")
    parser.add_argument("--corrupt", default="")
    parser.add_argument("--methods", nargs="+", default=["deep-prompt"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--shots", type=int)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--model", default="pocket")
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    backbone, cold = load_backbone(options.model), ColdPass()
    rows: dict[str, dict[str, Any]] = {}
    if options.keep is not None and options.keep.exists():
        rows = {row["key"]: row for row in map(json.loads, options.keep.read_text().splitlines())}
    print(f"{options.model} on {options.data} {options.corrupt}, shots {options.shots}, {options.epochs} epochs")
    first = load_dataset(options.data, shots=options.shots, seed=options.seeds[0])
    texts = backbone.text is not None and not templates.unknown_words(backbone, first.classes)
    for name in ["zero-shot" if texts else "linear-probe", *options.methods]:
        found = []
        for seed in options.seeds:
            key = f"{options.model} {options.data} {options.corrupt} {options.shots} {options.epochs} {name} {seed}"
            if key not in rows:
                data = load_dataset(options.data, shots=options.shots, seed=seed)
                data = disturbed(data, options.corrupt) if options.corrupt else data
                method = method_class(name)(backbone).again(seed=seed, epochs=options.epochs)
                wants = [(cut, "plain") for cut in method.cuts if cut != PIXELS]
                cold.prepare(backbone, [data.train, data.val, data.test], wants)
                seconds = fitted(method, data, cold)
                alone = fitted(method.again(), data, cold) if "settled" in method.choices else seconds
                top1 = round(100 * method.score(data.test, cold=cold), 2)
                rows[key] = {"key": key, "top1": top1, "seconds": round(seconds, 2), "alone": round(alone, 2)}
                rows[key] |= {word: method.choices[word] for word in ("epoch", "settled", "prompts") if word in method.choices}
                if options.keep is not None:
                    files.append_line(options.keep, json.dumps(rows[key]))
            found.append(rows[key])
            print(f"  {name} seed {seed}: {rows[key]}", flush=True)
        top1 = [row["top1"] for row in found]
        print(f"{name}: {statistics.mean(top1):.1f} ({min(top1):.1f} to {max(top1):.1f})", flush=True)


if __name__ == "__main__":
    main()
