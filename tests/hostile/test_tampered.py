"""Every kind of file that coldframe writes and reads again, changed in every systematic way: one sentence, or it is read."""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fakes import TinyBackbone, coloured, pictures, split, tiny_clip
from safetensors.torch import load_file, safe_open, save_file

from coldframe import files, methods
from coldframe.backbones import pocket
from coldframe.cold import ColdPass, Store
from coldframe.cold.extraction import extract
from coldframe.cold.manifest import Source, extracted
from coldframe.data.base import Dataset
from coldframe.data.labelled import known_labels
from coldframe.errors import ColdframeError
from coldframe.evaluation.robustness import DisturbedScores
from coldframe.files.reading import read
from coldframe.foundations.generative import saved
from coldframe.foundations.generative.vae import VAE
from coldframe.measures.adversarial import AttackCurve
from coldframe.measures.robustness import CorruptionScores, NoiseCurve
from coldframe.methods.linear_probe import LinearProbe
from coldframe.recipes.pocket.state import read_log, read_state
from coldframe.report import Table
from coldframe.training import checkpoint
from coldframe.verbs import fit, plan, sweep, watch

WRONG: tuple[Any, ...] = (
    None, True, False, -1, 0, 2, 1.5, 1e300, 10**30, "", "text", "\x1b[31m", [], [1], ["a"], [[[]]], {}, {"a": 1}, {"": None},
)  # fmt: skip
"""What stands in the place of a value."""
DEEP = ("[" * 10_000 + "]" * 10_000, '{"a":' * 10_000 + "1" + "}" * 10_000)
SPELT = ("NaN", "Infinity", "-Infinity", "1e400", "9" * 5000, *DEEP)
"""The same, as no writer of JSON would spell it."""
WHOLE = (b"", b"null", b"true", b"3", b'"text"', b"[]", b"{}", b"[[]]", b"\xff\xfe", b"\x00", b"{", b'{"a": 1, "a": 2}')
"""What stands in the place of a whole file."""
_MARK = "a place that is spelt otherwise"


def places(value: Any, depth: int = 4) -> Iterator[tuple[Any, ...]]:
    """Yield the way to every value; of a list, to its first only."""
    if not depth:
        return
    inside = value.items() if isinstance(value, dict) else enumerate(value[:1]) if isinstance(value, list) else ()
    for key, one in inside:
        yield (key,)
        yield from ((key, *rest) for rest in places(one, depth - 1))


def changed(value: Any, way: tuple[Any, ...], change: Callable[[Any, Any], None]) -> Any:
    """Return a copy in which the holder of one place was changed."""
    value = copy.deepcopy(value)
    holder = value
    for key in way[:-1]:
        holder = holder[key]
    change(holder, way[-1])
    return value


def tampered(text: bytes, step: int) -> Iterator[bytes]:
    """Yield a JSON file in every changed form, or in every ``step``-th."""
    return itertools.islice(_tampered(text), None, None, step)


