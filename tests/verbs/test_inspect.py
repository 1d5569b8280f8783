"""From image files to figures of what a model sees."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from coldframe.backbones.base import Backbone
from coldframe.backbones.timm import cut
from coldframe.backbones.timm_weights import network
from coldframe.errors import DataError, InputError
from coldframe.files import read_json
from coldframe.types import Preprocess
from coldframe.verbs import inspect as verb
from coldframe.verbs.inspect import FILTER_SIDE, features, filters


@pytest.fixture
def ramp(tmp_path: Path) -> Path:
    """Return a picture file."""
    Image.linear_gradient("L").convert("RGB").save(tmp_path / "ramp.png")
    return tmp_path / "ramp.png"


def swin() -> Backbone:
    net = network("swin_tiny_patch4_window7_224", img_size=64, window_size=2, depths=(1, 1, 1, 1), embed_dim=24, num_classes=3)
    return cut("timm:swin_tiny", net, Preprocess(64, 64, (0.5,) * 3, (0.5,) * 3))


@pytest.mark.parametrize(
    ("model", "drawn"),
    [
        ("timm:test_resnet/random", {"features"}),
        ("timm:test_vit/random", {"features", "norms", "attention", "rollout"}),
        ("swin", {"features", "norms"}),
    ],
)
def test_figures_of_every_family(model: str, drawn: set[str], ramp: Path, tmp_path: Path) -> None:
    found = features(swin() if model == "swin" else model, [ramp], out=tmp_path / "out")
    (row,) = found["images"]
    assert {name.removeprefix("ramp_").split(".")[0] for name in row["figures"]} == drawn
    assert all((tmp_path / "out" / name).stat().st_size > 1000 for name in row["figures"])
    assert read_json(tmp_path / "out" / "results.json")["images"] == found["images"]
    assert [len(layer["channels"]) for layer in row["layers"]] == [5, 5, 5]
    if model == "swin":
        assert row["attention"].startswith("attention rollout is not defined for timm:swin_tiny")


def test_pictures_of_one_name_keep_apart(ramp: Path, tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    other = tmp_path / "more" / "ramp.jpg"
    Image.new("RGB", (50, 60), (200, 10, 90)).save(other)
    found = features("timm:test_resnet/random", [ramp, other], layers=["layer2"], channels=[3], out=tmp_path / "out")
    assert [row["figures"][0] for row in found["images"]] == ["000_ramp_features.png", "001_ramp_features.png"]
    with pytest.raises(InputError, match="found both"):
        features("timm:test_resnet/random", [ramp], maps=2, channels=[3], out=tmp_path / "out")


def test_nothing_is_written_after_a_mistake(ramp: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="found no image in this folder"):
        features("lite0", [tmp_path / "empty"], out=tmp_path / "out")
    with pytest.raises(InputError, match="did you mean 'layer1'"):
        features("timm:test_resnet/random", [ramp], layers=["layr1"], out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_sheet_of_filters_is_exact(tmp_path: Path) -> None:
    found = filters("torchvision:resnet18/random", out=tmp_path)
    assert (found["layer"], found["shape"]) == ("conv1", [64, 3, 7, 7])
    picture = np.asarray(Image.open(tmp_path / "sheet.png"))
    columns = 12
    factor = picture.shape[1] // (columns * 8 - 1)
    assert picture.shape[1] == factor * (columns * 8 - 1) >= FILTER_SIDE
    small = picture[::factor, ::factor]
    assert np.array_equal(small.repeat(factor, 0).repeat(factor, 1), picture), "each weight is a square of one colour"
    first = small[:7, :7].astype(float) / 255
    assert abs(np.abs(first - 0.5).max() - 0.5) < 0.01, "the largest weight of a filter reaches black or white"
    assert (tmp_path / "filters.png").exists() and (tmp_path / "filters.svg").exists()


class Heads:
    """Attention of so many blocks with two heads each."""

    def __init__(self, blocks: int) -> None:
        self.heads = {f"block{i}": np.arange(8, dtype=np.float32).reshape(2, 2, 2) * (i + 1) for i in range(blocks)}
        self.rollout, self.reader = np.eye(2, dtype=np.float32), "the class token"


@pytest.mark.parametrize(
    ("blocks", "shown"),
    [(1, [0]), (2, [0, 1]), (3, [0, 1, 2]), (6, [1, 3, 5]), (12, [2, 6, 10])],
)
def test_an_early_a_middle_and_a_late_block_are_drawn(blocks: int, shown: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Any] = []
    maps = [SimpleNamespace(layer="l", shape=(7, 2, 3), values=np.zeros((2, 2, 3)), channels=(5, 1), variances=(2.0, 1.0))]
    monkeypatch.setattr(verb.inspection, "feature_maps", lambda *_, **__: maps)
    monkeypatch.setattr(verb.inspection, "attention", lambda *_: Heads(blocks))
    norms = {"c": np.array([[1.0, 2.0]], np.float32), "d": np.array([[0.12345, 1000.0]], np.float32)}
    monkeypatch.setattr(verb.inspection, "token_norms", lambda *_: norms)
    monkeypatch.setattr(verb, "rows_figure", lambda *words, **more: drawn.append((words, more)))
    monkeypatch.setattr(verb, "rollout_figure", lambda *words: drawn.append((words, {})))
    monkeypatch.setattr(verb, "maps_sheet", lambda shown, heading: drawn.append(((shown, heading), {})))
    backbone: Any = SimpleNamespace(name="net")
    figures, row = verb._looked(backbone, np.zeros((3, 4, 4), np.uint8), None, 5, None)
    assert list(figures) == ["features", "norms", "attention", "rollout"] and row["attention"] == "read from the class token"
    (picture, rows, titles), more = drawn[0]
    assert picture.shape == (4, 4, 3) and list(rows) == ["l\n7 maps of 2 x 3"] and [*titles.values()] == [["map 5", "map 1"]]
    assert "Maps chosen: the most varied over their pixels." in more["note"]
    assert list(drawn[1][0][0]) == ["c 1–2", "d 0.123–1e+03"] and drawn[1][0][0]["c 1–2"].tolist() == [[0.0, 1.0]]
    (_, heads, titles), more = drawn[2]
    assert list(heads) == [f"block{i}" for i in shown] and titles["block" + str(shown[0])] == ["head 0", "head 1"]
    assert more["size"] == 1.1 and drawn[3][0][1].tolist() == [[1.0, 0.0], [0.0, 1.0]]
    verb._looked(backbone, np.zeros((3, 4, 4), np.uint8), None, 5, [5, 1])
    assert "Maps chosen: by number." in drawn[4][1]["note"]


@pytest.mark.parametrize(("side", "factor"), [(959, 2), (960, 1), (961, 1), (240, 4), (241, 4)])
def test_a_sheet_is_enlarged_to_at_least_its_width(
    side: int, factor: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verb.inspection, "first_convolution", lambda backbone: ("conv", torch.zeros(4, 3, 5, 7)))
    monkeypatch.setattr(verb.inspection, "rgb", lambda weights: weights)
    monkeypatch.setattr(verb.inspection, "sheet", lambda weights: np.full((2, side, 3), 0.5, np.float32))
    headings: list[str] = []
    monkeypatch.setattr(verb, "filters_figure", lambda sheet, heading: headings.append(heading))
    monkeypatch.setattr(verb, "save_figure", lambda figure, path: [path])
    assert filters(swin(), out=tmp_path)["shape"] == [4, 3, 5, 7]
    assert headings == ["timm:swin_tiny: 4 filters of 5 x 7 in conv"]
    with Image.open(tmp_path / "sheet.png") as picture:
        assert picture.size == (side * factor, 2 * factor) and picture.getpixel((0, 0)) == (128, 128, 128)
