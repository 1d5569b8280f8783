"""From image files to figures of what a model sees."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from coldframe.backbones.base import Backbone
from coldframe.backbones.timm import cut, network
from coldframe.errors import DataError, InputError
from coldframe.files import read_json
from coldframe.types import Preprocess
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