def _tampered(text: bytes) -> Iterator[bytes]:
    yield from WHOLE
    for share in (1, 2, 3):
        yield text[: len(text) * share // 4]
    yield text + text
    value = json.loads(text)
    yield from (json.dumps(value | {"unknown": 1}).encode(), json.dumps([value]).encode())
    for way in places(value):
        if len(way) < 3:
            yield json.dumps(changed(value, way, lambda holder, key: holder.pop(key))).encode()
        for wrong in WRONG:
            yield json.dumps(changed(value, way, lambda holder, key, new=wrong: holder.__setitem__(key, new))).encode()
        marked = json.dumps(changed(value, way, lambda holder, key: holder.__setitem__(key, _MARK)))
        if len(way) < 3:
            yield from (marked.replace(f'"{_MARK}"', spelt).encode() for spelt in SPELT)


def refused(read_back: Callable[[], object], where: object) -> bool:
    """Return whether reading refused with one sentence of the house; any other error passes through and fails the test."""
    try:
        read_back()
    except ColdframeError as error:
        said = str(error)
        assert said and "\n" not in said and "\x1b" not in said and len(said) < 700, (where, said)
        assert "Traceback" not in said and "not supported" not in said, (where, said)
        return True
    return False


@pytest.fixture(params=[pytest.param(9, id="some"), pytest.param(1, id="all", marks=pytest.mark.slow)])
def step(request: pytest.FixtureRequest) -> int:
    """Return 1 for every change there is, which takes a minute, or more for some of them."""
    found: int = request.param
    return found


def every(path: Path, read_back: Callable[[], object], step: int, *, least: int = 50, quiet: bool = False) -> None:
    """Change a file in every way and read it; at the end it is as it was, and is read."""
    text, tried, fell = path.read_bytes(), 0, 0
    for form in tampered(text, step):
        path.write_bytes(form)
        tried += 1
        fell += refused(read_back, form[:300])
    path.write_bytes(text)
    assert not refused(read_back, path)
    print(f"tampered: {path.name} {tried} refused {fell}")
    assert tried > least // step and (quiet or fell > tried / 4), (tried, fell)


@pytest.fixture
def fitted(tmp_path: Path) -> tuple[LinearProbe, Dataset, Path]:
    """Return a probe, its data and the folder of its fit."""
    data = Dataset("three", coloured(24, 0, "train"), coloured(9, 1, "val"), coloured(9, 2, "test"))
    probe = LinearProbe(TinyBackbone(), l2=(0.1, 0.01))
    cold = ColdPass(Store(tmp_path))
    fit.fit_and_evaluate(
        probe, data, data="three", seed=0, cold=cold, watch=watch.Watch(), folder=tmp_path / "run", timed=False
    )
    return probe, data, tmp_path / "run"


def test_a_saved_run(step: int, fitted: tuple[LinearProbe, Dataset, Path]) -> None:
    probe, _, folder = fitted
    pixels = torch.zeros(1, 3, 16, 16, dtype=torch.uint8)

    def back() -> None:
        found = methods.load(folder, probe.backbone)
        assert found.predict_proba(pixels).shape == (1, len(found.classes))

    every(folder / "adaptation.json", back, step)


def test_what_a_fit_measured(step: int, fitted: tuple[LinearProbe, Dataset, Path]) -> None:
    probe, data, folder = fitted
    every(folder / "result.json", lambda: fit.finished(probe.again(), data, folder), step)


def test_tensors_of_a_saved_run(fitted: tuple[LinearProbe, Dataset, Path]) -> None:
    probe, data, folder = fitted
    for name in ("adaptation.safetensors", "predictions.safetensors"):
        text = (folder / name).read_bytes()
        tensors = load_file(folder / name)
        forms: list[dict[str, torch.Tensor]] = [{}, tensors | {"more": torch.zeros(2)}]
        for key, value in tensors.items():
            forms += [{k: v for k, v in tensors.items() if k != key}, tensors | {key: value[:1]}, tensors | {key: value[None]}]
            forms += [tensors | {key: torch.zeros(0)}, tensors | {key: torch.zeros(())}]
        for form in forms:
            save_file({k: v.contiguous() for k, v in form.items()}, folder / name)
            assert refused(lambda: fit.finished(probe.again(), data, folder), form) or "more" in form
        for cut in (0, 7, 20, len(text) // 2, len(text) - 1):
            (folder / name).write_bytes(text[:cut])
            assert refused(lambda: fit.finished(probe.again(), data, folder), cut)
        (folder / name).write_bytes(text)
    fit.finished(probe.again(), data, folder)


def test_results(step: int, tmp_path: Path, fitted: tuple[LinearProbe, Dataset, Path]) -> None:
    row = files_json(fitted[2] / "result.json")["row"]
    table = Table(rows=[row, row | {"seed": 1, "top1": 0.5}, row | {"method": "knn"}], command="coldframe compare")
    table.save(tmp_path / "results.json")

    def back() -> None:
        found = Table.load(tmp_path)
        found.to_json(), found.to_csv(), found.to_markdown()

    every(tmp_path / "results.json", back, step)


def test_robustness(step: int, tmp_path: Path) -> None:
    from dataclasses import asdict

    found = DisturbedScores(
        NoiseCurve("normalised", (0.0, 0.1), (0.9, 0.5), 10, 0.9),
        CorruptionScores({"fog": (0.5, 0.4, 0.3, 0.2, 0.1)}, 10, 0.9),
        AttackCurve((0.0, 4 / 255), (0.9, 0.1), 0.9, 10),
    )  # fmt: skip
    files.write_json(tmp_path / "robustness.json", asdict(found))
    every(tmp_path / "robustness.json", lambda: read(tmp_path / "robustness.json", DisturbedScores), step)
    assert read(tmp_path / "robustness.json", DisturbedScores) == found


def test_the_store(step: int, tmp_path: Path) -> None:
    store, backbone, images = Store(tmp_path), TinyBackbone(), split(5)
    cold = ColdPass(store)
    cold.prepare(backbone, [images], [("features", "plain")])
    key = cold.key(backbone, "features")
    (shelf,) = store.root.glob("*/shelf.json")
    (shard,) = store.root.glob("*/shard-*/manifest.json")
    every(shelf, lambda: list(store.shelves()), step, quiet=True)
    every(shard, lambda: [one.values.sum() for one in store.shards(key)], step, quiet=True)
    for form in (b"[" * 10_000, b'{"digests": 3}', b""):
        shard.write_bytes(form)
        assert store.shards(key) == [], "a damaged shard is passed over"


def test_an_extraction(step: int, tmp_path: Path) -> None:
    source = Source("noise", pictures(4), (("train", 4),), np.zeros(4, dtype=np.int64), ("a",))
    backbone = TinyBackbone()
    extract(backbone, source, tmp_path / "out")
    every(tmp_path / "out" / "manifest.json", lambda: extracted(tmp_path / "out")[:1], step)
    part = tmp_path / "other" / ".unfinished"
    files.write_json(part / "progress.json", {"key": "a", "rows": 1, "listed": 0, "seconds": 0.5})
    text = (part / "progress.json").read_bytes()
    for form in tampered(text, step):
        (part / "progress.json").write_bytes(form)
        assert refused(lambda: extract(backbone, source, tmp_path / "other"), form[:200])


def test_a_generative_run(step: int, tmp_path: Path) -> None:
    model = VAE(latent=2, channels=2)
    saved.save(tmp_path, "vae", model.settings, model.state_dict())
    every(tmp_path / "model.json", lambda: saved.decoder(tmp_path).decode(torch.zeros(1, 2)), step)


def test_a_checkpoint(step: int, tmp_path: Path) -> None:
    parameters = {"w": torch.ones(2, 2, requires_grad=True)}
    optimiser = torch.optim.AdamW(list(parameters.values()))
    parameters["w"].sum().backward()  # type: ignore[no-untyped-call]
    optimiser.step()
    checkpoint.save(tmp_path, "key", checkpoint.Progress(step=1, best_epoch=1), parameters, optimiser, {"w": torch.ones(2, 2)})
    path = tmp_path / checkpoint.NAME
    with safe_open(path, framework="pt") as archive:
        note = dict(archive.metadata())
    tensors = load_file(path)

    def back() -> object:
        return checkpoint.restore(tmp_path, "key", parameters, torch.optim.AdamW(list(parameters.values())))

    for name in ("progress", "scalars"):
        for form in tampered(note[name].encode(), step):
            save_file(tensors, path, note | {name: form.decode(errors="replace")})
            refused(back, form[:200])
        save_file(tensors, path, {key: value for key, value in note.items() if key != name})
        assert refused(back, name)
    for name in tensors:
        for form_ in ({key: value for key, value in tensors.items() if key != name}, tensors | {name: torch.zeros(3)}):
            save_file(form_, path, note)
            assert refused(back, name) or name.startswith("optimiser/"), name
    save_file(tensors | {"optimiser/x": torch.zeros(1), "optimiser/y/z": torch.zeros(1)}, path, note)
    assert refused(back, "optimiser/x")


def test_pocket(step: int, tmp_path: Path) -> None:
    files.write_json(tmp_path / "state.json", {"step": 3, "seconds": 1.5, "seen": 12, "fixed": {"batch": 4}})
    every(tmp_path / "state.json", lambda: read_state(tmp_path), step)
    (tmp_path / "log.jsonl").write_text('{"seen": 12, "val": {"cifar10": 0.5}}')
    every(tmp_path / "log.jsonl", lambda: read_log(tmp_path / "log.jsonl"), step)
    about = {"sha256": None, "shape": files_json(pocket.FOLDER / "pocket.json")["shape"], "mean": [0.5] * 3, "std": [0.2] * 3}
    files.write_json(tmp_path / "pocket.json", about | {"trained": ["a"], "spelt": ["0"]})
    every(tmp_path / "pocket.json", lambda: pocket.description(tmp_path), step)


def test_labels_of_loose_images(step: int, tmp_path: Path) -> None:
    pictures(1).open(0).save(tmp_path / "n01_a.png")
    files.write_json(tmp_path / "classes.json", {"n01": [0, "cat"], "n02": 1})
    every(tmp_path / "classes.json", lambda: known_labels(tmp_path, ["cat", "dog"]), step)


PLAN = """
title = "A plan"
model = "pocket"
data = ["mini:cifar10"]
seeds = 2
shots = { "mini:cifar10" = 5 }
noise = [0.1]
[[runs]]
method = "linear-probe"
preset = "uva-a1"
settings = { l2 = 0.1 }
grid = { normalise = ["l2", "none"], "solver+refit" = [["ridge", true]] }
[[published]]
data = "mini:cifar10"
method = "linear-probe"
top1 = 0.5
"""
TOML = ("nan", "inf", "-1", "0", "true", "1.5", '""', '"text"', "[]", "[[[]]]", "{}", "{ a = 1 }", "9" * 5000,
        "1979-05-27", "[" * 10_000)  # fmt: skip


def test_plans(tmp_path: Path) -> None:
    text, backbone, path = PLAN.replace('preset = "uva-a1"\n', ""), tiny_clip(), tmp_path / "plan.toml"

    def back() -> None:
        path_plan = plan.read(str(path))
        for part in path_plan.parts:
            for cell in part.cells():
                sweep.make(part, cell, backbone)
        [path_plan.shots_of(spec) for spec in path_plan.data]

    forms = ["", "[", "[" * 10_000, "runs = 3", "runs = []", "[runs]", "[[runs]]", "\x00", text + text, PLAN]
    forms.append("unknown = 1" + text)
    lines = text.splitlines()
    for number, line in enumerate(lines):
        forms.append("\n".join(lines[:number]))
        forms.append("\n".join(lines[:number] + lines[number + 1 :]))
        name, equals, _ = line.partition(" = ")
        if equals:
            forms += ["\n".join([*lines[:number], f"{name} = {wrong}", *lines[number + 1 :]]) for wrong in TOML]
            forms.append("\n".join([*lines[:number], line.replace(name, name + "s", 1), *lines[number + 1 :]]))
    fell = 0
    for form in forms:
        path.write_text(form)
        fell += refused(back, form[:500])
    path.write_bytes(b"\xff\xfe")
    assert refused(back, "no UTF-8")
    path.write_text(text)
    assert not refused(back, text)
    print(f"tampered: plan.toml {len(forms) + 1} refused {fell + 1}")
    assert fell > 100


def files_json(path: Path) -> Any:
    return json.loads(path.read_text())
