from __future__ import annotations

import errno
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from fakes import PREPROCESS, Pictures, TinyBackbone, split

from coldframe.cold import ColdPass, Store, passes
from coldframe.cold.activations import decoded
from coldframe.data.base import Split
from coldframe.errors import FileError, InputError

FEATURES = ("features", "plain")


def cold(folder: Path, **settings: object) -> ColdPass:
    return ColdPass(Store(folder), batch_size=4, workers=1, **settings)  # type: ignore[arg-type]


def straight(backbone: TinyBackbone, items: Split, cut: str, view: str = "plain") -> torch.Tensor:
    """The network on the pixels, in the batches of the pass, and nothing of the house's cold part."""
    pixels = decoded(items, backbone, 1)(torch.arange(len(items)))
    pixels = pixels.flip(-1) if view == "flip" else pixels
    with torch.no_grad():
        return torch.cat([backbone.run(backbone.normalise(batch), stop=cut) for batch in pixels.split(4)])


def everything(items: Split) -> torch.Tensor:
    return torch.arange(len(items))


@pytest.mark.parametrize("view", ["plain", "flip"])
@pytest.mark.parametrize("cut", ["pixels", "embed", "block0", "block1", "features"])
@pytest.mark.parametrize("budget", [None, 8 * 3 * 16 * 16, 0])
def test_stored_continued_and_live_equal_the_network_on_pixels(tmp_path: Path, budget: int | None, cut: str, view: str) -> None:
    backbone, items = TinyBackbone(), split(8)
    found = cold(tmp_path, budget=budget).activations(backbone, items, cut, view)
    expected = straight(backbone, items, cut, view)
    assert len(found) == 8
    assert torch.equal(found.gather(everything(items)), expected)
    torch.testing.assert_close(found.gather(torch.tensor([5, 1])), expected[[5, 1]], atol=1e-6, rtol=1e-6)


def test_the_views_differ() -> None:
    backbone, items = TinyBackbone(), split(8)
    plain, flipped = (straight(backbone, items, "features", view) for view in ("plain", "flip"))
    assert (plain - flipped).abs().max() > 0.01


def test_a_second_pass_runs_nothing(tmp_path: Path) -> None:
    backbone, items = TinyBackbone(), split(10)
    first = cold(tmp_path).prepare(backbone, [items], [FEATURES])
    assert (first.images, first.reused, first.bytes, backbone.embedded) == (10, 0, 10 * 6 * 4, 10 + 1)
    again = TinyBackbone()
    second = cold(tmp_path).prepare(again, [items], [FEATURES])
    cold(tmp_path).activations(again, items, "features")
    assert (second.images, second.reused, second.bytes, again.embedded) == (0, 10, 0, 0)


def test_one_pass_taps_every_cut_and_view(tmp_path: Path) -> None:
    backbone, items = TinyBackbone(), split(10)
    wants = [("features", "plain"), ("block1", "plain"), ("block1", "flip"), ("pixels", "flip"), ("embed", "plain")]
    report = cold(tmp_path).prepare(backbone, [items], wants)
    assert backbone.embedded == 2 * 10 + 1
    assert report.cuts == ("features", "block1", "pixels", "embed") and report.notes == []
    for cut, view in wants:
        found = cold(tmp_path).activations(backbone, items, cut, view).gather(everything(items))
        assert torch.equal(found, straight(backbone, items, cut, view))


def test_changing_one_image_runs_exactly_that_image(tmp_path: Path) -> None:
    items = split(10)
    cold(tmp_path).prepare(TinyBackbone(), [items], [FEATURES])
    assert isinstance(items.images, Pictures)
    items.images.arrays[7] = items.images.arrays[7] ^ np.uint8(1)
    seen: list[tuple[int, int]] = []
    backbone = TinyBackbone()
    report = cold(tmp_path, progress=lambda *at: seen.append(at)).prepare(backbone, [items], [FEATURES])
    assert (report.images, report.reused, backbone.embedded, seen) == (1, 9, 1 + 1, [(1, 1)])
    found = cold(tmp_path).activations(backbone, items, "features").gather(everything(items))
    torch.testing.assert_close(found, straight(backbone, items, "features"), atol=1e-6, rtol=1e-6)


