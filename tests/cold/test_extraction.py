"""Features as files: exact, resumed, merged, and never trusted half-written."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from fakes import Pictures, TinyBackbone, split

from coldframe import files
from coldframe.cold.extraction import extract
from coldframe.cold.manifest import UNFINISHED, Source, extracted
from coldframe.data.decode import load_pixels
from coldframe.errors import FileError, InputError

ITEMS = split(23)


def source(pictures: object = None) -> Source:
    return Source("made up", pictures or ITEMS.images, (("train", 20), ("test", 3)), ITEMS.labels, ITEMS.classes)


def straight(cut: str) -> np.ndarray:
    """Return the activations of all pictures, without any of what is tested."""
    backbone = TinyBackbone()
    pixels = torch.from_numpy(load_pixels(ITEMS.images, range(len(ITEMS)), backbone.preprocess))
    with torch.no_grad():
        return backbone.run(backbone.normalise(pixels), stop=cut).numpy()


def rows_of(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "images.csv").read_text().splitlines()))


def test_every_cut_in_one_pass(tmp_path: Path) -> None:
    backbone = TinyBackbone()
    manifest = extract(backbone, source(), tmp_path, layers=["block1", "features", "embed", "pixels"], batch_size=5)
    assert backbone.embedded == 23 + 1, "one blank image for the shapes, then each image once"
    for cut in ("features", "block1", "embed"):
        np.testing.assert_allclose(extracted(tmp_path, cut), straight(cut), rtol=1e-5, atol=1e-6)
    assert extracted(tmp_path, "pixels").dtype == np.uint8
    np.testing.assert_array_equal(extracted(tmp_path, "pixels"), load_pixels(ITEMS.images, range(23), backbone.preprocess))
    np.testing.assert_array_equal(np.load(tmp_path / "labels.npy"), ITEMS.labels)
    listed = rows_of(tmp_path)
    assert [row["image"] for row in listed] == [ITEMS.images.name(i) for i in range(23)]
    assert [row["split"] for row in listed] == ["train"] * 20 + ["test"] * 3
    assert (listed[4]["label"], listed[4]["class"], listed[4]["digest"]) == ("1", "class 1", ITEMS.images.digest(4))
    assert manifest["n"] == 23 and manifest["digest"] == backbone.digest and not (tmp_path / UNFINISHED).exists()
    assert extract(backbone, source(), tmp_path, layers=["embed", "pixels", "features", "block1"]) == manifest
    assert backbone.embedded == 23 + 2, "what is finished is not run again"


def test_normalised(tmp_path: Path) -> None:
    extract(TinyBackbone(), source(), tmp_path, layers=["features", "embed"], normalised=True)
    expected = straight("features")
    found = extracted(tmp_path)
    np.testing.assert_allclose(found, expected / np.linalg.norm(expected, axis=1, keepdims=True), rtol=1e-5)
    np.testing.assert_allclose(extracted(tmp_path, "embed"), straight("embed"), rtol=1e-5, atol=1e-6)
    with pytest.raises(InputError, match="which changes nothing else, found embed"):
        extract(TinyBackbone(), source(), tmp_path / "x", layers=["embed"], normalised=True)


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 1, 2)])
def test_shards_merge_into_the_same_files(tmp_path: Path, order: tuple[int, ...]) -> None:
    extract(TinyBackbone(), source(), tmp_path / "whole", layers=["features", "block0"], batch_size=4)
    for number, i in enumerate(order):
        found = extract(TinyBackbone(), source(), tmp_path / "parts", layers=["features", "block0"], shard=(i, 3), batch_size=4)
        assert found["n"] == (23 if number == 2 else (7, 8, 8)[i - 1])
        if number < 2:
            with pytest.raises(InputError, match="expected finished features"):
                extracted(tmp_path / "parts")
    assert sorted(p.name for p in (tmp_path / "parts").iterdir()) == sorted(p.name for p in (tmp_path / "whole").iterdir())
    for name in ("images.csv", "labels.npy"):
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    for cut in ("features", "block0"):
        np.testing.assert_allclose(extracted(tmp_path / "parts", cut), extracted(tmp_path / "whole", cut), rtol=1e-6, atol=1e-6)


def test_a_shard_that_is_still_being_tidied_up_is_not_merged(tmp_path: Path) -> None:
    for i in (1, 2):
        extract(TinyBackbone(), source(), tmp_path, shard=(i, 3))
    (tmp_path / "shard-1-of-3" / UNFINISHED).mkdir()
    assert extract(TinyBackbone(), source(), tmp_path, shard=(3, 3))["n"] == 8
    assert not (tmp_path / "manifest.json").exists()
    backbone = TinyBackbone()
    assert extract(backbone, source(), tmp_path, shard=(1, 3))["n"] == 23 and backbone.embedded == 1
    assert not list(tmp_path.glob("shard-*"))


class Stops(TinyBackbone):
    """A network that fails at its ``after``-th call."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.left = after

    def _step(self, index: int, x: torch.Tensor) -> torch.Tensor:
        if index == 0:
            self.left -= 1
            if self.left < 0:
                raise KeyboardInterrupt
        return super()._step(index, x)


