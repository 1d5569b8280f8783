"""Checkpoints of one's own that say how they were trained, behind the path or in a JSON file beside it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from coldframe.backbones import load_backbone
from coldframe.backbones.ids import parse
from coldframe.backbones.options import Options, _value
from coldframe.backbones.timm_weights import network
from coldframe.errors import ModelError
from coldframe.files import write_safetensors
from coldframe.types import Preprocess

NET = "mobilenetv2_035"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_safetensors(tmp_path_factory.mktemp("own") / "model.safetensors", network(NET).state_dict())


def test_options_behind_the_path(file: Path) -> None:
    found = load_backbone(f"timm:{NET}@{file}?pad_type=same&mean=0.5&std=0.5,0.4,0.3&size=64&resize=72&interpolation=bilinear")
    assert found.preprocess == Preprocess(
        size=64, resize=72, mean=(0.5, 0.5, 0.5), std=(0.5, 0.4, 0.3), interpolation="bilinear"
    )
    assert found.weights.endswith("(with TensorFlow's padding)")
    same, usual = (network(NET, pad_type=kind).eval() for kind in ("same", ""))
    x = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(found.head(found.run(x)), same(x))
        assert not torch.allclose(same(x), usual(x), rtol=1e-3, atol=0)


def test_a_json_beside_the_file_says_the_same_and_the_path_wins(file: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.safetensors"
    own.write_bytes(file.read_bytes())
    (tmp_path / "own.json").write_text(json.dumps({"pad_type": "same", "mean": [0.1, 0.2, 0.3], "resize": 250}))
    found = load_backbone(f"timm:{NET}@{own}?resize=240")
    assert (found.preprocess.mean, found.preprocess.resize, found.preprocess.size) == ((0.1, 0.2, 0.3), 240, 224)
    assert "TensorFlow's padding" in found.weights


def test_a_question_mark_in_the_name_of_a_file_is_part_of_it(file: Path, tmp_path: Path) -> None:
    odd = tmp_path / "what?size=3"
    odd.write_bytes(file.read_bytes())
    assert parse(f"timm:{NET}@{odd}").options == ()
    assert str(parse(f"timm:{NET}@{file}?size=64&mean=0.5")) == f"timm:{NET}@{file}?size=64&mean=0.5"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ("padtype=same", r"unknown option 'padtype' .* did you mean 'pad_type'"),
        ("pad_type=tensorflow", r"expected pad_type of same or pytorch, found 'tensorflow'"),
        ("mean=0.5,0.5", r"expected mean as one number or three with commas"),
        ("std=0", r"expected std as one number .* from 0.001 to 1"),
        ("mean=nan", r"expected mean as one number"),
        ("size=big", r"expected size as whole pixels"),
        ("resize=100", r"expected resize of 224 or more"),
        ("interpolation=sinc", r"expected interpolation of"),
        ("size", r"expected NAME=VALUE"),
    ],
)
def test_what_cannot_be_is_one_sentence(file: Path, options: str, sentence: str) -> None:
    with pytest.raises(ModelError, match=sentence):
        load_backbone(f"timm:{NET}@{file}?{options}")


def test_options_that_a_network_does_not_have(tmp_path: Path) -> None:
    vit = write_safetensors(tmp_path / "vit.safetensors", network("test_vit").state_dict())
    with pytest.raises(ModelError, match="test_vit has no setting pad_type; leave it out"):
        load_backbone(f"timm:test_vit@{vit}?pad_type=same")
    with pytest.raises(ModelError, match=r"options behind the . are for timm's networks"):
        load_backbone(f"torchvision:resnet18@{vit}?mean=0.5")


@pytest.mark.parametrize(
    ("key", "value", "found"),
    [
        ("size", "1", 1), ("size", 4096, 4096), ("size", 4097, None), ("size", "0", None), ("resize", True, None),
        ("size", 2.0, None),
        ("mean", "0", (0.0, 0.0, 0.0)), ("mean", 1, (1.0, 1.0, 1.0)), ("mean", "1.001", None), ("mean", "-0.1", None),
        ("std", "0.001", (0.001, 0.001, 0.001)), ("std", "0.0009", None), ("std", [0.1, 0.2, 0.3], (0.1, 0.2, 0.3)),
        ("std", [0.1, 0.2], None), ("mean", "0.1,0.2,0.3", (0.1, 0.2, 0.3)), ("mean", "a", None), ("mean", [None], None),
        ("mean", "0.1,0.2,0.3,0.4", None), ("pad_type", "pytorch", "pytorch"), ("interpolation", "lanczos", "lanczos"),
    ],
)  # fmt: skip
def test_the_ends_of_every_option(key: str, value: object, found: object) -> None:
    if found is None:
        with pytest.raises(ModelError, match=f"expected {key} (as|of) "):
            _value(key, value)
    else:
        assert _value(key, value) == found


def test_a_new_size_keeps_the_share_of_the_crop_and_padding_is_said_where_there_are_two() -> None:
    usual = Preprocess(224, 256, (0.1, 0.1, 0.1), (0.2, 0.2, 0.2), "bilinear")
    sizes = [(found.size, found.resize) for found in (
        Options().applied(usual), Options(size=112).applied(usual), Options(size=100).applied(usual),
        Options(resize=224).applied(usual), Options(size=64, resize=65).applied(usual))]  # fmt: skip
    assert sizes == [(224, 256), (112, 128), (100, 114), (224, 224), (64, 65)]
    with pytest.raises(ModelError, match="expected resize of 224 or more"):
        Options(resize=223).applied(usual)
    assert Options(mean=(0.3, 0.3, 0.3)).applied(usual).mean == (0.3, 0.3, 0.3) and Options().applied(usual) == usual
    assert [Options(pad).settings for pad in (None, "same", "pytorch")] == [{}, {"pad_type": "same"}, {"pad_type": ""}]
    asked: list[str] = []
    said = [Options(pad).padding("net.tag", lambda name, twin=twin: bool(asked.append(name)) or twin) for pad, twin in
            ((None, True), (None, False), ("same", True), ("pytorch", True))]  # fmt: skip
    assert said == [
        " (with PyTorch's padding; if it came from TensorFlow, load timm:tf_net or add ?pad_type=same)", "",
        " (with TensorFlow's padding)", " (with PyTorch's padding)",
    ]  # fmt: skip
    assert asked == ["tf_net", "tf_net"]


@pytest.mark.parametrize("text", ["timm:a@b?=1", "timm:a@b?x", "timm:a@b?x=1&y"])
def test_options_have_a_name_and_a_value(text: str) -> None:
    with pytest.raises(ModelError, match="expected NAME=VALUE with & between"):
        parse(text)
    assert parse("timm:a@b?x=").options == (("x", ""),)
