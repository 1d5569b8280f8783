"""The training of pocket: ``coldframe train pocket``. ``docs/pocket.md`` says what it gave, how long it took and on what.

One loss: for each picture and each question, the cross-entropy of the captions that answer the question under
exp(logit_scale) * cos(picture, caption). As captions of one answer exclude the others, this is the contrastive loss with
every picture of the batch that a caption is true of as a positive.

Most of the cost is saved in three ways: in the first stages two fifths of the patches are dropped at random; half of the blocks
join later, starting as the identity; and heads start on neighbouring patches (``start.py``).
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from coldframe.backbones.checkpoint import drawn
from coldframe.backbones.pocket import CONTEXT, Shape, network
from coldframe.backbones.words import Words
from coldframe.errors import DataError, TrainingError
from coldframe.files import append_line, cache_root, data_root
from coldframe.recipes.pocket.captions import Question, questions
from coldframe.recipes.pocket.corpus import CLASSES, Pictures, read
from coldframe.recipes.pocket.feed import Feed, normalised
from coldframe.recipes.pocket.muon import Muon
from coldframe.recipes.pocket.start import initialise
from coldframe.recipes.pocket.state import State
from coldframe.recipes.pocket.towers import encode_ids, encode_patches, patches_of
from coldframe.recipes.pocket.vocabulary import vocabulary

MEAN = (0.4914, 0.4822, 0.4465)
STD = (0.2470, 0.2435, 0.2616)
TEMPLATE = "This is a photo of a {}"
PIECE = 64
"""Images whose activations are in memory at once on a CPU; gradients are added up over the batch."""


@dataclass(frozen=True)
class Stage:
    """A part of the training: until which share of it, on which share of the patches, with how many blocks."""

    until: float
    keep: float
    blocks: int


@dataclass(frozen=True)
class Config:
    """Settings of one run.

    Args:
        out: folder of the log and the state; a run that finds a state there goes on from it.
        minutes: length by the clock; the schedule follows the clock, so that a busy machine gets fewer steps.
        epochs: length in passes over the data; wins over ``minutes``, and makes the run repeatable to the bit on a CPU.
        batch: images a step.
        lr: of Muon, for the matrices of the image tower's blocks.
        adam_lr: of Adam, for everything else.
        weight_decay: of Muon, per unit of ``lr``.
        warm_up: share of the run in which the rate rises.
        decay_from: share of the run from which it falls, linearly to zero.
        stages: how patches and blocks grow.
        shape: of the network.
        smoothing: of the targets.
        average: decay of the moving average that is exported.
        seed: of the weights, the order, the augmentation and the captions.
        device: ``"cpu"`` or ``"cuda"``; on CUDA the image tower runs in bf16 autocast.
    """

    out: Path = Path("runs/pocket")
    minutes: float = 92.0
    epochs: float | None = None
    batch: int = 128
    lr: float = 0.007
    adam_lr: float = 2e-3
    weight_decay: float = 0.02
    warm_up: float = 0.02
    decay_from: float = 0.45
    stages: tuple[Stage, ...] = (Stage(0.6, 0.6, 6), Stage(0.85, 0.6, 12), Stage(1.0, 1.0, 12))
    shape: Shape = field(default_factory=Shape)
    smoothing: float = 0.05
    average: float = 0.995
    seed: int = 0
    device: str = "cpu"

    def fixed(self) -> dict[str, Any]:
        """Return the settings that a state belongs to."""
        return {"batch": self.batch, "seed": self.seed, "shape": asdict(self.shape)}

    def rate(self, f: float) -> float:
        """Return the learning rate at share ``f`` of the run, as a factor."""
        return min(1.0, (f + 1e-4) / self.warm_up) * min(1.0, (1 - f) / (1 - self.decay_from))

    def stage(self, f: float) -> tuple[float, list[int]]:
        """Return the share of the patches that stay and the blocks that run at share ``f`` of the run."""
        now = next((stage for stage in self.stages if f < stage.until), self.stages[-1])
        return now.keep, sorted({i * self.shape.layers // now.blocks for i in range(now.blocks)})


def caption_features(
    model: Any, asked: Sequence[Question], words: Words, draw: random.Random
) -> tuple[Tensor, list[int]]:
    """Write the captions of a step; return their unit features [captions, D] and the number for each question."""
    texts = [question.captions(draw) for question in asked]
    ids = words([text for group in texts for text in group]).to(model.logit_scale.device)
    return F.normalize(encode_ids(model, ids), dim=-1), [len(group) for group in texts]


def losses(
    logits: Tensor, counts: list[int], asked: Sequence[Question], rows: NDArray[np.int64], smoothing: float
) -> Tensor:
    """Return the loss of each question, summed over the pictures that it is asked about; ``logits`` [B, captions]."""
    result = []
    for question, mine in zip(asked, torch.split(logits, counts, dim=1), strict=True):
        target = torch.from_numpy(question.target[rows]).to(logits.device)
        result.append(F.cross_entropy(mine, target, ignore_index=-1, reduction="sum", label_smoothing=smoothing))
    return torch.stack(result)


@torch.no_grad()
def accuracy(model: Any, pictures: Pictures, words: Words, limit: int | None = None, template: str = TEMPLATE) -> float:
    """Return the zero-shot top-1 on some pictures with one template and the plain class names."""
    device = model.logit_scale.device
    texts = F.normalize(encode_ids(model, words([template.format(name) for name in CLASSES]).to(device)), dim=-1)
    pixels, right = torch.from_numpy(pictures.pixels[:limit]), 0
    mean, std = torch.tensor(MEAN).view(3, 1, 1), torch.tensor(STD).view(3, 1, 1)
    for start in range(0, len(pixels), 500):
        x = normalised(pixels[start : start + 500], mean, std).to(device)
        answer = (model.encode_image(x) @ texts.T).argmax(dim=1).cpu().numpy()
        right += int((answer == pictures.labels[start : start + len(answer)]).sum())
    return right / len(pixels)


def copy_with(config: Config, words: Words, weights: Mapping[str, Tensor]) -> nn.Module:
    """Return another network with these weights, in evaluation mode."""
    other = drawn(lambda: network(config.shape, words)).to(config.device)
    other.load_state_dict({name: tensor.detach() for name, tensor in weights.items()})
    return other.eval()


class Run:
    """A training run: :meth:`go` trains until its end, from the state in its folder where there is one.

    Args:
        config: the settings.
        train: pictures to learn from.
        val: held-out pictures, for the curve.
    """

    def __init__(self, config: Config, train: Pictures, val: Pictures) -> None:
        self.config, self.val = config, val
        self.words = Words(*vocabulary(), CONTEXT)
        self.asked = questions(train)
        self.feed = Feed(train, config.batch, config.seed, MEAN, STD, torch.device(config.device))
        model: Any = drawn(lambda: network(config.shape, self.words))
        mean, std = torch.tensor(MEAN).view(3, 1, 1), torch.tensor(STD).view(3, 1, 1)
        sample = patches_of(normalised(torch.from_numpy(train.pixels[:4000]), mean, std), config.shape.patch)
        initialise(model, sample.flatten(0, 1), torch.Generator().manual_seed(config.seed))
        self.model = model.to(config.device)
        matrices = [
            p for block in model.visual.transformer.resblocks for p in block.parameters() if p.ndim == 2
        ]
        chosen = {id(p) for p in matrices}
        others = [p for p in model.parameters() if id(p) not in chosen]
        muon = Muon(matrices, config.lr, weight_decay=config.weight_decay)
        self.state = State(self.model, [muon, torch.optim.Adam(others, config.adam_lr, betas=(0.9, 0.98))])
        self.log = config.out / "log.jsonl"

    def go(self, *, log_every: int = 50, evaluate_every: int = 500, save_every: float = 120.0) -> dict[str, Any]:
        """Train to the end.

        Args:
            log_every: steps between lines of the log.
            evaluate_every: steps between validations, on the first 1,000 held-out pictures.
            save_every: seconds between states.

        Returns:
            Steps, images seen, seconds, and the final zero-shot accuracy on all held-out pictures.
        """
        state, config = self.state, self.config
        state.resume(config.out, config.fixed())
        saved = mark = time.perf_counter()
        while (f := self._share()) < 1:
            line = self._step(f)
            now = time.perf_counter()
            state.seconds, mark = state.seconds + now - mark, now
            if state.step % log_every == 0:
                self._note(line | {"loss": float(line["loss"])})
            if state.step % evaluate_every == 0:
                self._note({"val": accuracy(copy_with(config, self.words, state.average), self.val, self.words, 1000)})
            if now - saved > save_every:
                state.save(config.out, config.fixed())
                saved = now
        state.save(config.out, config.fixed())
        final = accuracy(copy_with(config, self.words, state.average), self.val, self.words)
        self._note({"val_all": final})
        return {"steps": state.step, "seen": state.seen, "seconds": round(state.seconds, 1), "val": final}

    def _share(self) -> float:
        if self.config.epochs is not None:
            return self.state.step / (self.config.epochs * self.feed.steps_per_epoch)
        return self.state.seconds / (self.config.minutes * 60)

    def _note(self, line: dict[str, Any]) -> None:
        about = {"step": self.state.step, "s": round(self.state.seconds, 1), "seen": self.state.seen}
        append_line(self.log, json.dumps(about | line))

    def _step(self, f: float) -> dict[str, Any]:
        config, model, state = self.config, self.model, self.state
        factor = config.rate(f)
        for optimiser, lr in zip(state.optimisers, (config.lr, config.adam_lr), strict=True):
            optimiser.param_groups[0]["lr"] = lr * factor
            optimiser.zero_grad(set_to_none=True)
        keep, blocks = config.stage(f)
        images, rows, generator = self.feed.batch(state.step)
        patches = patches_of(images, config.shape.patch)
        T = patches.shape[1]
        kept = None
        if keep < 1:
            kept = torch.rand(len(patches), T, generator=generator).argsort(1)[:, : round(T * keep)].to(patches.device)
        text, counts = caption_features(model, self.asked, self.words, random.Random(f"{config.seed}:{state.step}"))
        leaf = text.detach().requires_grad_()
        weights = torch.tensor([question.weight for question in self.asked], device=leaf.device)
        parts = torch.zeros_like(weights)
        size = PIECE if leaf.device.type == "cpu" else len(rows)
        for start in range(0, len(rows), size):
            piece = slice(start, start + size)
            with torch.autocast(leaf.device.type, torch.bfloat16, enabled=leaf.device.type == "cuda"):
                features = encode_patches(model.visual, patches[piece], None if kept is None else kept[piece], blocks)
            logits = model.logit_scale.exp().clamp(max=100) * F.normalize(features.float(), dim=-1) @ leaf.T
            each = losses(logits, counts, self.asked, rows[piece], config.smoothing) / len(rows)
            (each * weights).sum().backward()  # type: ignore[no-untyped-call]
            parts += each.detach()
        text.backward(leaf.grad)  # type: ignore[no-untyped-call]
        loss = (parts * weights).sum()
        if not torch.isfinite(loss):
            raise TrainingError(f"the loss is not a number at step {state.step}; start again with a lower lr")
        for optimiser in state.optimisers:
            optimiser.step()
        state.step += 1
        state.seen += len(rows)
        state.follow(config.average)
        names = (question.name for question in self.asked)
        shown = {name: round(value, 3) for name, value in zip(names, parts.tolist(), strict=True)}
        return {"f": round(f, 4), "lr": round(factor, 4), "loss": round(loss.item(), 4), **shown}


def pictures_of(size: int) -> tuple[Pictures, Pictures]:
    """Return the training and the held-out pictures at ``size`` pixels, kept decoded in the cache folder."""
    root = data_root()
    if root is None:
        raise DataError("expected a folder of data in COLDFRAME_DATA, found none; set it to where cifar10/ is")
    return read(root, "train", size, cache_root() / "pocket"), read(root, "val", size, cache_root() / "pocket")