def test_a_stopped_pass_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coldframe.cold.extraction._SAVE_SECONDS", -1.0)
    with pytest.raises(KeyboardInterrupt):
        extract(Stops(4), source(), tmp_path, batch_size=4)  # one for the shapes, three batches
    assert files.read_json(tmp_path / UNFINISHED / "progress.json")["rows"] == 12
    with pytest.raises(InputError, match="expected finished features"):
        extracted(tmp_path)
    with pytest.raises(InputError, match="holds an unfinished pass with other settings"):
        extract(TinyBackbone(), source(), tmp_path, layers=["embed"])
    backbone = TinyBackbone()
    extract(backbone, source(), tmp_path, batch_size=4)
    assert backbone.embedded == 1 + 11
    np.testing.assert_allclose(extracted(tmp_path), straight("features"), rtol=1e-5, atol=1e-6)
    assert [row["row"] for row in rows_of(tmp_path)] == [str(i) for i in range(23)]


def test_a_picture_that_changed_meanwhile_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coldframe.cold.extraction._SAVE_SECONDS", -1.0)
    with pytest.raises(KeyboardInterrupt):
        extract(Stops(4), source(), tmp_path, batch_size=4)
    arrays = [*ITEMS.images.arrays]
    arrays[5] = arrays[5] ^ 1
    with pytest.raises(FileError, match="expected picture 5 as it was when the pass began"):
        extract(TinyBackbone(), source(Pictures(arrays)), tmp_path, batch_size=4)


