"""Engines of the cold pass: held against eager PyTorch, refused where they differ, and never mixed with it in the store."""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from fakes import PREPROCESS, TinyBackbone, split
from torch import Tensor, nn

from coldframe.backbones.base import Backbone
from coldframe.cold import ColdPass, Store, engines
from coldframe.cold.engines import chosen, marked, piece, precision_of, tapped, tried
from coldframe.cold.extraction import extract
from coldframe.cold.manifest import Source, extracted
from coldframe.errors import InputError, ModelError

CUTS = ["embed", "block1", "features"]


class Normed(Backbone):
    """A convolution whose output is a cut, then its batch normalisation: folding is exact at ``features`` alone."""

    def __init__(self) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            net = nn.Sequential(nn.Conv2d(3, 5, 4, 4), nn.BatchNorm2d(5))
        nn.init.uniform_(net[1].running_mean)
        nn.init.uniform_(net[1].running_var, 1, 2)
        super().__init__("normed", net, PREPROCESS, ("pixels", "embed", "features"), 5)

    def _step(self, index: int, x: Tensor) -> Tensor:
        return self.module[0](x) if index == 0 else torch.relu(self.module[1](x)).mean((2, 3))

    def stage_modules(self, cut: str) -> list[nn.Module | nn.Parameter]:
        return [self.module[self.index(cut)]] if cut != "features" else []


