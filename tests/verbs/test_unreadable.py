"""``on_error`` in the verbs that read data sets means the same: refused before any work, or left out and counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fakes import TinyBackbone
from layouts import two_classes as folder
from PIL import Image

from coldframe.cli.guard import at_home
from coldframe.cold import ColdPass, Store
from coldframe.data.base import Unreadable
from coldframe.errors import InputError
from coldframe.foundations.mlp.study import mlp
from coldframe.measures import machine
from coldframe.verbs import benchmark as benchmarking
from coldframe.verbs.benchmark import Settings, benchmark
from coldframe.verbs.disagreements import runs
from coldframe.verbs.extract import extract_data
from coldframe.verbs.inspect import features
from coldframe.verbs.plan import Part, Plan
from coldframe.verbs.sweep import sweep


def test_sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    specs = folder(tmp_path / "good", bad=False), folder(tmp_path / "bad", bad=True)
    plan, cold = Plan((Part("knn"),), specs), ColdPass(Store(tmp_path / "store"), workers=1)
    done = sweep(plan, model=TinyBackbone(), cold=cold, on_error="skip")
    assert [line.group.mean("n") for line in done.lines] == [20, 20]
    monkeypatch.setattr("coldframe.verbs.sweep.compare", lambda *_, **__: pytest.fail("the second data set is damaged"))
    with pytest.raises(Unreadable, match=r"99\.png"):
        sweep(plan, model=TinyBackbone(), cold=cold)


def test_disagreements(tmp_path: Path) -> None:
    from coldframe.backbones import load_backbone
    from coldframe.data import load_dataset
    from coldframe.methods.knn import NearestNeighbours

    spec, backbone = folder(tmp_path / "data", bad=True), load_backbone("pocket/random")
    data = load_dataset(spec, on_error="skip")
    for name, k in (("a", 1), ("b", 3)):
        NearestNeighbours(backbone, k=k).fit(data.train, data.val).save(tmp_path / name)
    asked: dict[str, Any] = {"data": spec, "out": tmp_path / "out", "cold": ColdPass(Store(tmp_path / "store"))}
    with pytest.raises(Unreadable, match=r"99\.png"):
        runs(tmp_path / "a", tmp_path / "b", **asked)
    assert not (tmp_path / "out").exists()
    found = runs(tmp_path / "a", tmp_path / "b", on_error="skip", **asked)
    assert found["n"] == 20 and list(found["left_out"].values()) == ["not an image"]


def test_benchmark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backbone = TinyBackbone()
    backbone.weights, backbone.classes = "pretend", ("a", "b")
    folder(tmp_path, bad=True)
    images = tmp_path / "test"
    with pytest.raises(Unreadable, match=r"99\.png"):
        benchmarking._labels(backbone, Settings(images=images))
    known = benchmarking._labels(backbone, Settings(images=images, on_error="skip"))
    assert known is not None and len(known[0]) == len(known[1]) == 20 and known[1].tolist() == [0] * 10 + [1] * 10
    monkeypatch.setattr(benchmarking, "_load", lambda *_: backbone)
    monkeypatch.setattr(benchmarking, "measure", lambda *_: {"model": "tiny"})
    said: list[str] = []
    done = benchmark(["tiny"], Settings(images=images, on_error="skip"), machine(), say=said.append)
    assert said[0] == "left out 1 file: 1 not an image" and len(done.settings["left_out"]) == 1
    with pytest.raises(Unreadable, match=r"99\.png"):
        benchmark(["tiny"], Settings(images=images), machine(), say=said.append)


def test_train(tmp_path: Path) -> None:
    spec = folder(tmp_path, bad=True)
    with pytest.raises(Unreadable, match=r"99\.png"):
        mlp(data=spec, epochs=1, hidden=[4], seeds=1)
    assert mlp(data=spec, epochs=1, hidden=[4], seeds=1, on_error="skip").results()["rows"][0]["n"] == 20


def test_how_many_files_and_how_far(tmp_path: Path) -> None:
    for number in range(3):
        Image.new("RGB", (20, 20)).save(tmp_path / f"{number}.png")
    with pytest.raises(InputError, match=r"expected at most 2 image files .* allow more with --most-images"):
        features(TinyBackbone(), [tmp_path], out=tmp_path / "out", most=2)
    with pytest.raises(InputError, match=r"n <= 3 images, found 1/999999999"):
        extract_data("open_clip:no such model", str(tmp_path), tmp_path / "out", shard="1/999999999")
    assert not (tmp_path / "out").exists()


def test_home_behind_an_equals_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/somewhere")
    assert at_home("--out=~/x") == "--out=/somewhere/x" and at_home("--out=~") == "--out=/somewhere"
    assert at_home("~/x") == "/somewhere/x"
    for word in ("--out=a~/x", "~nobody/x", "--top", "--set=a.b=~/x", "x~"):
        assert at_home(word) == word
