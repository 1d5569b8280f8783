"""Draw one picture for each few-shot method: the regions that the method itself gives to three classes of a plane.

A point (a, b) of the plane is an image of one colour, whose feature is (a, b, 1) at unit length; three directions stand for the
class texts. Each method is fitted on the same twelve images, with its own defaults, and asked for every point. ``python
tools/few_shot_pictures.py`` writes docs/images/few-shot-methods.jpg in about a minute.
"""

from __future__ import annotations

import hashlib
import io
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from coldframe.backbones.base import Backbone
from coldframe.cold import ColdPass, Store
from coldframe.data.base import Split, without_labels
from coldframe.files import write_bytes
from coldframe.methods import method_class
from coldframe.methods.transclip import TransClip
from coldframe.report.figures.style import PALETTE, as_png, style
from coldframe.types import FEATURES, PIXELS, Preprocess

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "images" / "few-shot-methods.jpg"
NAMES = (
    "zero-shot", "linear-probe", "knn", "ncm", "gda", "ridge", "kernel-ridge", "tip-adapter", "tip-adapter-f", "lp++", "clap",
    "taskres", "clip-adapter", "cross-modal", "prolip", "transclip", "laplace",
)  # fmt: skip
CLASSES = ("one", "two", "three")
WIDTH, SIDE, SEED = 8, 72, 3
"""Width of the features, whose other numbers are 0; points along one side of the plane; seed of the images."""
CENTRES = np.array([[-0.5, -0.35], [0.5, -0.3], [0.05, 0.55]])
TEXTS = np.array([[-0.35, 0.15], [0.75, 0.3], [0.3, 0.05]])
SPREAD = np.array([[0.22, 0.1], [0.12, 0.25], [0.25, 0.12]])


class Colours:
    """Pictures of one colour each: red and green are the two coordinates, from -1 to 1."""

    def __init__(self, points: NDArray[np.float64]) -> None:
        self.points = np.round((points.clip(-1, 1) + 1) / 2 * 255).astype(np.uint8)

    def __len__(self) -> int:
        return len(self.points)

    def open(self, index: int) -> Image.Image:
        return Image.new("RGB", (4, 4), (*map(int, self.points[index]), 0))

    def digest(self, index: int) -> str:
        return hashlib.sha256(self.points[index].tobytes()).hexdigest()[:32]

    def name(self, index: int) -> str:
        return f"point {index}"


class Texts:
    """Directions in place of a text tower: a text that ends with the name of class k has direction k."""

    context_length, causal = 1, True

    def tokenize(self, texts: Sequence[str]) -> Tensor:
        return torch.tensor([[next(k for k, name in enumerate(CLASSES) if text.endswith(name))] for text in texts])

    def encode(self, tokens: Tensor) -> Tensor:
        return lifted(torch.from_numpy(TEXTS).float())[tokens[:, 0]]

    def unknown_words(self, text: str) -> list[str]:
        return []

    def cut(self, texts: Sequence[str]) -> list[str]:
        return []


def lifted(points: Tensor) -> Tensor:
    """Return (a, b, 1, 0, ...) of points [N, 2] -> [N, D]."""
    return torch.cat([points, torch.ones(len(points), 1), torch.zeros(len(points), WIDTH - 3)], dim=1)


class Plane(Backbone):
    """The mean colour of an image as its feature, with one matrix before it, which is the identity."""

    def __init__(self) -> None:
        net = nn.Module()
        net.proj = nn.Parameter(torch.eye(WIDTH))
        preprocess = Preprocess(size=4, resize=4, mean=(0.5,) * 3, std=(0.5,) * 3)
        text: Any = Texts()
        super().__init__("plane", net, preprocess, (PIXELS, "pre-projection", FEATURES), WIDTH, text=text)

    @property
    def logit_scale(self) -> float:
        return 20.0

    def _step(self, index: int, x: Tensor) -> Tensor:
        return lifted(x.mean((2, 3))[:, :2]) if index == 0 else x @ self.stage_modules("pre-projection")[0]  # type: ignore[operator]

    def stage_modules(self, cut: str) -> list[nn.Module | nn.Parameter]:
        return [self.module.proj] if cut == "pre-projection" else []  # type: ignore[list-item]


def drawn() -> Figure:
    """Return the figure."""
    generator = np.random.default_rng(SEED)
    labels = np.arange(12) % 3
    points = CENTRES[labels] + SPREAD[labels] * generator.standard_normal((12, 2))
    line = np.linspace(-1, 1, SIDE)
    grid = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    more = np.concatenate([CENTRES[k] + SPREAD[k] * generator.standard_normal((40, 2)) for k in range(3)])
    train = Split("train", Colours(points), labels.astype(np.int64), CLASSES)
    seen, unlabelled = (without_labels(Colours(each), "grid", CLASSES) for each in (grid, more))
    colours = np.array([[int(shade[at : at + 2], 16) / 255 for at in (1, 3, 5)] for shade in PALETTE[:3]])
    with style():
        figure = Figure(figsize=(10.5, 5.7), layout="constrained")
        axes = figure.subplots(3, 6).flat
    with tempfile.TemporaryDirectory() as folder:
        cold, backbone = ColdPass(Store(Path(folder))), Plane()
        for axis, name in zip(axes, NAMES, strict=False):
            method = method_class(name)(backbone)
            if isinstance(method, TransClip):
                method.unlabelled = unlabelled
                axis.plot(*more.T, ".", color="black", alpha=0.25, markersize=3)
            probabilities = method.fit(train, cold=cold).predict_proba(seen, cold=cold).numpy()
            sure = (probabilities.max(1, keepdims=True) - 1 / 3) * 1.5
            shown = 1 - (0.25 + 0.5 * sure) * (1 - colours[probabilities.argmax(1)])
            axis.imshow(shown.reshape(SIDE, SIDE, 3), extent=(-1, 1, -1, 1), origin="lower", interpolation="bilinear")
            for k in range(3):
                axis.plot(*points[labels == k].T, "o", color=PALETTE[k], markeredgecolor="white", markersize=5)
                if name not in ("linear-probe", "knn"):
                    axis.plot(*TEXTS[k], "*", color=PALETTE[k], markeredgecolor="black", markersize=10)
            axis.set_title(name, fontsize=9)
            axis.set(xticks=[], yticks=[], xlim=(-1, 1), ylim=(-1, 1))
            axis.grid(visible=False)
    last = list(figure.axes)[len(NAMES)]
    last.set_axis_off()
    handles = [
        SimpleNamespace(text="an image with a label", marker="o", edge="white"),
        SimpleNamespace(text="a class text", marker="*", edge="black"),
        SimpleNamespace(text="an image without", marker=".", edge="none"),
    ]
    for place, each in enumerate(handles):
        last.plot(0.05, 0.75 - 0.2 * place, each.marker, color="gray", markeredgecolor=each.edge, markersize=9)
        last.text(0.14, 0.75 - 0.2 * place, each.text, fontsize=8, va="center")
    last.text(0.02, 0.13, "strong colour: sure", fontsize=8, va="center")
    last.set(xlim=(0, 1), ylim=(0, 1))
    return figure


if __name__ == "__main__":
    file = io.BytesIO()
    Image.open(io.BytesIO(as_png(drawn()))).convert("RGB").save(file, "JPEG", quality=80, optimize=True)  # soft colours
    write_bytes(PICTURE, file.getvalue())
    print(f"written: {PICTURE}")
