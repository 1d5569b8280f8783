"""The training of pocket: ``coldframe train pocket``. ``docs/pocket.md`` says what it gave, how long it took and on what.

One loss: for each picture and each question, the cross-entropy of the captions that answer the question under
exp(logit_scale) * cos(picture, caption). As captions of one answer exclude the others, this is the contrastive loss with
every picture of the batch that a caption is true of as a positive. Where a convolutional teacher was trained first, its
answers about the same augmented picture take the larger part of the questions about the class.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from coldframe.backbones.checkpoint import drawn, load_state
from coldframe.backbones.pocket import CONTEXT, Shape, network
from coldframe.backbones.words import Words
from coldframe.errors import DataError, TrainingError
from coldframe.files import append_line, cache_root, data_root, read_safetensors, write_safetensors
from coldframe.recipes.pocket.captions import questions, views
from coldframe.recipes.pocket.corpus import CLASSES, FINE, Pictures, read_both
from coldframe.recipes.pocket.feed import Feed, normalised
from coldframe.recipes.pocket.losses import loss_of, targets_of
from coldframe.recipes.pocket.muon import Muon
from coldframe.recipes.pocket.start import initialise
from coldframe.recipes.pocket.state import State
from coldframe.recipes.pocket.teacher import Teacher, class_views, train_teacher
from coldframe.recipes.pocket.towers import encode_ids, encode_patches, patches_of, transformer_block
from coldframe.recipes.pocket.vocabulary import vocabulary

MEAN = (0.4914, 0.4822, 0.4465)
STD = (0.2470, 0.2435, 0.2616)
TEMPLATE = "This is a photo of a {}"
TEACHER = "teacher.safetensors"
CAPTION_SETS = 250
"""Sets of captions that are written before the first step; each step draws one set for each question."""


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
        teacher_minutes: how long the convolutional teacher learns first; 0 for none.
        batch: images a step.
        lr: of Muon, for the matrices of the image tower's blocks.
        adam_lr: of Adam, for everything else.
        weight_decay: of Muon, per unit of ``lr``.
        warm_up: share of the run in which the rate rises.
        decay_from: share of the run from which it falls, linearly to zero.
        stages: how patches and blocks grow.
        shape: of the network.
        smoothing: of the targets.
        trust: share of the loss of the questions about the class that follows the teacher.
        average: decay of the moving average that is exported.
        seed: of the weights, the order, the augmentation and the captions.
        device: ``"cpu"`` or ``"cuda"``; on CUDA the image tower is compiled and runs in bf16 autocast.
    """

    out: Path = Path("runs/pocket")
    minutes: float = 7.0
    epochs: float | None = None
    teacher_minutes: float = 2.0
    batch: int = 1024
    lr: float = 0.01
    adam_lr: float = 2e-3
    weight_decay: float = 0.1
    warm_up: float = 0.03
    decay_from: float = 0.3
    stages: tuple[Stage, ...] = (Stage(1.0, 1.0, 12),)
    shape: Shape = field(default_factory=Shape)
    smoothing: float = 0.05
    trust: float = 0.7
    average: float = 0.998
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