def images(n: int = 5) -> Tensor:
    return torch.randint(0, 256, (n, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def test_onnxruntime_gives_every_cut_for_any_number_of_images_and_reads_its_export_again(tmp_path: Path) -> None:
    backbone = TinyBackbone()
    run = tried("onnxruntime", backbone, CUTS, tmp_path, images())
    (kept,) = tmp_path.iterdir()
    written = kept.stat().st_mtime_ns
    again = tried("onnxruntime", TinyBackbone(), CUTS, tmp_path, images())
    assert kept.stat().st_mtime_ns == written, "exported once"
    for n in (1, 5, 19):
        with torch.inference_mode():
            expected = tapped(backbone, images(n), CUTS)
            for one in (run, again):
                found = tapped(backbone, images(n), CUTS, one)
                for cut in CUTS:
                    torch.testing.assert_close(found[cut], expected[cut], rtol=1e-5, atol=1e-6)
    assert b"/work/" not in kept.read_bytes() and str(Path.home()).encode() not in kept.read_bytes()


def test_another_network_has_an_export_of_its_own(tmp_path: Path) -> None:
    for seed in (0, 1):
        tried("onnxruntime", TinyBackbone(seed), ["features"], tmp_path, images())
    assert len(list(tmp_path.iterdir())) == 2


def test_folding_is_refused_at_a_cut_between_a_convolution_and_its_normalisation(tmp_path: Path) -> None:
    backbone = Normed()
    run = tried("folded", backbone, ["features"], tmp_path, images())
    torch.testing.assert_close(run(images())["features"], tapped(backbone, images(), ["features"])["features"])
    with pytest.raises(ModelError, match="at embed it differs"):
        tried("folded", backbone, ["embed", "features"], tmp_path, images())
    assert chosen("folded", TinyBackbone())[1] == "tiny:0 runs in eager PyTorch, not folded: it has no batch normalisation"


def test_the_store_keeps_engines_apart_and_names_the_one_that_ran(tmp_path: Path) -> None:
    backbone, items, want = TinyBackbone(), split(10), [("features", "plain"), ("block1", "flip")]
    eager, quick = ColdPass(Store(tmp_path)), ColdPass(Store(tmp_path), engine="onnxruntime")
    assert eager.key(backbone, "features").shelf != quick.key(backbone, "features").shelf
    assert eager.key(backbone, "pixels") == quick.key(backbone, "pixels")
    assert quick.key(backbone, "features").compute == f"float32{marked('onnxruntime')}"
    eager.prepare(backbone, [items], want)
    report = quick.prepare(backbone, [items], want)
    assert report.images == 10 and "onnxruntime" in report.notes[0]
    again = quick.prepare(backbone, [items], want)
    assert (again.images, again.reused, again.notes) == (0, 10, report.notes)
    for cut, view in want:
        x, y = (cold.activations(backbone, items, cut, view).gather(torch.arange(10)) for cold in (eager, quick))
        torch.testing.assert_close(x, y, rtol=1e-5, atol=1e-6)


def test_an_engine_that_differs_is_refused_and_eager_runs_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backbone, items = TinyBackbone(), split(10)
    right = engines._onnxruntime

    def off(*asked: object) -> engines.Run:
        run = right(*asked)  # type: ignore[arg-type]
        return lambda pixels: {cut: value * (1 + 3e-4) for cut, value in run(pixels).items()}

    monkeypatch.setattr(engines, "_onnxruntime", off)
    quick = ColdPass(Store(tmp_path), engine="onnxruntime")
    report = quick.prepare(backbone, [items], [("features", "plain")])
    assert report.images == 10 and "eager PyTorch, not onnxruntime: at features it differs by 3e-04" in report.notes[0]
    eager = ColdPass(Store(tmp_path))
    assert quick.key(backbone, "features") == eager.key(backbone, "features")
    assert eager.prepare(backbone, [items], [("features", "plain")]).images == 0
    manifest = extract(backbone, Source("made up", items.images), tmp_path / "out", engine="onnxruntime")
    assert "engine" not in manifest and "not onnxruntime" in manifest["note"]
    plain = extract(backbone, Source("made up", items.images), tmp_path / "plain")
    assert manifest["key"] == plain["key"] and (extracted(tmp_path / "out") == extracted(tmp_path / "plain")).all()


def test_a_network_that_no_exporter_follows_runs_in_eager(tmp_path: Path) -> None:
    class Wild(TinyBackbone):
        def _step(self, index: int, x: Tensor) -> Tensor:
            return super()._step(index, x if float(x.sum()) > -1e9 else -x)

    report = ColdPass(Store(tmp_path), engine="onnxruntime").prepare(Wild(), [split(4)], [("features", "plain")])
    assert report.images == 4 and "onnxruntime cannot take this network (" in report.notes[0]
    assert "cannot take this network ()" not in report.notes[0] and "\n" not in report.notes[0]


def test_extract_writes_which_engine_ran_and_does_not_mix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLDFRAME_CACHE", str(tmp_path / "cache"))
    backbone, source = TinyBackbone(), Source("made up", split(11).images)
    quick = extract(backbone, source, tmp_path / "quick", layers=["block1", "features"], engine="onnxruntime", batch_size=4)
    plain = extract(backbone, source, tmp_path / "plain", layers=["block1", "features"])
    assert quick["engine"] == marked("onnxruntime").removeprefix("-") and quick["key"] != plain["key"]
    for cut in ("block1", "features"):
        x, y = (torch.from_numpy(extracted(tmp_path / name, cut).copy()) for name in ("quick", "plain"))
        torch.testing.assert_close(x, y, rtol=1e-5, atol=1e-6)
    with pytest.raises(InputError, match="other images, weights or settings"):
        extract(backbone, source, tmp_path / "plain", layers=["block1", "features"], engine="onnxruntime")


def test_what_is_asked_for_and_what_runs() -> None:
    backbone = TinyBackbone()
    with pytest.raises(InputError, match="onnxruntime"):
        ColdPass(engine="onnxruntme")  # type: ignore[arg-type]
    assert chosen("auto", backbone) == ("onnxruntime", "")
    half = TinyBackbone().to(dtype=torch.bfloat16)
    engine, said = chosen("onnxruntime", half)
    assert engine == "eager" and "bfloat16 on cpu" in said
    assert chosen("auto", half) == ("eager", "")


@pytest.mark.slow
def test_compiled_gives_every_cut_for_any_number_of_images(tmp_path: Path) -> None:
    backbone = TinyBackbone()
    run = tried("compile", backbone, CUTS, tmp_path, images())
    for n in (1, 8, 19):
        with torch.inference_mode():
            found, expected = tapped(backbone, images(n), CUTS, run), tapped(backbone, images(n), CUTS)
        for cut in CUTS:
            torch.testing.assert_close(found[cut], expected[cut], rtol=1e-5, atol=1e-6)


def device(kind: str, dtype: torch.dtype = torch.float32) -> Any:
    return SimpleNamespace(name="m", device=SimpleNamespace(type=kind), dtype=dtype, module=nn.BatchNorm2d(1))


def test_what_each_engine_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (piece(device("cpu")), piece(device("cuda"))) == (8, 2**30)
    cpu, gpu, half = device("cpu"), device("cuda"), device("cpu", torch.bfloat16)
    assert chosen("folded", cpu) == ("folded", "") and chosen("compile", gpu) == ("compile", "")
    assert "expected float32 on a CPU, found float32 on cuda" in chosen("folded", gpu)[1]
    assert "found bfloat16 on cpu" in chosen("folded", half)[1] and chosen("auto", half) == chosen("auto", gpu) == ("eager", "")
    assert chosen("auto", cpu) == ("onnxruntime", "") and chosen("eager", gpu) == ("eager", "")
    monkeypatch.setattr(engines.importlib.util, "find_spec", lambda name: None if name == "onnxscript" else name)
    assert "the package onnxscript is not installed; install it with" in chosen("onnxruntime", gpu)[1]
    assert chosen("auto", cpu) == ("folded", "") and chosen("compile", cpu) == ("compile", "")
    monkeypatch.undo()
    marks = {name: marked(name) for name in ("eager", "auto", "onnxruntime", "folded", "compile")}  # type: ignore[arg-type]
    torchs, onnxs = version_of("torch"), version_of("onnxruntime")
    assert marks == {"eager": "", "auto": "", "onnxruntime": f"-onnxruntime-{onnxs}", "folded": f"-folded-{torchs}",
                     "compile": f"-compile-{torchs}"}  # fmt: skip

    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(engines, "version", missing)
    assert marked("folded") == "-folded"


def test_reduced_precision_is_told_where_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    ways = (("highest", False, "000"), ("highest", True, "010"), ("high", False, "110"), ("medium", True, "110"))
    for asked, tf32, names in ways:
        monkeypatch.setattr(torch, "get_float32_matmul_precision", lambda asked=asked: asked)
        monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", tf32)
        found = [precision_of(device("cpu")), precision_of(device("cuda")), precision_of(device("cuda", torch.bfloat16))]
        assert "".join(str(int(name.endswith("-reduced"))) for name in found) == names and found[2] == "bfloat16"


def test_an_export_takes_any_number_of_images_and_a_session_one_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    class Exported:
        def __init__(self) -> None:
            empty = list[Any]()
            graph = SimpleNamespace(node=empty, value_info=empty, input=empty, output=empty)
            self.model_proto = SimpleNamespace(graph=graph, SerializeToString=lambda: b"exported")

    def export(network: Any, example: Any, **options: Any) -> Exported:
        asked.update(options, inference=torch.is_inference_mode_enabled(), example=example[0].shape, training=network.training)
        return Exported()

    class Session:
        def __init__(self, path: str, options: Any, providers: list[str]) -> None:
            asked.update(vars(options), read=Path(path).read_bytes(), providers=providers)

        def run(self, outputs: None, given: dict[str, Any]) -> list[Any]:
            return [given["pixels"][:, 0, 0, :2].astype("float32")]

    monkeypatch.setattr(torch.onnx, "export", export)
    monkeypatch.setitem(sys.modules, "onnxruntime", SimpleNamespace(SessionOptions=SimpleNamespace, InferenceSession=Session))
    with torch.inference_mode():
        run = engines._onnxruntime(TinyBackbone(), ["features"], tmp_path)
        assert torch.equal(run(images())["features"], images()[:, 0, 0, :2].float())
    (shapes,) = asked.pop("dynamic_shapes")
    assert (shapes[0].min, shapes[0].max) == (1, 2**16) and len(shapes) == 1
    assert asked == {
        "dynamo": True, "input_names": ["pixels"], "output_names": ["at_0"], "opset_version": 18, "verbose": False,
        "external_data": False, "inference": False, "example": (2, 3, 16, 16), "training": False, "intra_op_num_threads": 1,
        "inter_op_num_threads": 1, "log_severity_level": 3, "read": b"exported", "providers": ["CPUExecutionProvider"],
    }  # fmt: skip


def test_a_compiled_network_always_runs_whole_pieces_on_a_cpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torch._inductor import config

    asked: list[Any] = []

    def compiled(network: nn.Module, dynamic: bool | None) -> Any:
        asked.append(dynamic)

        def run(x: Tensor) -> Any:
            asked.append((len(x), config.freezing, config.cpp.threads, torch.is_inference_mode_enabled()))
            return network(x)

        return run

    monkeypatch.setattr(torch, "compile", compiled)
    backbone = TinyBackbone()
    run = engines._compiled(backbone, CUTS, tmp_path)
    with torch.inference_mode():
        for n in (1, 5, 8):
            found, expected = run(images(n)), tapped(backbone, images(n), CUTS)
            for cut in CUTS:
                torch.testing.assert_close(found[cut], expected[cut], rtol=1e-5, atol=1e-6)
    assert asked == [False, *[(8, True, 1, False)] * 4]


def test_a_difference_just_above_the_tolerance_is_refused() -> None:
    backbone, pixels = TinyBackbone(), images()
    expected = tapped(backbone, pixels, ["features"])["features"]
    for share, said in ((0.9e-4, ""), (1.2e-4, "at features it differs by 1e-04 of the largest activation, more than 1e-04")):
        shift = torch.zeros_like(expected)
        shift[3] = share * expected[3].abs().max()
        assert engines._differs(lambda _, shift=shift: {"features": expected + shift}, backbone, ["features"], pixels) == said
    for wrong in (expected[:, :2], expected * float("nan")):
        assert engines._differs(lambda _, wrong=wrong: {"features": wrong}, backbone, ["features"], pixels)
