"""Every format serves what the library predicts, carries its metadata, and is refused in one sentence where it cannot be."""

from __future__ import annotations

import json
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from fakes import coloured, tiny_clip

from coldframe.cold import ColdPass, Store
from coldframe.data.decode import load_pixels
from coldframe.delivery import formats
from coldframe.delivery.about import EXTRA, about
from coldframe.delivery.export import HALF_TOLERANCE, TOLERANCE, compared, export, target
from coldframe.delivery.servable import Servable, given, in_half
from coldframe.errors import FileError, InputError, MissingPackage, ModelError
from coldframe.files import read_safetensors
from coldframe.methods import Method, method_class


@pytest.fixture(scope="module")
def method(tmp_path_factory: pytest.TempPathFactory) -> Method:
    cold = ColdPass(Store(tmp_path_factory.mktemp("store")))
    train, val = coloured(12, 0, "train"), coloured(6, 1, "val")
    return method_class("deep-prompt")(tiny_clip(), epochs=1, tokens=2, margin=0.0, head="linear").fit(train, val, cold=cold)


@pytest.fixture(scope="module")
def images(method: Method) -> torch.Tensor:
    return torch.from_numpy(load_pixels(coloured(5, 2, "test").images, list(range(5)), method.backbone.preprocess))


def told(path: Path, to: str) -> dict[str, str]:
    """Return the metadata that a file carries, read without coldframe."""
    if to == "onnx":
        import onnx

        return {one.key: one.value for one in onnx.load(path).metadata_props}
    if to == "safetensors":
        return read_safetensors(path)[1]
    with zipfile.ZipFile(path) as archive:
        found: dict[str, str] = json.loads(archive.read(next(name for name in archive.namelist() if name.endswith(EXTRA))))
    return found


@pytest.mark.parametrize("to", formats.KINDS)
def test_a_file_agrees_and_says_what_it_is(to: str, method: Method, images: torch.Tensor, tmp_path: Path) -> None:
    done = export(method, tmp_path / "file", images, to=to, takes="float")  # type: ignore[arg-type]
    assert 0 <= done.difference < 1e-5 and done.images == 5 and done.bytes == done.path.stat().st_size
    found = told(done.path, to)
    assert found == done.metadata
    assert json.loads(found["classes"]) == ["red", "green", "blue"]
    assert json.loads(found["preprocess"]) == method.backbone.preprocess.as_dict() | {
        "mean": list(method.backbone.preprocess.mean), "std": list(method.backbone.preprocess.std),
    }  # fmt: skip
    assert found["backbone_digest"] == method.backbone.digest and found["method"] == "deep-prompt"
    assert found["input"] == "pixels: float32 [batch, 3, 16, 16], 0 .. 1, RGB"
    whole = done.path.read_bytes()
    assert str(Path(formats.__file__).parent).encode() not in whole  # no path of the machine that wrote it
    text_tower = method.backbone.module.state_dict()["token_embedding.weight"]
    if to != "safetensors":
        assert done.bytes < text_tower.numel() * text_tower.element_size()  # what is not used is not in it


@pytest.mark.parametrize("to", formats.KINDS)
def test_prompts_that_were_left_out_are_written_too(to: str, images: torch.Tensor, tmp_path: Path) -> None:
    cold, train, val = ColdPass(Store(tmp_path / "store")), coloured(12, 0, "train"), coloured(6, 1, "val")
    method = method_class("deep-prompt")(tiny_clip(), epochs=1, tokens=2, margin=1e6).fit(train, val, cold=cold)
    assert method.choices["prompts"] == "left out"
    assert export(method, tmp_path / "file", images, to=to, takes="float").difference < 1e-5  # type: ignore[arg-type]


def test_a_copy_in_half_precision_calls_its_own_modules(method: Method, images: torch.Tensor) -> None:
    network = Servable(in_half(method))
    assert {p.dtype for p in network.parameters() if p.is_floating_point()} >= {torch.float16}
    expected = method.predict_proba(images)
    torch.testing.assert_close(network(given(images, "uint8")), expected, atol=2e-2, rtol=0)


@pytest.mark.parametrize("to", ["safetensors", pytest.param("onnx", marks=pytest.mark.slow)])
def test_half_precision_is_smaller_and_within_its_own_tolerance(
    to: formats.Format, method: Method, images: torch.Tensor, tmp_path: Path
) -> None:
    whole = export(method, tmp_path / "whole", images, to=to)
    half = export(method, tmp_path / "half", images, to=to, fp16=True)  # a copy whose functions call the copied modules
    spared = sum(p.numel() * 2 for p in method.backbone.module.visual.parameters())  # type: ignore[union-attr]
    assert whole.bytes - half.bytes > 0.9 * spared and half.metadata["precision"] == "fp16"
    assert 1e-5 < half.difference < half.tolerance == 2e-2
    assert method.backbone.dtype == torch.float32  # the method itself stays as it was