@torch.no_grad()
def accuracy(
    model: Any, pictures: Pictures, words: Words, limit: int | None = None, template: str = TEMPLATE
) -> dict[str, float]:
    """Return the zero-shot top-1 within CIFAR-10's names and within CIFAR-100's, with one template and the plain names.

    A data set that is not among the pictures is left out.

    Args:
        model: the network.
        pictures: of both data sets.
        words: the tokeniser.
        limit: at most so many pictures of each data set.
        template: the sentence around a name.
    """
    device, result = model.logit_scale.device, {}
    labels = torch.from_numpy(pictures.labels)
    mean, std = torch.tensor(MEAN).view(3, 1, 1), torch.tensor(STD).view(3, 1, 1)
    for name, names, first in (("cifar10", CLASSES, 0), ("cifar100", FINE, len(CLASSES))):
        rows = ((labels >= first) & (labels < first + len(names))).nonzero()[:limit, 0]
        if not len(rows):
            continue
        texts = F.normalize(encode_ids(model, words([template.format(n) for n in names]).to(device)), dim=-1)
        right = 0
        for some in torch.split(rows, 500):
            x = normalised(torch.from_numpy(pictures.pixels[some.numpy()]), mean, std).to(device)
            answer = (model.encode_image(x) @ texts.T).argmax(dim=1).cpu()
            right += int((answer + first == labels[some]).sum())
        result[name] = right / len(rows)
    return result


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
        self.device = torch.device(config.device)
        self.words = Words(*vocabulary(), CONTEXT)
        asked = questions()
        self.views = views(asked, self.device)
        self.answers = torch.tensor([len(question.answers) for question in asked])
        draw = random.Random(config.seed)
        sets = [[text for question in asked for text in question.captions(draw)] for _ in range(CAPTION_SETS)]
        flat = self.words([text for texts in sets for text in texts])
        self.length = int(flat.argmax(dim=1).max()) + 1
        self.captions = flat.view(len(sets), -1, flat.shape[1]).to(self.device)
        self.feed = Feed(train, config.batch, config.seed, MEAN, STD, self.device)
        model: Any = drawn(lambda: network(config.shape, self.words))
        mean, std = torch.tensor(MEAN).view(3, 1, 1), torch.tensor(STD).view(3, 1, 1)
        sample = patches_of(normalised(torch.from_numpy(train.pixels[:4000]), mean, std), config.shape.patch)
        initialise(model, sample.flatten(0, 1), torch.Generator().manual_seed(config.seed))
        self.model = model.to(self.device)
        matrices = [p for block in model.visual.transformer.resblocks for p in block.parameters() if p.ndim == 2]
        chosen = {id(p) for p in matrices}
        others = [p for p in model.parameters() if id(p) not in chosen]
        muon = Muon(matrices, config.lr, weight_decay=config.weight_decay)
        self.state = State(self.model, [muon, torch.optim.Adam(others, config.adam_lr, betas=(0.9, 0.98))])
        self.log = config.out / "log.jsonl"
        self.teacher: Teacher | None = None
        on_gpu = self.device.type == "cuda"
        self.block = torch.compile(transformer_block) if on_gpu else transformer_block
        self.loss_of = torch.compile(loss_of) if on_gpu else loss_of

    def go(self, *, log_every: int = 50, evaluate_every: int = 500, save_every: float = 120.0) -> dict[str, Any]:
        """Train to the end.

        Args:
            log_every: steps between lines of the log.
            evaluate_every: steps between validations, on the first 1,000 held-out pictures of each data set.
            save_every: seconds between states.

        Returns:
            Steps, images seen, seconds, and the final zero-shot accuracy on all held-out pictures.
        """
        state, config = self.state, self.config
        state.resume(config.out, config.fixed())
        self.teacher = self._teacher()
        saved = mark = time.perf_counter()
        while (f := self._share()) < 1:
            line = self._step(f)
            if state.step % log_every == 0:
                self._note(line())
            elif self.device.type == "cuda" and state.step % 10 == 0:
                torch.cuda.synchronize()  # the clock decides the rate: steps must not queue up far ahead of it
            now = time.perf_counter()
            state.seconds, mark = state.seconds + now - mark, now
            if state.step % evaluate_every == 0:
                self._note({"val": accuracy(copy_with(config, self.words, state.average), self.val, self.words, 1000)})
            if now - saved > save_every:
                state.save(config.out, config.fixed())
                saved = now
        state.save(config.out, config.fixed())
        final = accuracy(copy_with(config, self.words, state.average), self.val, self.words)
        self._note({"val_all": final})
        return {"steps": state.step, "seen": state.seen, "seconds": round(state.seconds, 1), "val": final}

    def _teacher(self) -> Teacher | None:
        """Return the teacher: the one that is in the folder, else one that is trained now, else None."""
        config = self.config
        if not config.teacher_minutes:
            return None
        path = config.out / TEACHER
        teacher = drawn(Teacher).to(self.device)
        if path.is_file():
            weights, _ = read_safetensors(path)
            load_state(teacher, weights, "the teacher", str(path))
            return teacher.to(memory_format=torch.channels_last).eval().requires_grad_(False)
        asked = class_views(self.views)
        teacher = train_teacher(teacher, self.feed, self.val, asked, config.teacher_minutes, self.log)
        write_safetensors(path, {name: tensor.contiguous() for name, tensor in teacher.state_dict().items()})
        return teacher

    def _share(self) -> float:
        if self.config.epochs is not None:
            return self.state.step / (self.config.epochs * self.feed.steps_per_epoch)
        return self.state.seconds / (self.config.minutes * 60)

    def _note(self, line: dict[str, Any]) -> None:
        about = {"step": self.state.step, "s": round(self.state.seconds, 1), "seen": self.state.seen}
        append_line(self.log, json.dumps(about | line))

    def _captions(self) -> Tensor:
        """Return the ids of this step's captions [captions, T]: for each question those of a set drawn at random."""
        generator = torch.Generator().manual_seed(self.config.seed * 1_000_003 + self.state.step)
        drawn = torch.randint(len(self.captions), self.answers.shape, generator=generator).repeat_interleave(self.answers)
        return self.captions[drawn.to(self.device), torch.arange(len(drawn), device=self.device)]

    def _step(self, f: float) -> Any:
        """Take one step; return what makes the line of the log, which waits for the device."""
        config, model, state = self.config, self.model, self.state
        factor = config.rate(f)
        for optimiser, lr in zip(state.optimisers, (config.lr, config.adam_lr), strict=True):
            optimiser.param_groups[0]["lr"] = lr * factor
            optimiser.zero_grad(set_to_none=True)
        keep, blocks = config.stage(f)
        batch = self.feed.batch(state.step)
        patches = patches_of(batch.images, config.shape.patch)
        B, T = patches.shape[:2]
        kept = None
        if keep < 1:
            kept = torch.rand(B, T, generator=batch.generator, device=self.device).argsort(1)[:, : round(T * keep)]
        text = F.normalize(encode_ids(model, self._captions(), self.length), dim=-1)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            features = encode_patches(model.visual, patches, kept, blocks, self.block)
            with torch.no_grad():
                taught = None if self.teacher is None else self.teacher(batch.images)
        logits = model.logit_scale.exp().clamp(max=100) * F.normalize(features.float(), dim=-1) @ text.T
        taught = None if taught is None else taught.float()
        parts = self.loss_of(logits, targets_of(self.views, batch), self.views, taught, config.smoothing, config.trust)
        loss = parts.sum()
        loss.backward()  # type: ignore[no-untyped-call]
        for optimiser in state.optimisers:
            optimiser.step()
        state.step += 1
        state.seen += B
        state.follow(config.average)

        def line() -> dict[str, Any]:
            if not torch.isfinite(loss):
                raise TrainingError(f"the loss is not a number at step {state.step - 1}; start again with a lower lr")
            shown = {view.name: round(value, 3) for view, value in zip(self.views, parts.tolist(), strict=True)}
            return {"f": round(f, 4), "lr": round(factor, 4), "loss": round(loss.item(), 4), **shown}

        return line


def pictures_of(size: int) -> tuple[Pictures, Pictures]:
    """Return the training and the held-out pictures at ``size`` pixels, kept decoded in the cache folder."""
    root = data_root()
    if root is None:
        raise DataError("expected a folder of data in COLDFRAME_DATA, found none; set it to where cifar10/ and cifar100/ are")
    return read_both(root, "train", size, cache_root() / "pocket"), read_both(root, "val", size, cache_root() / "pocket")
