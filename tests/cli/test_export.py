"""``coldframe export``: a file that is served without torch, and refusals before any work."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import coloured
from PIL import Image

from coldframe import load_backbone
from coldframe.cli import main
from coldframe.cli.export import export
from coldframe.cold import ColdPass, Store
from coldframe.data import load_dataset
from coldframe.delivery import formats
from coldframe.delivery.export import Exported
from coldframe.errors import InputError
from coldframe.methods import method_class

ROOT = Path(__file__).parents[2]
WITHOUT_TORCH = """
import runpy, sys
for name in ("torch", "torchvision", "timm", "open_clip", "coldframe"):
    sys.modules[name] = None  # importing it fails
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def run(*words: str | Path) -> None:
    """Run a verb to its end."""
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    assert not ended.value.code


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a saved run in best/, as a comparison leaves it."""
    folder = tmp_path_factory.mktemp("comparison")
    backbone, cold = load_backbone("timm:test_resnet/random"), ColdPass(Store(folder / "store"))
    probe = method_class("linear-probe")(backbone, l2=1e-4)
    probe.fit(coloured(12, 0, "train"), coloured(6, 1, "val"), cold=cold).save(folder / "best")
    return folder


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a photograph as a JPEG that is neither square nor of the model's size, turned by its EXIF tag."""
    path = tmp_path_factory.mktemp("photos") / "photo.jpg"
    picture = load_dataset("mini:caltech7").test.images.open(5).resize((437, 301), Image.Resampling.BICUBIC)
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.save(path, quality=92, exif=exif)
    return path