def _nudged() -> TinyBackbone:
    backbone = TinyBackbone()
    with torch.no_grad():
        backbone.net.blocks[1].weight[0, 0] += 1e-6
    return backbone


class Renamed(TinyBackbone):
    """The same module under another adapter, whose stages may mean something else."""


@pytest.mark.parametrize(
    ("backbone", "settings", "want"),
    [
        (_nudged, {}, FEATURES),
        (Renamed, {}, FEATURES),
        (lambda: TinyBackbone(preprocess=replace(PREPROCESS, mean=(0.5, 0.4, 0.31))), {}, FEATURES),
        (lambda: TinyBackbone(preprocess=replace(PREPROCESS, interpolation="bicubic")), {}, FEATURES),
        (lambda: TinyBackbone().to(dtype=torch.bfloat16), {}, FEATURES),
        (lambda: TinyBackbone().to(dtype=torch.float64), {}, FEATURES),
        (TinyBackbone, {"storage": "bf16"}, FEATURES),
        (TinyBackbone, {}, ("features", "flip")),
        (TinyBackbone, {}, ("block1", "plain")),
    ],
    ids=["weight", "adapter", "mean", "interpolation", "compute-bf16", "compute-fp64", "storage", "view", "cut"],
)
def test_whatever_decides_a_value_misses_the_store(tmp_path: Path, backbone, settings, want) -> None:  # type: ignore[no-untyped-def]
    items = split(5)
    cold(tmp_path).prepare(TinyBackbone(), [items], [FEATURES])
    assert cold(tmp_path, **settings).prepare(backbone(), [items], [want]).images == 5
    assert cold(tmp_path).prepare(TinyBackbone(), [items], [FEATURES]).images == 0


def test_reduced_matmul_precision_misses_the_store(tmp_path: Path) -> None:
    items = split(5)
    cold(tmp_path).prepare(TinyBackbone(), [items], [FEATURES])
    try:
        torch.set_float32_matmul_precision("high")
        assert cold(tmp_path).prepare(TinyBackbone(), [items], [FEATURES]).images == 5
    finally:
        torch.set_float32_matmul_precision("highest")


def test_pixels_are_shared_by_models_that_see_the_same(tmp_path: Path) -> None:
    items = split(5)
    cold(tmp_path).prepare(TinyBackbone(0), [items], [("pixels", "plain")])
    other = TinyBackbone(1, preprocess=replace(PREPROCESS, mean=(0.1, 0.1, 0.1)))
    assert cold(tmp_path).prepare(other, [items], [("pixels", "flip")]).images == 0
    found = cold(tmp_path).activations(other, items, "pixels", "flip").gather(everything(items))
    assert torch.equal(found, straight(other, items, "pixels", "flip"))


def test_bf16_storage_is_named_and_close(tmp_path: Path) -> None:
    backbone, items = TinyBackbone(), split(6)
    found = cold(tmp_path, storage="bf16").activations(backbone, items, "features")
    exact = straight(backbone, items, "features")
    assert found.note == "features stored in bf16"
    assert found.gather(everything(items)).dtype == torch.float32
    assert torch.equal(found.gather(everything(items)), exact.bfloat16().float())
    assert cold(tmp_path).activations(backbone, items, "features").note == "features stored"


def test_float64_is_stored_to_the_bit(tmp_path: Path) -> None:
    backbone, items = TinyBackbone().to(dtype=torch.float64), split(6)
    found = cold(tmp_path).activations(backbone, items, "block1").gather(everything(items))
    assert found.dtype == torch.float64 and torch.equal(found, straight(backbone, items, "block1"))


