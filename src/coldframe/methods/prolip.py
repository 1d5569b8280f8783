"""ProLIP: the last matrix of the image tower is trained, held to where it starts; all before it is stored."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import KW_ONLY
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import torch
from torch import Tensor
from torch.nn import functional

from coldframe.cold import ColdPass
from coldframe.data.base import Split
from coldframe.errors import InputError
from coldframe.methods import templates
from coldframe.methods.base import Method, Report, holdout
from coldframe.methods.contexts import text_of
from coldframe.methods.views import Augment, views_of
from coldframe.training.schedules import factor
from coldframe.types import PROJECTION

RATES = (1e-5, 1e-4, 1e-3, 1e-2)
"""The rates over which the paper averages where it has no validation images."""
UNCHOSEN = 1e-4
"""The rate where nothing can be chosen."""
PATIENCE = 50
"""Steps after which a search ends where none of them, at any rate, was better than all before."""
EPSILON, BETAS = 1e-4, (0.9, 0.999)


class Prolip(Method):
    """logits = s * cos(W^T z, t): z [D'] before the projection, t class texts, W [D', D] trained from the model's own W_0.

    ``steps`` full-batch steps of Adam (epsilon 1e-4, cosine to 0) on mean CE + hold * |W - W_0|^2. The step with the best
    top-1 on ``val`` is kept, among equals the lowest cross-entropy, W_0 as step 0; without ``val`` the last. All rates run at
    once, and a search among them ends after 50 steps without a better one. With ``lr="auto"`` and no ``val`` a fifth of train
    is held out for the choice and joins again after it.

    Args:
        backbone: a vision-language model with a projection: open_clip's vision transformers, pocket.
        hold: on the distance from W_0, or ``"1/shots"``: classes that have images / training images.
        lr: of Adam, or ``"auto"``: the best of 1e-5, 1e-4, 1e-3, 1e-2.
        steps: each over all images.
        template: texts of the class names.
        augment: ``flip`` takes the mirrored images in every second step.

    Published: CLIP ViT-B/16, 16 shots: DTD 72.6, EuroSAT 88.1, Pets 92.7, SUN397 75.8; 4 shots: 63.5, 81.7, 92.2, 72.2.

    Source:
        Fahes et al., CLIP's Visual Embedding Projector is a Few-shot Cornucopia (2024), arXiv 2410.05270. What preset
        ``fahes2024`` leaves: 300 random crops of each image in the place of two views.
    """

    name: ClassVar[str] = "prolip"
    spoken: ClassVar[str] = "ProLIP"
    crosses: ClassVar[bool] = True
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "fahes2024": {"hold": "1/shots", "lr": 1e-5, "steps": 300, "augment": "flip"},
    }

    hold: float | Literal["1/shots"] = "1/shots"
    _: KW_ONLY
    lr: float | Literal["auto"] = "auto"
    steps: int = 300
    template: str | Sequence[str] = templates.PHOTO
    augment: Augment = "none"

    def __post_init__(self) -> None:
        super().__post_init__()
        text_of(self.backbone)
        if PROJECTION not in self.backbone.cuts:
            raise InputError(
                f"expected an image tower that ends in one matrix, such as open_clip's vision transformers and pocket, found "
                f"{self.backbone.name}; choose cross-modal or clip-adapter, which work on the features"
            )
        self.template = templates.kept(self.template)
        self.weight, self.texts = torch.zeros(0), torch.zeros(0)

    @property
    def cut(self) -> str:
        return PROJECTION

    @property
    def views(self) -> tuple[str, ...]:
        return views_of(self.augment)

    @property
    def trainable_parameters(self) -> int:
        return self.weight.numel()

    def warm(self, x: Tensor) -> Tensor:
        return self._scores(x.float(), self.weight)

    def state(self) -> dict[str, Tensor]:
        return {"projection": self.weight, "texts": self.texts}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        self.weight, self.texts = state["projection"], state["texts"]

    def _scores(self, x: Tensor, weight: Tensor) -> Tensor:
        """Return logits [..., B, K] of x [B, D'] with one or several matrices [..., D', D]."""
        return self.backbone.logit_scale * functional.normalize(x @ weight, dim=-1) @ self.texts.T

    def _start(self) -> Tensor:
        """Return W_0, found by running the stage on unit vectors: it is linear."""
        width = int(self.backbone.run(self._blank(), stop=PROJECTION).shape[-1])
        basis = torch.eye(width, device=self.backbone.device, dtype=self.backbone.dtype)
        return self.backbone.run(basis, start=PROJECTION).float().clone()  # [D', D]

    def _blank(self) -> Tensor:
        side = self.backbone.preprocess.size
        return torch.zeros(1, 3, side, side, device=self.backbone.device, dtype=self.backbone.dtype)

    def _stored(self, split: Split, cold: ColdPass, views: Sequence[str]) -> tuple[list[Tensor], Tensor]:
        rows = torch.arange(len(split))
        found = [cold.activations(self.backbone, split, PROJECTION, view).gather(rows).float() for view in views]
        return found, torch.from_numpy(split.labels).to(found[0].device)

    def _fit(self, train: Split, val: Split | None, cold: ColdPass, run: Path | None, report: Report | None) -> None:
        held = val if val is not None and len(val) else None
        if self.lr != "auto":
            self._learn(train, held, cold, (float(self.lr),), self.steps)
            return
        if held is None:
            part, held = holdout(train)
            if len(held):
                chosen = self.again()
                chosen.classes = self.classes
                chosen._learn(part, held, cold, RATES, self.steps)
                self._refit(chosen, train, cold, run, report)
                self.choices, self.history = chosen.choices, chosen.history
                return
        if len(held):
            self._learn(train, held, cold, RATES, self.steps)
        else:
            self._learn(train, None, cold, (UNCHOSEN,), self.steps)

    def tried(self) -> dict[Hashable, tuple[float, float]]:
        return {(line["lr"], line["step"]): (line["val_top1"], line["val_loss"]) for line in self.history}

    def adopt(self, fits: Sequence[Self], best: Any) -> None:
        if best is not None:
            self.choices |= {"lr": best[0], "step": best[1]}

    def _refit(self, chosen: Self, both: Split, cold: ColdPass, run: Path | None, report: Report | None) -> None:
        self._learn(both, None, cold, (float(chosen.choices["lr"]),), int(chosen.choices["step"]))

    @torch.no_grad()
    def _learn(self, train: Split, val: Split | None, cold: ColdPass, rates: Sequence[float], stop: int) -> None:
        """Run ``stop`` steps at every rate, on the schedule of all ``steps``; keep the best on ``val``, else the last."""
        self.texts = templates.class_embeddings(self.backbone, train.classes, self.template).float()  # [K, D]
        views, y = self._stored(train, cold, self.views)
        seen = self._stored(val, cold, ("plain",)) if val is not None else None
        start = self._start()
        hold = self.hold if self.hold != "1/shots" else len(torch.unique(y)) / len(y)
        weight = start.expand(len(rates), -1, -1).clone()  # [S, D', D]
        rate = torch.tensor(rates, device=weight.device)[:, None, None]
        first, second = torch.zeros_like(weight), torch.zeros_like(weight)
        best: tuple[tuple[float, float], int, int, Tensor] | None = None
        self.history = []
        for step in range(stop + 1):
            if seen is not None:
                logits = self._scores(seen[0][0], weight)  # [S, B, K]
                for number, each in enumerate(logits):
                    top1 = float((each.argmax(-1) == seen[1]).double().mean())
                    loss = float(functional.cross_entropy(each, seen[1]))
                    self.history.append({"step": step, "lr": rates[number], "val_top1": top1, "val_loss": loss})
                    if best is None or (top1, -loss) > best[0]:
                        best = (top1, -loss), step, number, weight[number].clone()
            if step == stop or (len(rates) > 1 and best is not None and step - best[1] >= PATIENCE):
                break
            slope = self._slope(views[step % len(views)], y, weight) + 2 * float(hold) * (weight - start)
            first = BETAS[0] * first + (1 - BETAS[0]) * slope
            second = BETAS[1] * second + (1 - BETAS[1]) * slope.square()
            spread = (second / (1 - BETAS[1] ** (step + 1))).sqrt() + EPSILON
            moved = rate * factor("cosine", step, self.steps, 0)
            weight = weight - moved * (first / (1 - BETAS[0] ** (step + 1))) / spread
        number, kept, self.weight = (0, stop, weight[0].clone()) if best is None else (best[2], best[1], best[3])
        self.choices = {"lr": rates[number], "step": kept, "hold": float(hold), "settings tried": len(rates)}
        if val is not None:
            self.choices["chosen on"] = val.name

    def _slope(self, x: Tensor, y: Tensor, weight: Tensor) -> Tensor:
        """Return the slope of the mean cross-entropy [S, D', D], in the matrices [S, D', D]."""
        mapped = x @ weight  # [S, B, D]
        length = mapped.norm(dim=-1, keepdim=True).clamp_min(1e-12)
        unit = mapped / length
        scale = self.backbone.logit_scale
        error = ((scale * unit @ self.texts.T).softmax(-1) - functional.one_hot(y, len(self.texts))) / len(y)  # [S, B, K]
        pulled = scale * error @ self.texts  # [S, B, D]
        slope: Tensor = x.T @ ((pulled - unit * (pulled * unit).sum(-1, keepdim=True)) / length)
        return slope
