"""Two fitted methods, image by image: a CNN and a transformer with windows, as a page, a folder and a test."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fakes import Pictures
from PIL import Image

from coldframe.backbones.base import Backbone
from coldframe.backbones.timm import cut, network
from coldframe.cold import ColdPass, Store
from coldframe.data.base import Split
from coldframe.errors import InputError
from coldframe.files import read_json
from coldframe.measures import mcnemar
from coldframe.methods.knn import NearestNeighbours
from coldframe.methods.linear_probe import LinearProbe
from coldframe.types import Preprocess
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