def test_equal_images_run_once_and_every_one_is_served(tmp_path: Path) -> None:
    backbone, items = TinyBackbone(), split(6)
    doubled = items.subset([0, 3, 3, 0, 5, 3])
    report = cold(tmp_path).prepare(backbone, [doubled, doubled], [FEATURES])
    assert (report.images, report.reused, backbone.embedded) == (3, 0, 3 + 1)
    found = cold(tmp_path).activations(backbone, doubled, "features").gather(everything(doubled))
    torch.testing.assert_close(found, straight(backbone, doubled, "features"), atol=1e-6, rtol=1e-6)
    assert torch.equal(found[1], found[2]) and torch.equal(found[0], found[3])


def test_splits_that_share_images_run_only_what_is_new(tmp_path: Path) -> None:
    backbone, items = TinyBackbone(), split(9)
    cold(tmp_path).prepare(backbone, [items.subset(range(6))], [FEATURES])
    backbone.embedded = 0
    report = cold(tmp_path).prepare(backbone, [items.subset(range(4, 9)), split(2, seed=1)], [FEATURES])
    assert (report.images, report.reused, backbone.embedded) == (5, 2, 5 + 1)
    found = cold(tmp_path).activations(backbone, items, "features").gather(everything(items))
    torch.testing.assert_close(found, straight(backbone, items, "features"), atol=1e-6, rtol=1e-6)
    assert backbone.embedded == 5 + 1 + 9


def test_a_new_cut_of_some_images_does_not_run_the_others_again(tmp_path: Path) -> None:
    backbone, items = TinyBackbone(), split(8)
    cold(tmp_path).prepare(backbone, [items.subset(range(4))], [("block1", "plain")])
    cold(tmp_path).prepare(backbone, [items], [("block1", "flip")])
    backbone.embedded = 0
    report = cold(tmp_path).prepare(backbone, [items], [("block1", "plain"), ("block1", "flip")])
    assert (report.images, report.reused, backbone.embedded) == (4, 4, 4 + 1)


def test_no_image_at_all(tmp_path: Path) -> None:
    backbone, none = TinyBackbone(), split(4).subset([])
    report = cold(tmp_path).prepare(backbone, [none], [FEATURES])
    assert (report.images, report.reused, backbone.embedded) == (0, 0, 0)
    assert len(cold(tmp_path).activations(backbone, none, "features")) == 0
    assert cold(tmp_path).prepare(backbone, [], []).images == 0


def test_the_budget_goes_to_the_smallest_first_and_the_rest_moves_back_or_runs_live(tmp_path: Path) -> None:
    backbone, items = TinyBackbone(), split(8)
    sizes = cold(tmp_path).sizes(backbone, backbone.cuts)
    assert sizes == {"pixels": 768, "embed": 384, "block0": 384, "block1": 384, "features": 24}
    wants = [("block1", "plain"), ("block1", "flip"), FEATURES]
    for budget, notes, stored in [
        (8 * (24 + 384 + 384), [], 8 * (24 + 384 + 384)),
        (8 * (24 + 384), ["block1 (plain) of 8 images is over the budget: it runs live"], 8 * (24 + 384)),
        (8 * 24 - 1, [f"{cut} of 8 images is over the budget: it runs live"
                      for cut in ("features (plain)", "block1 (flip)", "block1 (plain)")], 0),
    ]:  # fmt: skip
        folder = tmp_path / str(budget)
        report = cold(folder, budget=budget).prepare(backbone, [items], wants)
        assert (report.notes, report.bytes) == (notes, stored)
        again = cold(folder, budget=budget).prepare(backbone, [items], wants)
        assert again.bytes == 0 and len(again.notes) == len(notes)
        for cut, view in wants:
            found = cold(folder, budget=budget).activations(backbone, items, cut, view)
            assert torch.equal(found.gather(everything(items)), straight(backbone, items, cut, view))


def test_what_is_over_the_budget_together_is_not_stored_bit_by_bit(tmp_path: Path) -> None:
    backbone, items = TinyBackbone(), split(8)
    halves = [items.subset(range(4)), items.subset(range(4, 8))]
    passing = cold(tmp_path, budget=8 * 24 - 1)
    assert len(passing.prepare(backbone, halves, [FEATURES]).notes) == 1
    notes = {passing.activations(backbone, half, "features").note for half in halves}
    assert notes == {"features live: over the budget of the store"}
    assert list(tmp_path.rglob("values.bin")) == []
    passing.prepare(backbone, halves[:1], [FEATURES])
    assert passing.activations(backbone, halves[0], "features").note == "features stored"


