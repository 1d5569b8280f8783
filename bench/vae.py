"""An epoch of the VAE beside pythae's: same encoder, decoder, likelihood, batch and threads; and the share of the GEMM limit.

    python bench/vae.py [--likelihood categorical] [--images 2560] [--threads 1] [--turns 7]

pythae is not among coldframe's packages; give it a folder of its own:

    pip install --target DIR --no-deps pythae pydantic pydantic-core annotated-types typing-inspection imageio
    PYTHONPATH=DIR python bench/vae.py

Each side is a process that trains as its package does: coldframe with ``fit`` and the allocator's settings of the verb, pythae
with its trainer, its data set, its loader and Adam. pythae has no categorical likelihood: there its loss is replaced by torch's
cross-entropy; with --likelihood bernoulli it is its own. A third process is pythae with the allocator's settings. They take
turns after one that is not counted; medians of wall clock and processor time of an epoch are printed.

The GEMM limit is the time of the epoch's multiplications at the speed of a 1024 x 1024 matrix product, timed in the same turns.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

SIDES = ("coldframe", "pythae", "pythae, freed memory kept")
BATCH, LATENT = 128, 20


def multiplications(outputs: int, c: int = 32) -> int:
    """Return the multiply-adds of forward and backward for one picture; the first layer needs no gradient of its input."""
    first = 14 * 14 * 9 * c
    others = 7 * 7 * 9 * c * 2 * c + 4 * 4 * 9 * 4 * c * c + 32 * c * 2 * LATENT
    mirrored = LATENT * 32 * c + 4 * 4 * 9 * 4 * c * c + 7 * 7 * 9 * 2 * c * c + 14 * 14 * 9 * c * outputs
    return 2 * first + 3 * (others + mirrored)


def ours(likelihood: str, images: int) -> Callable[[], None]:
    """Return an epoch of coldframe's own training."""
    import torch

    from coldframe.foundations.generative import digits
    from coldframe.foundations.generative.vae_fitting import Settings, fit

    settings = Settings(LATENT, likelihood, epochs=1, batch=BATCH)  # type: ignore[arg-type]
    pixels = _pixels(images)
    train = digits.Digits(pixels, torch.zeros(images, dtype=torch.int64), ("digit",))
    val = digits.Digits(pixels[:1], torch.zeros(1, dtype=torch.int64), ("digit",))
    model = settings.model()

    def epoch() -> None:
        fit(model, {"train": train, "val": val}, settings)

    return epoch


def theirs(likelihood: str, images: int) -> Callable[[], None]:
    """Return an epoch of pythae's trainer with the same network."""
    import torch
    import torch.nn.functional as F
    from pythae.data.datasets import BaseDataset
    from pythae.models import VAE, VAEConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder
    from pythae.trainers import BaseTrainer, BaseTrainerConfig

    from coldframe.foundations.generative.digits import to_levels
    from coldframe.foundations.generative.vae import VAE as Network

    network = Network(LATENT, kind=likelihood).to(memory_format=torch.contiguous_format)

    class Encoder(BaseEncoder):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.layers = network.encoder

        def forward(self, x: torch.Tensor) -> Any:
            mean, log_std = self.layers(2 * x - 1).chunk(2, dim=1)
            return ModelOutput(embedding=mean, log_covariance=2 * log_std)

    class Decoder(BaseDecoder):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.layers = network.decoder

        def forward(self, z: torch.Tensor) -> Any:
            raw = self.layers(z)
            return ModelOutput(reconstruction=raw.sigmoid() if likelihood == "bernoulli" else raw)

    class Categorical(VAE):  # type: ignore[misc]
        def loss_function(self, recon_x: Any, x: Any, mu: Any, log_var: Any, z: Any) -> Any:
            levels = (x[:, 0] * 15).round().long()
            rec = F.cross_entropy(recon_x, levels, reduction="none").flatten(1).sum(dim=-1)
            kl = -0.5 * torch.sum(1 + log_var - mu.pow(2) - log_var.exp(), dim=-1)
            return (rec + kl).mean(dim=0), rec.mean(dim=0), kl.mean(dim=0)

    config = VAEConfig(input_dim=(1, 28, 28), latent_dim=LATENT, reconstruction_loss="bce")
    model = (VAE if likelihood == "bernoulli" else Categorical)(config, Encoder(), Decoder())
    x = to_levels(_pixels(images), network.levels)[:, None].float() / (network.levels - 1)
    folder = tempfile.TemporaryDirectory()  # where pythae keeps what it asks to keep
    settings = BaseTrainerConfig(
        output_dir=folder.name, num_epochs=1, per_device_train_batch_size=BATCH, learning_rate=1e-3, no_cuda=True
    )
    trainer = BaseTrainer(model, BaseDataset(x, torch.zeros(images)), training_config=settings)
    trainer.prepare_training()

    def epoch() -> None:
        assert folder.name
        trainer.train_step(1)

    return epoch


