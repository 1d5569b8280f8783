"""Units of the cold pass: any number of workers, killed at any moment, leave the store of one that was not."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from fakes import Pictures, TinyBackbone, split
from PIL import Image

from coldframe.cold import ColdPass, Store
from coldframe.cold.feed import patiently
from coldframe.cold.units import prepare_units, worker_here
from coldframe.data.base import Split, Unreadable
from coldframe.errors import DataError, InputError

WANTS = [("features", "plain"), ("block1", "flip")]


def cold(folder: Path) -> ColdPass:
    return ColdPass(Store(folder), batch_size=4, workers=1)


def stored(folder: Path, backbone: TinyBackbone, want: tuple[str, str]) -> dict[str, list[float]]:
    """Every image's activation, each found once."""
    shards = Store(folder).shards(ColdPass(Store(folder)).key(backbone, *want))
    pairs = [(d, torch.from_numpy(row.copy())) for s in shards for d, row in zip(s.digests, s.values, strict=True)]
    assert len(pairs) == len({digest for digest, _ in pairs}), "no image is stored twice"
    return {digest: row.flatten().tolist() for digest, row in pairs}


class Stopping(Pictures):
    """Pictures that stop whoever opens one of them, as a kill does."""

    def __init__(self, whole: Pictures, at: int) -> None:
        super().__init__(whole.arrays)
        self.at = at

    def open(self, index: int) -> Image.Image:
        if index == self.at:
            raise KeyboardInterrupt
        return super().open(index)


def test_two_workers_leave_what_one_leaves_and_what_compare_reads(tmp_path: Path) -> None:
    backbone, splits = TinyBackbone(), [split(23), split(9, seed=1, name="test")]
    one = prepare_units(cold(tmp_path / "one"), backbone, splits, WANTS, size=5)
    assert (one.units, one.done, one.images, one.before) == (7, 7, 32, 0)
    two = [prepare_units(cold(tmp_path / "two"), backbone, splits, WANTS, worker=(i, 2), size=5) for i in (1, 2)]
    assert [(report.done, report.images) for report in two] == [(4, 5 + 5 + 3 + 4), (3, 5 + 5 + 5)]
    for want in WANTS:
        assert stored(tmp_path / "one", backbone, want) == stored(tmp_path / "two", backbone, want)
    report = cold(tmp_path / "two").prepare(backbone, splits, WANTS)
    assert (report.images, report.reused) == (0, 32), "the store is the one that every command reads"
    found = cold(tmp_path / "two").activations(backbone, splits[1], "features").gather(torch.arange(9))
    straight = cold(tmp_path / "straight").activations(backbone, splits[1], "features").gather(torch.arange(9))
    assert torch.equal(found, straight)


@pytest.mark.parametrize("at", [0, 7, 11, 22])
def test_a_stopped_worker_loses_its_unit_alone(tmp_path: Path, at: int) -> None:
    backbone, items = TinyBackbone(), split(23)
    held = Split("train", Stopping(items.images, at), items.labels, items.classes)
    with pytest.raises(KeyboardInterrupt):
        prepare_units(cold(tmp_path), backbone, [held], WANTS, size=5)
    again = prepare_units(cold(tmp_path), backbone, [items], WANTS, size=5)
    assert (again.before, again.done) == (at // 5, 5 - at // 5)
    prepare_units(cold(tmp_path / "whole"), backbone, [items], WANTS, size=5)
    for want in WANTS:
        assert stored(tmp_path, backbone, want) == stored(tmp_path / "whole", backbone, want)
    assert prepare_units(cold(tmp_path), backbone, [items], WANTS, size=5).before == 5


def test_a_bad_image_stops_the_pass_or_is_counted_and_a_hanging_one_does_not_hang(tmp_path: Path) -> None:
    never = threading.Event()

    class Bad(Pictures):
        def open(self, index: int) -> Image.Image:
            if index == 2:
                raise Unreadable("cannot decode picture 2: damaged", "damaged")
            if index == 6:
                never.wait()
            return super().open(index)

    backbone, items = TinyBackbone(), split(11)
    held = Split("train", Bad(items.images.arrays), items.labels, items.classes)
    with pytest.raises(DataError, match="picture 2"):
        prepare_units(cold(tmp_path), backbone, [held], WANTS, size=4, patience=0.5)
    report = prepare_units(cold(tmp_path), backbone, [held], WANTS, size=4, on_error="skip", patience=0.5)
    assert report.left_out == {"picture 2": "damaged", "picture 6": "took too long"}
    assert (report.images, report.done) == (9, 3) and len(stored(tmp_path, backbone, WANTS[0])) == 9
    assert prepare_units(cold(tmp_path), backbone, [held], WANTS, size=4, on_error="skip", patience=0.5).before == 3
    never.set()


def test_patience() -> None:
    assert patiently(lambda: 3, 5, "x") == 3
    with pytest.raises(ZeroDivisionError):
        patiently(lambda: 1 // 0, 5, "x")


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    for name in ("RANK", "WORLD_SIZE", "SLURM_PROCID", "SLURM_NTASKS"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_which_worker_this_is(alone: pytest.MonkeyPatch) -> None:
    assert worker_here() == (1, 1)
    alone.setenv("SLURM_PROCID", "3")
    alone.setenv("SLURM_NTASKS", "8")
    assert worker_here() == (4, 8)
    alone.setenv("RANK", "0")
    alone.setenv("WORLD_SIZE", "2")
    assert worker_here() == (1, 2)
    alone.setenv("RANK", "2")
    with pytest.raises(InputError, match="RANK below WORLD_SIZE"):
        worker_here()


def test_bad_settings(tmp_path: Path) -> None:
    for words, expected in (({"worker": (3, 2)}, "found 3/2"), ({"size": 0}, "unit of 1 image or more")):
        with pytest.raises(InputError, match=expected):
            prepare_units(cold(tmp_path), TinyBackbone(), [split(3)], WANTS, **words)  # type: ignore[arg-type]