def test_a_cut_over_the_budget_moves_back_to_one_that_fits(tmp_path: Path) -> None:
    backbone, items = TinyBackbone(preprocess=replace(PREPROCESS, size=16), width=40), split(8)
    assert cold(tmp_path).sizes(backbone, ["block1", "pixels"]) == {"pixels": 768, "block1": 2560}
    report = cold(tmp_path, budget=8 * 768).prepare(backbone, [items], [("block1", "plain"), ("block1", "flip")])
    assert report.notes == [
        f"block1 ({view}) of 8 images is over the budget: it is stored at pixels and run on from there"
        for view in ("flip", "plain")
    ]
    assert report.bytes == 8 * 768
    for view in ("plain", "flip"):
        found = cold(tmp_path, budget=8 * 768).activations(backbone, items, "block1", view)
        assert found.note == "pixels stored, run on to block1"
        assert torch.equal(found.gather(everything(items)), straight(backbone, items, "block1", view))


def test_a_pass_in_many_shards_gives_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passes, "_SHARD_BYTES", 1)
    backbone, items = TinyBackbone(), split(10)
    report = cold(tmp_path).prepare(backbone, [items], [FEATURES, ("block0", "flip")])
    assert len(list(tmp_path.rglob("manifest.json"))) == 6
    assert report.bytes == 10 * (24 + 384)
    found = cold(tmp_path).activations(backbone, items, "block0", "flip").gather(everything(items))
    assert torch.equal(found, straight(backbone, items, "block0", "flip"))


def test_a_cpu_runs_small_pieces_whatever_the_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backbone, items, seen = TinyBackbone(), split(21), []
    real = backbone.normalise
    monkeypatch.setattr(backbone, "normalise", lambda images: seen.append(len(images)) or real(images))
    for budget in (None, 0):
        passing = ColdPass(Store(tmp_path / str(budget)), batch_size=20, workers=2, budget=budget)
        found = passing.activations(backbone, items, "block1").gather(everything(items))
        torch.testing.assert_close(found, straight(TinyBackbone(), items, "block1"), atol=1e-6, rtol=1e-6)
    assert seen == [8, 8, 4, 1, 8, 8, 5]