def test_what_cannot_be_written_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"expected a format of onnx, .*, found 'tflite'"):
        formats.check("tflite", None)
    with pytest.raises(InputError, match="expected opset for onnx alone"):
        formats.check("torchscript", 18)
    with pytest.raises(InputError, match="expected an opset of 18 to 23, found 9"):
        formats.check("onnx", 9)
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    monkeypatch.setattr(formats.importlib.util, "find_spec", lambda name: None if name == "onnxscript" else object())
    with pytest.raises(MissingPackage, match=r"expected the package onnxscript .* pip install 'coldframe\[export\]'"):
        formats.check("onnx", None)
    formats.check("torch-export", None)


def test_the_file_has_the_ending_of_its_format_and_a_folder_that_exists(tmp_path: Path) -> None:
    assert [target(tmp_path / name, "onnx") for name in ("model.v1", "m.onnx")] == [tmp_path / "model.v1", tmp_path / "m.onnx"]
    with pytest.raises(InputError, match=r"ending in \.onnx for onnx, found m\.pt2; rename it, or take --to torch-export"):
        target(tmp_path / "m.pt2", "onnx")
    with pytest.raises(InputError, match=r"found the folder .*; take .*model\.pt$"):
        target(tmp_path, "torchscript")
    with pytest.raises(FileError, match="expected its folder to exist"):
        target(tmp_path / "none" / "m.onnx", "onnx")


def test_every_probability_counts_the_first_image_alone_too() -> None:
    pixels, expected = torch.zeros(5, 2, 2, 3), torch.full((5, 2), 0.5)
    expected[4, 1] = 0.75
    assert compared(lambda part: torch.full((len(part), 2), 0.5), pixels, expected, batch=2) == 0.25
    alone = compared(lambda part: torch.full((len(part), 2), 1.0 if len(part) == 1 else 0.5), pixels[:4], expected[:4], batch=2)
    assert alone == 0.5
    assert compared(lambda part: torch.full((len(part), 3), 0.5), pixels, expected) == float("inf")
    assert compared(lambda part: torch.full((len(part), 2), float("nan")), pixels, expected) == float("inf")


def test_limits_and_what_is_checked(method: Method, images: torch.Tensor, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a tolerance above 0, found 0"):
        export(method, tmp_path / "m.safetensors", images, to="safetensors", tolerance=0.0)
    with pytest.raises(InputError, match="at least one image"):
        export(method, tmp_path / "m.safetensors", images[:0], to="safetensors")
    with pytest.raises(ModelError, match="expected probabilities within 1e-30, found a difference of"):
        export(method, tmp_path / "m.safetensors", images, to="safetensors", tolerance=1e-30, fp16=True)
    assert not list(tmp_path.iterdir())
    done = export(method, tmp_path / "m.safetensors", images, to="safetensors")
    assert done.tolerance == TOLERANCE == 1e-5 and HALF_TOLERANCE == 2e-2 and done.metadata["precision"] == "fp32"
    assert done.metadata["input"] == "pixels: uint8 [batch, 16, 16, 3], 0 .. 255, RGB"
    assert done.as_dict() | {"metadata": {}} == {
        "file": str(done.path), "format": "safetensors", "bytes": done.bytes, "max_difference": done.difference, "images": 5,
        "tolerance": 1e-5, "metadata": {},
    }  # fmt: skip
    for opset in (18, 23):
        formats.check("onnx", opset)
    with pytest.raises(InputError, match="found 24"):
        formats.check("onnx", 24)


def test_every_word_of_the_metadata(method: Method, monkeypatch: pytest.MonkeyPatch) -> None:
    found = about(method, "uint8", "fp16")
    assert found["licence"] == "not stated; ask whoever made the weights" and found["takes"] == "uint8"
    assert found["output"] == "probabilities: float32 [batch, 3]" and found["precision"] == "fp16"
    assert float(found["temperature"]) == method.divisor and found["thresholds"] == "[]"
    assert json.loads(found["settings"])["tokens"] == 2 and found["backbone"] == method.backbone.name
    monkeypatch.setattr("coldframe.delivery.about.licence_of", lambda name: "mit")
    assert about(method, "float", "fp32")["licence"] == "mit"
