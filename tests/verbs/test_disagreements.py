"""Two fitted methods, image by image: a CNN and a transformer with windows, as a page, a folder and a test."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from fakes import Pictures
from PIL import Image

from coldframe.backbones.base import Backbone
from coldframe.backbones.timm import cut
from coldframe.backbones.timm_weights import network
from coldframe.cold import ColdPass, Store
from coldframe.data.base import Split
from coldframe.errors import InputError
from coldframe.files import read_json
from coldframe.measures import mcnemar
from coldframe.methods.knn import NearestNeighbours
from coldframe.methods.linear_probe import LinearProbe
from coldframe.types import Preprocess
from coldframe.verbs import disagreements as verb
from coldframe.verbs.disagreements import compare_two, names_of, runs

SWIN = {"img_size": 64, "window_size": 2, "depths": (1, 1, 1, 1), "embed_dim": 24}
DINO = {"img_size": 64, "depth": 2, "embed_dim": 48, "num_heads": 3}
CLASSES = ("red", "green", "blue")


def colours(n: int, seed: int) -> Split:
    """Return pictures of noise with a little of one colour in each."""
    generator = np.random.default_rng(seed)
    labels = np.arange(n) % 3
    arrays = generator.integers(0, 200, (n, 64, 64, 3), dtype=np.uint8)
    for array, label in zip(arrays, labels, strict=True):
        array[..., label] += 9
    return Split("test", Pictures(list(arrays)), labels.astype(np.int64), CLASSES)


def model(name: str, settings: dict[str, object]) -> Backbone:
    return cut(f"timm:{name}", network(name, num_classes=3, **settings), Preprocess(64, 64, (0.5,) * 3, (0.25,) * 3))


@pytest.mark.parametrize(
    ("name", "settings"),
    [("swin_tiny_patch4_window7_224", SWIN), ("swinv2_cr_tiny_224", SWIN), ("vit_small_patch16_dinov3", DINO)],
)
def test_a_cnn_against_a_strong_transformer(name: str, settings: dict[str, object], tmp_path: Path) -> None:
    cold = ColdPass(Store(tmp_path / "store"))
    train, test = colours(24, 0), colours(30, 1)
    cnn = LinearProbe(model("resnet10t", {}), l2=1e-3).fit(train, cold=cold)
    transformer = LinearProbe(model(name, settings), l2=1e-3).fit(train, cold=cold)
    names = names_of(cnn, transformer, ("a", "b"))
    assert names == ("timm:resnet10t", f"timm:{name}")
    found = compare_two(cnn, transformer, test, names=names, data="colours", most=2, out=tmp_path / "out", cold=cold)
    right = [(m.predict(test, cold=cold).numpy() == test.labels) for m in (cnn, transformer)]
    assert found["only_a_right"] == int((right[0] & ~right[1]).sum()) == len(found["images"]["only_a"])
    assert found["only_b_right"] == int((right[1] & ~right[0]).sum()) == len(found["images"]["only_b"])
    assert found["only_a_right"] + found["only_b_right"] > 0, "nothing would be tested"
    assert found["difference"]["p"] == mcnemar(*right)
    assert found["difference"]["difference"] == pytest.approx(right[0].mean() - right[1].mean())
    for line in found["images"]["only_a"]:
        assert line["a"] == line["true"] != line["b"]
    for folder in ("only_a", "only_b"):
        written = list((tmp_path / "out" / folder).glob("*.png"))
        assert len(written) == min(2, len(found["images"][folder]))
        for file in written:  # what is written is the picture itself, which a model answers the same
            pixels = np.asarray(Image.open(file))
            assert any(np.array_equal(pixels, np.asarray(test.images.open(row))) for row in range(len(test)))
    page = (tmp_path / "out" / "report.html").read_text()
    assert page.count("<figure>") == sum(min(2, len(lines)) for lines in found["images"].values())
    assert "McNemar" in page and page.count("<script") == 1 and 'src="http' not in page
    assert (tmp_path / "out" / "disagreements.png").stat().st_size > 1000


def test_saved_runs(tmp_path: Path) -> None:
    from coldframe.backbones import load_backbone
    from coldframe.data import load_dataset

    data = load_dataset("mini:cifar10", shots=2)
    backbone = load_backbone("pocket/random")
    for name, method in (("a", LinearProbe(backbone, l2=1e-2)), ("b", NearestNeighbours(backbone))):
        method.fit(data.train, data.val).save(tmp_path / name)
    with pytest.raises(InputError, match=r"found none; name it with --data"):
        runs(tmp_path / "a", tmp_path / "b", out=tmp_path / "out")
    with pytest.raises(InputError, match=r"found nothing at"):
        runs(tmp_path / "a", tmp_path / "c", out=tmp_path / "out")
    with pytest.raises(InputError, match="expected data with the 10 classes"):
        runs(tmp_path / "a", tmp_path / "b", data="mini:caltech7", out=tmp_path / "out")
    with pytest.raises(InputError, match="most=0"):
        runs(tmp_path / "a", tmp_path / "b", data="mini:cifar10", most=0, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
    found = runs(tmp_path / "a", tmp_path / "b", data="mini:cifar10", split="val", most=3, out=tmp_path / "out")
    assert found["names"] == ["linear-probe", "knn"] and found["n"] == len(load_dataset("mini:cifar10").val)
    assert read_json(tmp_path / "out" / "results.json")["difference"] == found["difference"]


def test_what_runs_are_called() -> None:
    backbone = model("resnet10t", {})
    one, two = LinearProbe(backbone, l2=1.0), LinearProbe(backbone, l2=0.1)
    assert names_of(one, NearestNeighbours(backbone), ("x", "y")) == ("linear-probe", "knn")
    assert names_of(one, two, ("x", "y")) == ("linear-probe (x)", "linear-probe (y)")
    assert names_of(one, two, ("x", "x")) == ("linear-probe (A)", "linear-probe (B)")


class Answering:
    """A method whose probabilities are given, on a model of a name."""

    def __init__(self, name: str, odds: list[list[float]], model: str = "m") -> None:
        self.name, self.odds = name, torch.tensor(odds)
        self.backbone: Any = SimpleNamespace(name=model, digest=f"digest of {model}", device=torch.device("cpu"))

    def __repr__(self) -> str:
        return f"<{self.name}>"

    def check_classes(self, classes: object) -> None:
        assert tuple(classes) == CLASSES  # type: ignore[call-overload]

    def predict_proba(self, split: Split, cold: object) -> torch.Tensor:
        return self.odds


def test_counts_lines_and_pictures_of_answers_that_are_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = [[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]]
    wrong = [[0.1, 0.7, 0.2], [0.6, 0.3, 0.1], [0.3, 0.5, 0.2]]
    kinds = [(1, 1), (1, 0), (0, 1), (0, 0), (1, 0), (1, 0)]  # who is right of six pictures, of which each third has a class
    a, b = (
        Answering(name, [(right if kind[k] else wrong)[row % 3] for row, kind in enumerate(kinds)])
        for k, name in enumerate(("probe", "knn"))
    )
    split = colours(6, 0)
    drawn: list[Any] = []
    pages: list[tuple[Any, ...]] = []
    monkeypatch.setattr(verb, "differing_figure", lambda halves, names: drawn.append(halves))
    monkeypatch.setattr(verb, "save_figure", lambda figure, place, dpi: drawn.append((place, dpi)))
    monkeypatch.setattr(verb, "differing_page", lambda *words: pages.append(words) or "page")
    monkeypatch.setattr(verb, "_FIGURE", 2)
    (tmp_path / "only_a").mkdir()
    (tmp_path / "only_a" / "old.png").write_bytes(b"")
    found = compare_two(a, b, split, names=("probe", "knn"), data="d", most=2, out=tmp_path, left_out={"x": "why"})  # type: ignore[arg-type]
    assert [found[key] for key in ("both", "only_a_right", "only_b_right", "neither", "n")] == [1, 3, 1, 1, 6]
    assert found["left_out"] == {"x": "why"} and found["settings"] == ["<probe>", "<knn>"]
    assert [line["image"] for line in found["images"]["only_a"]] == ["picture 1", "picture 4", "picture 5"]
    assert found["images"]["only_b"] == [
        {
            "image": "picture 2", "true": "blue", "a": "green", "a_probability": 0.5, "b": "blue", "b_probability": 0.8,
        }
    ]  # fmt: skip
    written = {"only_a": ["001_green_taken_for_red", "002_green_taken_for_red"], "only_b": ["001_blue_taken_for_green"]}
    for folder, names in written.items():
        assert sorted(path.stem for path in (tmp_path / folder).iterdir()) == names
    (heading, shown, answers), (other, few, _) = drawn[0]
    assert drawn[1] == (tmp_path / "disagreements", 110)
    assert heading == "probe is right, knn is wrong: 3 of 6" and other == "knn is right, probe is wrong: 1 of 6"
    assert [picture.shape for picture in shown] == [(160, 160, 3)] * 2 and len(few) == 1
    assert answers[0] == ("green", "green", "red")
    _, headline, counts, _, classes, (mine, theirs), _, facts = pages[0]
    assert headline == "d, test: 6 images, 3 classes" and tuple(counts) == (1, 3, 1, 1)
    assert (len(mine), len(theirs)) == (2, 1)
    assert facts[2:] == [("data", "d, test, 6 images"), ("weights of m", "digest of m")]
    assert mine[0].a == ("green", pytest.approx(0.8)) and mine[0].b == ("red", pytest.approx(0.6))
    assert mine[0].name == "picture 1"
    assert sorted((n, x, y) for _, n, x, y in classes) == [(2, 1, 1), (2, 2, 0)]
    assert "left_out" not in compare_two(a, b, split, names=("a", "b"), data="d", out=tmp_path)  # type: ignore[arg-type]


def test_runs_of_other_models_are_named_by_them() -> None:
    one, two = Answering("knn", [], "m"), Answering("knn", [], "n")
    assert names_of(one, two, ("x", "y")) == ("m", "n")  # type: ignore[arg-type]
    two.name = "probe"
    assert names_of(one, two, ("x", "y")) == ("knn on m", "probe on n")  # type: ignore[arg-type]
