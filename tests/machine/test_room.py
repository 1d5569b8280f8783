"""What does not fit into memory is refused before work, with the number that would fit, and that number is accepted."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from fakes import TinyBackbone, coloured, tiny_classifier, tiny_clip
from PIL import Image

from coldframe.attacks import PGD
from coldframe.cold import ColdPass, Store
from coldframe.cold.extraction import extract
from coldframe.cold.manifest import Source
from coldframe.errors import InputError
from coldframe.foundations.convnet.fitting import BETTER, COURSE, Settings, _check_memory
from coldframe.foundations.generative import adversarial_fitting, vae_fitting
from coldframe.foundations.generative.adversarial import AAE
from coldframe.foundations.generative.networks import least_bytes
from coldframe.foundations.graphs import named, power
from coldframe.foundations.mlp import study
from coldframe.machine import room
from coldframe.machine.room import check_fits, free_bytes
from coldframe.methods import method_class
from coldframe.methods.deep_prompt import DeepPrompt
from coldframe.methods.fine_tune import FineTune
from coldframe.verbs.attack import attack_files

TRAIN, TEST = coloured(600, 0, "train"), coloured(12, 2, "test")
MANY = TRAIN.subset(np.arange(9000) % 600)


def test_what_is_free_is_less_than_the_machine_has() -> None:
    total = int(re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())[1])  # type: ignore[index]
    swap = int(re.search(r"SwapTotal:\s+(\d+)", Path("/proc/meminfo").read_text())[1])  # type: ignore[index]
    assert 0 < free_bytes() <= 1024 * (total + swap)


def test_the_largest_that_fits_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "free_bytes", lambda device: 100)
    check_fits("a batch", 33, lambda n: 3 * n)
    with pytest.raises(InputError, match=r"fits into memory, found 34, which takes 102 B or more of 100 B .*; 33 would"):
        check_fits("a batch", 34, lambda n: 3 * n)
    with pytest.raises(InputError, match="no value of it fits"):
        check_fits("a batch", 1, lambda n: 101)
    with pytest.raises(InputError, match="more bytes than can be counted or more of 100 B"):
        check_fits("a batch", 10**6, lambda n: n * math.inf)


def pixels(settings: Settings, batch: int) -> None:
    _check_memory(settings, batch, torch.device("cpu"))


def wide(width: int) -> Settings:
    from dataclasses import replace

    return replace(BETTER, widths=(width, width, width))


class Cited:
    """As much of a citation graph as the sizes ask of it."""

    graph = SimpleNamespace(n=3000, name="cora")
    features, classes = np.zeros((1, 1433)), 7


def gcn(hidden: int, depth: int) -> None:
    from coldframe.foundations.graphs.study import _check_memory as check

    check(Cited, hidden, depth)  # type: ignore[arg-type]


CASES: list[tuple[str, int, Callable[[int], Any]]] = [
    ("a width", 4096, lambda n: pixels(wide(n), 2)),
    ("a batch", 65536, lambda n: pixels(wide(8), n)),
    ("a batch", 65536, lambda n: pixels(COURSE, n)),
    ("a hidden width", 4096, lambda n: study._check_memory(3072, [n, n], 10, 1)),
    ("a batch", 65536, lambda n: study._check_memory(3072, [16], 10, n)),
    ("a hidden width", 4096, lambda n: gcn(n, 2)),
    ("a depth", 1000, lambda n: gcn(64, n)),
    ("a number of channels", 4096, lambda n: vae_fitting.Settings(channels=n, batch=1).check_memory(100, torch.device("cpu"))),
    ("a length of codes", 4096, lambda n: vae_fitting.Settings(n, batch=1).check_memory(100, torch.device("cpu"))),
    ("a batch", 65536, lambda n: vae_fitting.Settings(levels=256, batch=n).check_memory(10**5, torch.device("cpu"))),
    ("a batch", 65536, lambda n: adversarial_fitting.Settings(batch=n).check_memory(10**5, torch.device("cpu"))),
    ("a number of nodes", 4000, lambda n: power(named(f"cycle:{n}"), 1)),
    ("a number of tokens", 4096, lambda n: DeepPrompt(tiny_clip(), tokens=n).check_data(TRAIN, None)),
    ("a batch", 9000, lambda n: FineTune(tiny_clip(), layers="all", batch_size=n).check_data(MANY, None)),
]  # fmt: skip


@pytest.mark.parametrize(("says", "asked", "ask"), CASES, ids=[f"{number}" for number in range(len(CASES))])
def test_every_size_is_asked_about(says: str, asked: int, ask: Callable[[int], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "free_bytes", lambda device="cpu": 30_000_000)
    with pytest.raises(InputError, match=f"expected {says} that fits into memory") as caught:
        ask(asked)
    fits = int(re.search(r"free; ([\d,]+) would fit", str(caught.value))[1].replace(",", ""))  # type: ignore[index]
    assert 1 <= fits < asked
    ask(fits)
    with pytest.raises(InputError):
        ask(fits + 1)


def test_a_batch_of_the_cold_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backbone = TinyBackbone()
    monkeypatch.setattr(room, "free_bytes", lambda device="cpu": 200_000)
    cold = ColdPass(Store(tmp_path / "store"), batch_size=65536)
    with pytest.raises(InputError, match=r"a batch that fits into memory with images of \d+ pixels, found 600"):
        cold.prepare(backbone, [TRAIN], [("features", "plain")])
    source = Source("noise", TRAIN.images, (("train", 600),), TRAIN.labels, TRAIN.classes)
    with pytest.raises(InputError, match="a batch that fits into memory"):
        extract(backbone, source, tmp_path / "out", batch_size=65536)
    cold = ColdPass(Store(tmp_path / "store"), batch_size=8)
    assert cold.prepare(backbone, [TEST], [("features", "plain")]).images == 12


def test_the_least_bytes_are_those_of_the_weights() -> None:
    model = AAE(latent=5, channels=6)
    weights = sum(value.numel() for part in (model.encoder, model.decoder) for value in part.parameters() if value.ndim > 1)
    assert least_bytes(6, 5, 0, 1, 1) == 4 * 4 * weights


def test_contexts_of_a_text_prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    prompt = method_class("text-prompt")(tiny_clip(), tokens=8)
    monkeypatch.setattr(room, "free_bytes", lambda device="cpu": 60_000)
    with pytest.raises(InputError, match=r"context vectors that fits into memory with 3 classes, found 8.* would fit"):
        prompt.check_data(TRAIN, None)
    monkeypatch.setattr(room, "free_bytes", lambda device="cpu": 600_000)
    prompt.check_data(TRAIN, None)


def test_attacked_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places = [tmp_path / f"{number}.png" for number in range(3)]
    for place in places:
        Image.new("RGB", (40, 40)).save(place)
    each = 3 * 32**2 * 13
    monkeypatch.setattr(room, "free_bytes", lambda device="cpu": 2 * each)
    with pytest.raises(InputError, match=r"a number of images that fits into memory of 32 pixels, found 3.* 2 would fit"):
        attack_files(tiny_classifier(), places, PGD(8 / 255, steps=1))
    assert len(attack_files(tiny_classifier(), places[:2], PGD(8 / 255, steps=1)).files) == 2


MEMINFO = "MemTotal: 4000 kB\nMemFree: 10 kB\nMemAvailable:   3000 kB\nSwapTotal: 500 kB\nSwapFree:  400 kB\nHugePages: 0\n"


def told(folder: Path, monkeypatch: pytest.MonkeyPatch, meminfo: str, **container: str) -> tuple[int, int]:
    """Return what is free and what there is on a machine whose system says this."""
    group = Path("/sys/fs/cgroup")
    files = {Path("/proc/meminfo"): meminfo, group / "memory.max": container.get("limit"),
             group / "memory.current": container.get("used"), group / "memory.stat": container.get("stat")}  # fmt: skip

    def read(path: Path, **_: Any) -> str:
        text = files.get(path)
        if text is None:
            raise FileNotFoundError(path)
        return text

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_text", read)
        return free_bytes(), room.whole_bytes()


@pytest.mark.parametrize(
    ("meminfo", "container", "free", "whole"),
    [
        (MEMINFO, {}, 1024 * 3400, 1024 * 4000),
        ("", {}, 2**63, 2**63),
        ("odd\nMemAvailable: 7 kB\n", {}, 1024 * 7, 2**63),
        (MEMINFO, {"limit": "max", "used": "5"}, 1024 * 3400, 1024 * 4000),
        (MEMINFO, {"limit": "1000\n", "used": "400\n"}, 600, 1000),
        (MEMINFO, {"limit": "1000", "used": "400", "stat": "active_file 9\ninactive_file 150\ninactive_files 8\n"}, 750, 1000),
        (MEMINFO, {"limit": "1000", "used": "1400"}, 0, 1000),
        (MEMINFO, {"limit": "1000"}, 1024 * 3400, 1000),
        (MEMINFO, {"limit": "99999999", "used": "1"}, 1024 * 3400, 1024 * 4000),
    ],
)  # fmt: skip
def test_memory_is_what_the_system_and_the_container_leave(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, meminfo: str, container: dict[str, str], free: int, whole: int
) -> None:
    assert told(tmp_path, monkeypatch, meminfo, **container) == (free, whole)


def test_sizes_are_said_in_the_unit_of_their_thousands() -> None:
    sizes = (0, 1, 999, 1000, 12_345, 10**6, 10**9, 10**12, 10**15, 10**19, math.inf, math.nan)
    assert [room._size(size) for size in sizes] == [
        "0 B", "1 B", "999 B", "1 kB", "12.3 kB", "1 MB", "1 GB", "1 TB", "1 PB", "1e+04 PB", "more bytes than can be counted",
        "more bytes than can be counted",
    ]  # fmt: skip


def test_the_least_value_that_makes_sense_and_what_a_batch_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "free_bytes", lambda device: 100)
    for least, said in ((3, "3 would fit"), (4, "no value of it fits")):
        with pytest.raises(InputError, match=f"; {said}"):
            check_fits("a depth", 7, lambda n: 30 * n, least=least)
    room.check_batch(100, 2, 2, 14)
    with pytest.raises(InputError, match="found 3, which takes 150 B or more of 100 B"):
        room.check_batch(100, 3, 2, 14)
    with pytest.raises(InputError, match="found 2, which takes 102 B"):
        room.check_batch(2, 100, 2, 15)
