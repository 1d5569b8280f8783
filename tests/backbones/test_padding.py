"""The guard of padding: a network is surer of photographs with the padding that it was trained with."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import torch
from torch import nn

from coldframe.backbones import load_backbone, padding
from coldframe.backbones.padding import Compared, PaddingWarning, compare, warn
from coldframe.backbones.timm_weights import network
from coldframe.data.decode import load_pixels
from coldframe.data.folder import Files
from coldframe.files import read_json, write_safetensors
from coldframe.types import Preprocess

SMALL = Preprocess(16, 16, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


class Sure(nn.Module):
    """Logits of the mean colour, multiplied by how sure it is."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.scale * x.mean((2, 3))


def test_the_surer_padding_is_told_with_the_entropy_of_each() -> None:
    unsure, sure = Sure(1.0).train(), Sure(30.0)
    found = compare(unsure, sure, SMALL)
    assert found.wrong and found.n == 28 and unsure.training
    assert found.own > found.other and found.difference == pytest.approx(found.own - found.other, abs=1e-5)
    assert not compare(sure, unsure, SMALL).wrong
    assert not compare(sure, sure, SMALL).wrong
    with pytest.warns(PaddingWarning, match="answers on 28 photographs are more certain .*; do this"):
        warn(found, "timm:x", "do this")


def test_a_difference_within_chance_is_no_reason() -> None:
    assert not Compared(2.0, 1.9, 0.1, 0.05, 28).wrong
    assert Compared(2.0, 1.9, 0.1, 0.03, 28).wrong


def test_only_files_of_imagenet_networks_whose_padding_nobody_named_are_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []
    monkeypatch.setattr(padding, "compare", lambda *given: tried.append(given) or Compared(3.0, 2.0, 1.0, 0.1, 28))
    file = write_safetensors(tmp_path / "m.safetensors", network("mobilenetv2_035").state_dict())
    with pytest.warns(PaddingWarning, match="pad_type=same"):
        load_backbone(f"timm:mobilenetv2_035@{file}?size=64&resize=64")
    assert len(tried) == 1 and tried[0][2].size == 64
    few = write_safetensors(tmp_path / "few.safetensors", network("mobilenetv2_035", num_classes=3).state_dict())
    vit = write_safetensors(tmp_path / "vit.safetensors", network("test_vit").state_dict())
    with warnings.catch_warnings():
        warnings.simplefilter("error", PaddingWarning)
        for name in (f"mobilenetv2_035@{file}?pad_type=pytorch", f"mobilenetv2_035@{few}", f"test_vit@{vit}"):
            load_backbone(f"timm:{name}")
    assert len(tried) == 1


@pytest.mark.shared_data
def test_real_weights_are_caught_and_known_classes_agree(shared_data: Path) -> None:
    weights = shared_data / "weights" / "mobilenetv2_100" / "model.safetensors"
    said = "mean=0.5&std=0.5&resize=256"
    with pytest.warns(PaddingWarning, match="probably trained with TensorFlow"):
        wrong = load_backbone(f"timm:mobilenetv2_100@{weights}?{said}")
    right = load_backbone(f"timm:mobilenetv2_100@{weights}?{said}&pad_type=same")
    codes = read_json(shared_data / "imagenet-sample" / "classes.json")
    files = sorted((shared_data / "imagenet-sample").glob("*.jpg"))[::8]
    images = torch.from_numpy(load_pixels(Files(tuple(files)), range(len(files)), right.preprocess))
    labels = torch.tensor([codes[file.name.partition("_")[0]][0] for file in files])
    hits = []
    for model in (wrong, right):
        logits = model.head(model.run(model.normalise(images)))
        assert logits is not None
        hits.append(int((logits.argmax(1) == labels).sum()))
    assert hits[1] > hits[0]