@pytest.mark.parametrize("broken", ["first rename", "manifest"])
def test_stopped_between_the_last_row_and_the_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    real: Callable[..., Path] = files.write_json

    def stops(path: Path, value: object) -> Path:
        if Path(path).name == "manifest.json":
            raise KeyboardInterrupt
        return real(path, value)

    with monkeypatch.context() as patched:
        if broken == "manifest":
            patched.setattr(files, "write_json", stops)
        else:
            patched.setattr("coldframe.cold.extraction.finish", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            extract(TinyBackbone(), source(), tmp_path, layers=["features", "embed"])
    with pytest.raises(InputError, match="expected finished features"):
        extracted(tmp_path)
    backbone = TinyBackbone()
    extract(backbone, source(), tmp_path, layers=["features", "embed"])
    assert backbone.embedded == 1, "no image runs again"
    np.testing.assert_allclose(extracted(tmp_path), straight("features"), rtol=1e-5, atol=1e-6)
    assert len(rows_of(tmp_path)) == 23


KILLED = """
import os, sys, time
from pathlib import Path
import test_extraction as t
t.extract.__globals__["_SAVE_SECONDS"] = -1.0
class Slow(t.TinyBackbone):
    def _step(self, index, x):
        if index == 0 and len(x) > 1:
            print(flush=True)
            time.sleep(0.02)
        return super()._step(index, x)
t.extract(Slow(), t.source(), Path(sys.argv[1]), batch_size=2)
"""


def test_killed_again_and_again(tmp_path: Path) -> None:
    path = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    for batches in (2, 4):
        command = [sys.executable, "-c", KILLED, str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": path}) as child:
            assert child.stdout is not None
            for _ in range(batches):
                assert child.stdout.readline() == "\n"
            child.send_signal(signal.SIGKILL)
    assert 0 < files.read_json(tmp_path / UNFINISHED / "progress.json")["rows"] < 23
    extract(TinyBackbone(), source(), tmp_path, batch_size=2)
    np.testing.assert_allclose(extracted(tmp_path), straight("features"), rtol=1e-5, atol=1e-6)
    assert [row["row"] for row in rows_of(tmp_path)] == [str(i) for i in range(23)]


def test_what_is_refused(tmp_path: Path) -> None:
    extract(TinyBackbone(), source(), tmp_path / "a")
    with pytest.raises(InputError, match="features of other images, weights or settings"):
        extract(TinyBackbone(seed=1), source(), tmp_path / "a")
    with pytest.raises(InputError, match="no cut 'block7'; did you mean"):
        extract(TinyBackbone(), source(), tmp_path / "b", layers=["block7"])
    for shard in ((0, 3), (4, 3), (1, 24)):
        with pytest.raises(InputError, match="expected a shard i/n with 1 <= i <= n <= 23 images"):
            extract(TinyBackbone(), source(), tmp_path / "b", shard=shard)
    with files.holding(tmp_path / "c" / UNFINISHED / "lock"), pytest.raises(FileError, match="another process is filling it"):
        extract(TinyBackbone(), source(), tmp_path / "c")
    assert not (tmp_path / "b").exists()
    with pytest.raises(InputError, match="holds features, found 'embed' asked for"):
        extracted(tmp_path / "a", "embed")
    with (tmp_path / "a" / "features.npy").open("r+b") as file:
        file.truncate(200)
    with pytest.raises(FileError, match="is damaged"):
        extracted(tmp_path / "a")


def test_features_of_half_precision_are_written_as_floats(tmp_path: Path) -> None:
    backbone = TinyBackbone().to(dtype=torch.bfloat16)
    manifest = extract(backbone, source(), tmp_path, layers=["features", "pixels"], batch_size=23, workers=1)
    assert manifest["precision"] == "bfloat16" and manifest["layers"]["features"]["dtype"] == "float32"
    found = torch.from_numpy(extracted(tmp_path).copy())
    assert torch.equal(found, found.bfloat16().float()) and (found - torch.from_numpy(straight("features"))).abs().max() < 0.1


def test_lists_name_splits_labels_and_several_labels(tmp_path: Path) -> None:
    items = split(5)
    tags = np.array([[1, 0, 1], [0, 0, 0], [0, 1, 0], [1, 1, 1], [0, 0, 1]], dtype=bool)
    several = Source("d", items.images, (("a", 2), ("b", 0), ("c", 2)), items.labels, ("x", "y", "z"), {"bad": "damaged"}, tags)
    manifest = extract(TinyBackbone(), several, tmp_path / "several")
    rows = rows_of(tmp_path / "several")
    assert [row["split"] for row in rows] == ["a", "a", "c", "c", ""]
    assert [row["label"] for row in rows] == ["0|2", "", "1", "0|1|2", "2"]
    assert [row["class"] for row in rows] == ["x|z", "", "y", "x|y|z", "z"] and manifest["left_out"] == {"bad": "damaged"}
    assert np.array_equal(np.load(tmp_path / "several" / "labels.npy"), tags)
    plain = extract(TinyBackbone(), Source("d", items.images), tmp_path / "plain")
    assert {(row["split"], row["label"], row["class"]) for row in rows_of(tmp_path / "plain")} == {("", "", "")}
    assert not (tmp_path / "plain" / "labels.npy").exists() and "left_out" not in plain and plain["seconds"] >= 0
    told = {"n": 5, "first_row": 0, "images": 5, "data": "d", "precision": "float32", "splits": {}, "classes": []}
    assert {key: plain[key] for key in told} == told and plain["normalised"] is False


@pytest.mark.parametrize(("i", "n", "rows"), [(1, 5, 1), (5, 5, 1), (1, 2, 2), (2, 2, 3), (0, 2, 0), (3, 2, 0), (1, 6, 0)])
def test_a_shard_exists_while_there_is_an_image_for_each(tmp_path: Path, i: int, n: int, rows: int) -> None:
    held = Source("d", split(5).images)
    if rows:
        told: list[tuple[int, int]] = []
        found = extract(TinyBackbone(), held, tmp_path, shard=(i, n), batch_size=2, progress=lambda *at: told.append(at))
        assert found["n"] == rows and told[-1] == (rows, rows) and found["first_row"] == (i - 1) * 5 // n
        assert [int(row["row"]) for row in rows_of(tmp_path / f"shard-{i}-of-{n}")] == list(range((i - 1) * 5 // n, i * 5 // n))
        return
    with pytest.raises(InputError, match=f"1 <= i <= n <= 5 images, found {i}/{n}"):
        extract(TinyBackbone(), held, tmp_path, shard=(i, n))
