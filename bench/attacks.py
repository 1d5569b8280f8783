"""Targeted PGD beside foolbox's LinfPGD and torchattacks' PGD: same model, images, targets, steps and threads, in one run.

    python bench/attacks.py [--images 8] [--steps 20] [--threads 1] [--turns 5] [--bf16]

lite0 in fp32, with --bf16 ours in bf16 and channels last as well; eps 8/255, steps of 1/255, no random start. The peers get
the network in torch's usual layout of memory; ours takes it channels last with its batch normalisations folded, as the verb
does, and in a second row as the peers do. Runs take turns (ours, foolbox, torchattacks, ...) after one that is not counted;
medians of the wall clock and of the processor's time are printed with the success of each, counted by the network as the
peers have it on images rounded to 8 bits. The images come from the shared folder of ImageNet photographs, without it from
mini:caltech7; the model's own answer counts as the true class. The weights take gradients, as those of a network fresh from
a zoo do, unless --frozen.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Callable

import torch
from torch import Tensor, nn

from coldframe import load_backbone, load_dataset
from coldframe.attacks import PGD
from coldframe.cold.activations import decoded
from coldframe.data.decode import load_pixels
from coldframe.data.folder import Files
from coldframe.evaluation.classifiers import own_logits
from coldframe.files import data_root
from coldframe.measures import machine

EPS, STEP = 8 / 255, 1 / 255


class Wrapped(nn.Module):
    """The callable as a module with the network's parameters: what the peers ask for."""

    def __init__(self, network: nn.Module, model: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.network, self.model = network, model

    def forward(self, images: Tensor) -> Tensor:
        return self.model(images)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=8)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--bf16", action="store_true", help="ours in bf16 too: for processors with instructions for it")
    parser.add_argument("--frozen", action="store_true", help="weights that take no gradients")
    settings = parser.parse_args()
    torch.set_num_threads(settings.threads)
    warnings.simplefilter("ignore")
    import foolbox
    import torchattacks

    backbone = load_backbone("lite0")
    folded = own_logits(backbone)
    backbone.module.to(memory_format=torch.contiguous_format)

    def model(x: Tensor) -> Tensor:
        logits = backbone.head(backbone.run(backbone.normalise(x)))
        assert logits is not None
        return logits

    module = Wrapped(backbone.module, model).eval().requires_grad_(not settings.frozen)
    root = data_root()
    files = tuple(sorted((root / "imagenet-sample").glob("*.jpg"))[:: 500 // settings.images]) if root is not None else ()
    if files:
        files = files[: settings.images]
        images = torch.from_numpy(load_pixels(Files(files), list(range(len(files))), backbone.preprocess)).float() / 255
    else:
        split = load_dataset("mini:caltech7").train.subset(range(settings.images))
        images = decoded(split, backbone, 1)(torch.arange(settings.images)).float() / 255
    with torch.no_grad():
        labels = model(images).argmax(-1)
    targets = (labels + 500) % 1000

    ours = PGD(EPS, step=STEP, steps=settings.steps)
    theirs = torchattacks.PGD(module, eps=EPS, alpha=STEP, steps=settings.steps, random_start=False)
    theirs.set_mode_targeted_by_label(quiet=True)
    wrapped = foolbox.PyTorchModel(module, bounds=(0, 1))
    third = foolbox.attacks.LinfPGD(abs_stepsize=STEP, steps=settings.steps, random_start=False)
    aim = foolbox.criteria.TargetedMisclassification(targets)
    runs: dict[str, Callable[[], Tensor]] = {
        "coldframe": lambda: ours(folded, images, labels, targets).images,
        "coldframe, network as the peers'": lambda: ours(module, images, labels, targets).images,
        "coldframe, no image left early": lambda: PGD(EPS, step=STEP, steps=settings.steps, confidence=1.0)(
            folded, images, labels, targets
        ).images,
        "foolbox": lambda: third(wrapped, images, aim, epsilons=EPS)[1],
        "torchattacks": lambda: theirs(images, targets),
    }
    if settings.bf16:
        light = load_backbone("lite0", dtype="bf16")
        light.module.to(memory_format=torch.channels_last)
        half = own_logits(light)

        def last(x: Tensor) -> Tensor:
            return half(x.contiguous(memory_format=torch.channels_last))

        runs["coldframe, bf16, channels last"] = lambda: ours(last, images, labels, targets).images
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    fooled = {}
    for turn in range(settings.turns + 1):
        for name, run in runs.items():
            wall, cpu = time.perf_counter(), time.process_time()
            found = run()
            if turn:
                spent[name].append((time.perf_counter() - wall, time.process_time() - cpu))
            with torch.no_grad():
                fooled[name] = int((model((found.detach() * 255).round() / 255).argmax(-1) == targets).sum())
    about = machine()
    where = f"{about['cpu']}, {about['threads']} threads, torch {about['torch']}; medians of {settings.turns} turns"
    print(f"{where}; {len(images)} images, {settings.steps} steps{', frozen' if settings.frozen else ''}")
    print(f"{'':32} {'fooled':>8} {'s':>8} {'CPU s':>8} {'ratio':>7} {'by CPU':>7}")
    medians = {name: tuple(statistics.median(column) for column in zip(*rows, strict=True)) for name, rows in spent.items()}
    base = medians["coldframe"]
    for name, (wall, cpu) in medians.items():
        print(f"{name:32} {fooled[name]:8} {wall:8.2f} {cpu:8.2f} {wall / base[0]:7.2f} {cpu / base[1]:7.2f}")


if __name__ == "__main__":
    main()
