"""The list of models says what can be loaded, counts honestly, and uses no network."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from coldframe.backbones import load_backbone
from coldframe.backbones.index import indexed
from coldframe.backbones.listing import list_models
from coldframe.errors import InputError
from coldframe.files import write_bytes


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    yield tmp_path


def test_every_zoo_is_listed_and_each_id_once() -> None:
    ids = [entry.id for entry in indexed()]
    assert len(ids) == len(set(ids)) > 2000
    for expected in (
        "lite0", "timm:resnet18.a1_in1k", "torchvision:vit_b_32/IMAGENET1K_V1",
        "open_clip:ViT-B-32/openai", "open_clip:ViT-B-32",
    ):  # fmt: skip
        assert expected in ids


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("timm:test_vit.r160_in1k", "timm:test_vit/random"),
        ("torchvision:resnet18/IMAGENET1K_V1", "torchvision:resnet18/random"),
        ("open_clip:RN50/openai", "open_clip:RN50"),
        ("lite0", "lite0"),
    ],
)
def test_counts_are_those_of_the_loaded_model(pattern: str, name: str) -> None:
    (line, *_), _ = list_models(pattern, limit=1)
    assert line.id == pattern
    assert line.parameters == load_backbone(name).parameter_count


def test_patterns() -> None:
    found, matched = list_models("TIMM:Test_V*", limit=3)
    assert matched >= 3 and all(line.id.startswith("timm:test_v") for line in found)
    assert list_models("test_v*", limit=1)[1] == matched
    assert list_models("resnet18/", limit=1)[0][0].id == "torchvision:resnet18/IMAGENET1K_V1"
    with pytest.raises(InputError, match=r"no model matches 'reznet18'; did you mean .*'resnet18'") as caught:
        list_models("reznet18")
    assert len(str(caught.value)) < 120
    with pytest.raises(InputError, match="limit of 1 or more, found 0"):
        list_models(limit=0)


def test_what_is_on_disk_comes_first(no_network: Path) -> None:
    before, _ = list_models("resnet34/", limit=2)
    assert not any(line.on_disk for line in before) and before[0].bytes == 4 * (before[0].parameters or 0)
    file = write_bytes(no_network / "torch" / "hub" / "checkpoints" / "resnet34-b627a593.pth", b"12345")
    write_bytes(no_network / "hub" / "models--timm--resnet34.a2_in1k" / "refs" / "main", b"abc")
    write_bytes(no_network / "hub" / "models--timm--resnet34.a2_in1k" / "snapshots" / "abc" / "model.safetensors", b"123")
    found, matched = list_models("resnet34", limit=4)
    # torchvision and timm keep these weights in the same file of torch's folder
    shared = ["torchvision:resnet34/IMAGENET1K_V1", "timm:resnet34.a2_in1k", "timm:resnet34.tv_in1k"]
    assert [line.id for line in found[:3]] == shared
    assert (found[0].path, found[0].bytes, found[1].bytes) == (str(file), 5, 3)
    assert [line.on_disk for line in found] == [True, True, True, False]
    here, count = list_models("resnet34", on_disk=True)
    assert [line.id for line in here] == shared and count == 3 < matched


def test_random_only_ids_say_so() -> None:
    (line,), _ = list_models("open_clip:vit-b-32-256", limit=1)
    assert line.id.startswith("open_clip:ViT-B-32-256/")
    found, _ = list_models("open_clip:ViT-B-32-256", limit=10)
    assert [line.random for line in found if line.id == "open_clip:ViT-B-32-256"] == [True]
    assert not any(line.on_disk for line in found)