@pytest.mark.parametrize("moment", range(1, 7))
def test_a_full_disk_at_any_moment_leaves_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    backbone, items = TinyBackbone(), split(10)
    real, calls = os.fsync, 0

    def full(handle: int) -> None:
        nonlocal calls
        calls += 1
        if calls == moment:  # of two descriptions, then values and manifest of two shards
            raise OSError(errno.ENOSPC, "No space left on device")
        real(handle)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FileError, match="the disk is full"):
        cold(tmp_path).prepare(backbone, [items], [FEATURES, ("block0", "plain")])
    assert list(tmp_path.rglob(".*")) == []
    assert len(list(tmp_path.rglob("values.bin"))) == len(list(tmp_path.rglob("manifest.json"))) == (moment > 4)
    monkeypatch.setattr(os, "fsync", real)
    assert cold(tmp_path).prepare(backbone, [items], [FEATURES, ("block0", "plain")]).images == 10


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"storage": "fp16"}, "unknown storage 'fp16'"),
        ({"budget": -1}, "expected budget of 0 or more, found budget=-1"),
        ({"batch_size": 0}, "expected batch_size of 1 or more"),
        ({"workers": 0}, "expected workers of 1 or more"),
    ],
)
def test_settings_out_of_range_are_refused(tmp_path: Path, settings: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ColdPass(Store(tmp_path), **settings)  # type: ignore[arg-type]


def test_what_a_pass_keeps_is_said_in_a_word_and_counted_in_bytes(tmp_path: Path) -> None:
    words = {(storage, engine): cold(tmp_path, storage=storage, engine=engine).kept
             for storage in ("fp32", "bf16") for engine in ("eager", "folded")}  # fmt: skip
    assert words == {("fp32", "eager"): "fp32", ("fp32", "folded"): "fp32-folded", ("bf16", "eager"): "bf16",
                     ("bf16", "folded"): "bf16-folded"}  # fmt: skip
    ways = (({}, torch.float32), ({}, torch.float64), ({}, torch.bfloat16), ({"storage": "bf16"}, torch.float64))
    sizes = [cold(tmp_path, **how).sizes(TinyBackbone().to(dtype=kind), ["pixels", "features"]) for how, kind in ways]
    assert sizes == [{"pixels": 768, "features": 6 * width} for width in (4, 8, 2, 2)]
    assert "_over" not in repr(ColdPass(Store(tmp_path)))


def test_unknown_cuts_and_views_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected a view of plain, flip, found 'turned'"):
        cold(tmp_path).prepare(TinyBackbone(), [split(3)], [("features", "turned")])
    with pytest.raises(InputError, match="block1"):
        cold(tmp_path).prepare(TinyBackbone(), [split(3)], [("block11", "plain")])


PASS = """
import os, random, signal, sys, time
import torch
torch.set_num_threads(1)
from fakes import TinyBackbone, split
from coldframe.cold import ColdPass, Store, passes

class Slow(TinyBackbone):
    def _step(self, index, x):
        time.sleep(0.003)
        return super()._step(index, x)

Slow.__module__, Slow.__qualname__ = TinyBackbone.__module__, TinyBackbone.__qualname__
passes._SHARD_BYTES = 4000

def fill(folder):
    child = os.fork()
    if not child:
        report = ColdPass(Store(folder), batch_size=4, workers=1).prepare(
            Slow(), [split(60)], [("features", "plain"), ("block1", "flip")]
        )
        os._exit(0 if report.images == 60 else 9)
    return child
"""
KILLED = """
for attempt in range(int(sys.argv[2])):
    child = fill(f"{sys.argv[1]}/{attempt}")
    time.sleep(random.uniform(0, 0.5))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
"""
TOGETHER = """
children = [fill(sys.argv[1]) for _ in range(3)]
print([os.waitpid(child, 0)[1] for child in children])
"""


def run(program: str, *arguments: object) -> str:
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, "-c", PASS + program, *map(str, arguments)],
        stdout=subprocess.PIPE, text=True, check=True, env=os.environ | {"PYTHONPATH": path},
    ).stdout  # fmt: skip


def check(folder: Path) -> int:
    """Whatever is trusted equals the network; after one more pass all is there. Return how many images that pass ran."""
    backbone, items = TinyBackbone(), split(60)
    exact = {want: straight(backbone, items, *want) for want in (FEATURES, ("block1", "flip"))}
    for want, expected in exact.items():
        rows = {items.images.digest(index): expected[index] for index in range(60)}
        for shard in Store(folder).shards(cold(folder).key(backbone, *want)):
            assert torch.equal(shard.rows(np.arange(len(shard.digests))), torch.stack([rows[d] for d in shard.digests]))
    report = cold(folder).prepare(backbone, [items], list(exact))
    for want, expected in exact.items():
        assert torch.equal(cold(folder).activations(backbone, items, *want).gather(everything(items)), expected)
    return report.images


def test_killed_at_any_moment_nothing_wrong_is_trusted_and_leftovers_go(tmp_path: Path) -> None:
    run(KILLED, tmp_path, 12)
    ran = []
    for attempt in range(12):
        ran.append(check(tmp_path / str(attempt)))
        Store(tmp_path / str(attempt)).sweep()
        assert list((tmp_path / str(attempt)).rglob(".unfinished-*")) == [], ran
    assert any(0 < images < 60 for images in ran), f"no pass was killed in its middle: {ran}"


def test_several_processes_fill_one_store_at_once(tmp_path: Path) -> None:
    assert run(TOGETHER, tmp_path) == "[0, 0, 0]\n"
    assert check(tmp_path) == 0
    assert list(tmp_path.rglob(".*")) == []