@pytest.mark.parametrize("takes", ["uint8", "float"])
def test_a_file_is_served_without_torch(
    takes: str, comparison: Path, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "model.onnx"
    run("export", comparison, "--out", out, "--input", takes)
    said = capsys.readouterr().out
    assert said.startswith(f"{out}: onnx, ") and "largest difference from coldframe: " in said
    assert "(at most 1e-05) on 16 photographs" in said and "linear-probe on timm:test_resnet/random" in said
    run("predict", photo, "--run", comparison / "best", "--json")
    wanted = {top["class"]: top["probability"] for top in json.loads(capsys.readouterr().out)[0]["top"]}
    words = [sys.executable, "-c", WITHOUT_TORCH, str(ROOT / "examples" / "serve_onnx.py"), str(out), str(photo)]
    done = subprocess.run(words, capture_output=True, text=True, check=True, env={"PATH": ""})
    found = json.loads(done.stdout)["probabilities"]
    assert found.keys() == wanted.keys() == {"red", "green", "blue"}
    assert max(abs(found[name] - wanted[name]) for name in wanted) < 1e-5


def test_json_says_all(comparison: Path, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "model.pt"
    run("export", comparison / "best", "--to", "torchscript", "--out", out, "--check", photo, "--json")
    found = json.loads(capsys.readouterr().out)
    assert found["format"] == "torchscript" and found["images"] == 1 and found["max_difference"] < 1e-5
    assert json.loads(found["metadata"]["classes"]) == ["red", "green", "blue"]


def test_a_file_that_does_not_agree_is_not_written(
    comparison: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(formats.KINDS, "torchscript", formats.Kind(
        lambda path, *rest: path.write_bytes(b"x"), lambda path, network: lambda pixels: network(pixels) + 1e-4,
    ))  # fmt: skip
    out = tmp_path / "model.pt"
    with pytest.raises(SystemExit):
        main(["export", str(comparison), "--to", "torchscript", "--out", str(out)])
    said = capsys.readouterr().err
    assert "does not agree with coldframe: expected probabilities within 1e-05, found a difference of 0.0001" in said
    assert list(tmp_path.iterdir()) == []
    run("export", comparison, "--to", "torchscript", "--out", out, "--tolerance", "0.001")
    assert out.read_bytes() == b"x"


@pytest.mark.parametrize(("words", "sentence"), [
    (["--out", "nowhere/model.onnx"], "expected its folder to exist"),
    (["--out", "."], "expected the name of a file to write, found the folder"),
    (["--out", "model.pt"], "expected a file name ending in .onnx for onnx, found model.pt; rename it, or"),
    (["--out", "model.onnx", "--opset", "7"], "expected an opset of 18 to 23, found 7"),
    (["--out", "model.pt", "--to", "torchscript", "--opset", "18"], "expected opset for onnx alone"),
    (["--out", "model.onnx", "--to", "tensorflow"], "tensorflow"),
    (["--out", "model.onnx", "--check", "none.jpg"], "none.jpg"),
])  # fmt: skip
def test_refusals(
    words: list[str], sentence: str, comparison: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["export", str(comparison), *words])
    said = capsys.readouterr().err
    assert ended.value.code == 2 and sentence in said and said.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_holds_no_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["export", str(tmp_path), "--out", str(tmp_path / "model.onnx")])
    assert "expected the folder of a saved run, found no adaptation.json" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("model", ["pocket", "lite0", "timm:mobilenetv2_100/random", "timm:vit_tiny_patch16_224/random"])
def test_the_models_of_the_bench(model: str) -> None:
    words = [sys.executable, str(ROOT / "bench" / "export.py"), "--models", model]
    methods = "linear-probe,knn,kernel-ridge,pixel-prompt,fine-tune"
    done = subprocess.run([*words, "--methods", methods], capture_output=True, text=True, check=True)
    assert "5 files agree" in done.stdout


def test_photographs_are_spread_over_those_there_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from coldframe.types import Preprocess
    from coldframe.verbs import export as verb

    asked: list[tuple[int, list[int]]] = []

    def load(images: Any, rows: list[int], preprocess: object) -> Any:
        asked.append((len(images), rows))
        return np.zeros((len(rows), 3, 8, 8), np.uint8)

    monkeypatch.setattr(verb, "load_pixels", load)
    preprocess = Preprocess(8, 8, (0.5,) * 3, (0.5,) * 3)
    for count, taken in ((256, 256), (257, 129), (1, 1)):
        monkeypatch.setattr(verb, "find_files", lambda places, count=count: [Path(f"{i}.png") for i in range(count)])
        monkeypatch.setattr(verb, "readable", lambda files: (files, {}))
        assert len(verb.photographs(preprocess, ["x"])) == taken and asked[-1] == (taken, list(range(taken)))
    verb.photographs(preprocess)
    n, rows = asked[-1]
    assert rows == np.linspace(0, n - 1, 16).astype(int).tolist() and rows[-1] == n - 1
    for wrong in (0.0, -1.0):
        with pytest.raises(InputError, match="expected a tolerance above 0"):
            monkeypatch.setattr(verb, "run_folder", Path)
            verb.export(tmp_path, tmp_path / "m.safetensors", to="safetensors", tolerance=wrong)


def test_a_file_is_described_in_five_lines(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"precision": "fp16", "input": "I", "output": "O", "method": "knn", "backbone": "net", "licence": "mit"}
    done = Exported(Path("m.onnx"), "onnx", 1_234_560_000, 1.2e-6, 16, 0.02, told)
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr("coldframe.verbs.export.export", lambda *words, **more: asked.append(more) or done)
    export(Path("run"), out=Path("m.onnx"))
    assert capsys.readouterr().out.splitlines() == [
        "m.onnx: onnx, 1,234.6 MB, fp16", "  in   I", "  out  O", "  knn on net, licence of the weights: mit",
        "  largest difference from coldframe: 1.2e-06 (at most 0.02) on 16 photographs",
    ]  # fmt: skip
    assert asked[0] == {
        "to": "onnx", "takes": "uint8", "opset": None, "fp16": False, "check": (), "tolerance": None, "download": False,
    }  # fmt: skip