def _pixels(images: int) -> Any:
    import torch

    from coldframe.foundations.generative import digits

    pixels = digits.read_all(digits.load("mini:mnist"))["train"].pixels
    return pixels[torch.arange(images) % len(pixels)]


def work(side: str, likelihood: str, images: int, threads: int) -> None:
    """Answer each line of stdin with the seconds of an epoch and of a matrix product."""
    import torch

    from coldframe.machine.allocator import keep_freed_memory

    torch.set_num_threads(threads)
    if side != "pythae":
        keep_freed_memory()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a package prints is no answer
    epoch = (ours if side == "coldframe" else theirs)(likelihood, images)
    a, b = torch.randn(2, 1024, 1024, generator=torch.Generator().manual_seed(0))
    for _ in sys.stdin:
        wall, cpu = time.perf_counter(), time.process_time()
        epoch()
        spent = [time.perf_counter() - wall, time.process_time() - cpu]
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(10):
            a @ b
        spent += [(time.perf_counter() - wall) / 10, (time.process_time() - cpu) / 10]
        print(json.dumps(spent), file=answers, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--likelihood", choices=("categorical", "bernoulli"), default="categorical")
    parser.add_argument("--images", type=int, default=2560)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--side", help=argparse.SUPPRESS)
    settings = parser.parse_args()
    if settings.side:
        work(settings.side, settings.likelihood, settings.images, settings.threads)
        return
    workers = {}
    for side in SIDES:
        words = [sys.executable, __file__, "--side", side, "--likelihood", settings.likelihood]
        words += ["--images", str(settings.images), "--threads", str(settings.threads)]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        workers[side] = subprocess.Popen(words, text=True, **pipes)
    spent: dict[str, list[list[float]]] = {side: [] for side in SIDES}
    for turn in range(settings.turns + 1):
        for side, worker in workers.items():
            assert worker.stdin is not None
            assert worker.stdout is not None
            worker.stdin.write("go\n")
            worker.stdin.flush()
            line = worker.stdout.readline()
            if not line:
                raise SystemExit(f"the process of {side} ended; is pythae there? See {__file__}")
            if turn:
                spent[side].append(json.loads(line))
    for worker in workers.values():
        worker.communicate()

    from coldframe.measures import machine

    about, outputs = machine(), 1 if settings.likelihood == "bernoulli" else 16
    medians = {side: [statistics.median(column) for column in zip(*rows, strict=True)] for side, rows in spent.items()}
    product = statistics.median(row[3] for rows in spent.values() for row in rows)
    limit = settings.images * multiplications(outputs) / 1024**3 * product
    print(
        f"{about['cpu']}, {settings.threads} threads, torch {about['torch']}; medians of {settings.turns} turns; "
        f"{settings.likelihood}, {settings.images} images in batches of {BATCH}"
    )
    print(f"{'':28} {'wall s':>8} {'CPU s':>8} {'ratio':>7} {'by CPU':>7} {'of the limit':>13}")
    base = medians["coldframe"]
    for side, (wall, cpu, *_) in medians.items():
        print(f"{side:28} {wall:8.2f} {cpu:8.2f} {wall / base[0]:7.2f} {cpu / base[1]:7.2f} {limit / cpu:13.0%}")
    print(f"{'GEMM limit':28} {'':8} {limit:8.2f}   ({2 / product * 1024**3 / 1e9:.0f} GFLOP/s)")
    for name, column in (("ratio by wall", 0), ("by CPU", 1)):
        ratios = [b[column] / a[column] for a, b in zip(spent["coldframe"], spent["pythae"], strict=True)]
        print(f"pythae against coldframe, {name}, turn by turn: " + ", ".join(f"{ratio:.2f}" for ratio in sorted(ratios)))


if __name__ == "__main__":
    main()
