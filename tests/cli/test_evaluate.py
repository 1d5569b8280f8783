"""``coldframe evaluate``: a saved run on other data, under noise, corruptions and attack, and on a union of labels."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from fakes import TinyBackbone, tiny_clip
from matplotlib.colors import to_hex
from PIL import Image

from coldframe import methods
from coldframe.cli import main
from coldframe.cold import ColdPass, Store
from coldframe.data import load_dataset
from coldframe.methods.knn import NearestNeighbours
from coldframe.methods.linear_probe import LinearProbe
from coldframe.methods.zero_shot import ZeroShot
from coldframe.report.figures.style import PALETTE
from coldframe.verbs.evaluate import union_figure


def folder(path: Path, names: tuple[str, ...], n: int = 10) -> str:
    generator = np.random.default_rng(len(names))
    for label, name in enumerate(names):
        (path / name).mkdir(parents=True)
        for number in range(n):
            picture = generator.integers(0, 120, (24, 24, 3), dtype=np.uint8)
            picture[..., label % 3] += 100
            Image.fromarray(picture).save(path / name / f"{number}.png")
    return str(path)


@pytest.fixture
def data(tmp_path: Path) -> str:
    return folder(tmp_path / "colours", ("red", "green"))


@pytest.fixture
def probe(tmp_path: Path, data: str, monkeypatch: pytest.MonkeyPatch) -> str:
    backbone, dataset = TinyBackbone(width=8), load_dataset(data)
    LinearProbe(backbone, l2=0.001).fit(dataset.train, dataset.val, cold=ColdPass(Store(tmp_path))).save(tmp_path / "probe")
    monkeypatch.setattr(methods, "load_backbone", lambda name, **_: backbone)
    return str(tmp_path / "probe")


def evaluate(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit) as stopped:
        main(["evaluate", *words])
    caught = capsys.readouterr()
    assert not stopped.value.code, caught.err
    return caught.out


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit) as stopped:
        main(["evaluate", *words])
    assert stopped.value.code == 2
    return capsys.readouterr().err


def test_noise_and_corruptions_of_a_saved_run(
    probe: str, data: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    text = evaluate(capsys, probe, "--data", data, "--noise", "0,0.1", "--noise", "5", "--corruptions", "--out", str(out))
    assert "noise (normalised, 4 images)  clean: 100.00%   0.1: " in text
    assert "corruptions  mean " in text and "(the same 4 images clean 100.00%)" in text and "impulse-noise " in text
    row = json.loads((out / "results.json").read_text())["rows"][0]
    assert row["top1"] == row["noise"]["top1"]["0"] == 1.0 and row["noise_top1"] == row["noise"]["top1"]["0.1"]
    assert row["noise"]["top1"]["5"] < 1.0 and row["noise"]["n"] == row["n"] == 4
    for name in ("robustness_gaussian_noise.png", "robustness_corruptions.svg", "robustness_by_corruption.png"):
        assert (out / "figures" / name).stat().st_size > 1000
    page = (out / "report.html").read_text()
    assert "When the images get worse" in page and "the same noise for every method" in page


def test_the_page_says_what_the_run_learned_from(
    probe: str, data: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Not what the data here would offer: a run of a few shots, or of other data, learned from other images."""
    run, mine = Path(probe), load_dataset(data)
    about = json.loads((run / "adaptation.json").read_text())
    assert about["choices"]["images"] == {"train": len(mine.train), "val": len(mine.val)}
    about["choices"]["images"] = {"train": 5, "val": 3}  # as of a run of few shots
    few = tmp_path / "few"
    shutil.copytree(run, few)
    (few / "adaptation.json").write_text(json.dumps(about))
    evaluate(capsys, str(few), "--data", data, "--out", str(tmp_path / "out"))
    page = (tmp_path / "out" / "report.html").read_text()
    assert f"5 train, 3 val, {len(mine.test)} test" in page and "learned from 5 images and chose on 3" in page
    evaluate(capsys, str(few), "--data", data, "--split", "train", "--out", str(tmp_path / "train"))
    page = (tmp_path / "train" / "report.html").read_text()
    assert "5 train, 3 val, 2 classes" in page and f"train images of folder:{data}, {len(mine.train)} in all" in page
    del about["choices"]["images"]
    (few / "adaptation.json").write_text(json.dumps(about))
    evaluate(capsys, str(few), "--data", data, "--out", str(tmp_path / "older"))
    assert " train, " not in (tmp_path / "older" / "report.html").read_text()


def test_robust_accuracy_of_a_saved_run(probe: str, data: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out, words = tmp_path / "out", [probe, "--data", data, "--split", "train", "--attack", "pgd", "--disturbed", "8"]
    text = evaluate(capsys, *words, "--eps", "0,2/255", "--eps", "80/255", "--steps", "6", "--restarts", "2", "--out", str(out))
    assert "attack (PGD, 6 steps, 8 images)  clean: 100.00%   2/255: " in text and "80/255: 0.00%" in text
    row = json.loads((out / "results.json").read_text())["rows"][0]
    assert row["robust_top1"] == row["attack"]["top1"]["80/255"] == 0 and row["fooled"] == 1
    assert (row["attack"]["steps"], row["attack"]["restarts"], row["attack"]["n"]) == (6, 2, 8)
    assert (out / "figures" / "robustness_under_attack.png").stat().st_size > 1000
    assert "attacked 80/255" in (out / "report.html").read_text()
    usual = json.loads(evaluate(capsys, *words, "--json"))
    assert usual["attack"]["eps"] == "4/255" and usual["attack"]["steps"] == 20 and list(usual["attack"]["top1"]) == ["4/255"]


def test_neighbours_cannot_be_attacked(
    tmp_path: Path, data: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    backbone, dataset = TinyBackbone(width=8), load_dataset(data)
    NearestNeighbours(backbone).fit(dataset.train, dataset.val, cold=ColdPass(Store(tmp_path))).save(tmp_path / "knn")
    monkeypatch.setattr(methods, "load_backbone", lambda name, **_: backbone)
    said = refused(capsys, str(tmp_path / "knn"), "--data", data, "--attack", "pgd")
    assert "knn cannot be attacked: its votes have no gradient" in said and said.count("\n") == 1


def test_json_is_the_row_alone_and_spaces_differ(probe: str, data: str, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        json.loads(evaluate(capsys, probe, "--data", data, "--noise", "0.6", "--space", space, "--split", "train", "--json"))
        for space in ("normalised", "pixel")
    ]
    assert [row["noise"]["space"] for row in rows] == ["normalised", "pixel"] and rows[0]["latency_ms"] > 0
    assert "corruption_top1" not in rows[0] or rows[0]["corruption_top1"] is None


def test_a_union_of_labels(
    tmp_path: Path, data: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clip, other = tiny_clip(), folder(tmp_path / "beasts", ("cow", "pig", "hen"))
    ZeroShot(clip).for_classes(("green", "red")).save(tmp_path / "named")
    monkeypatch.setattr(methods, "load_backbone", lambda name, **_: clip)
    text = evaluate(capsys, str(tmp_path / "named"), "--data", f"{data}+{other}", "--out", str(tmp_path / "out"))
    assert "colours: alone " in text and "taken for beasts " in text and "(3 classes, 6 images)" in text
    row = json.loads((tmp_path / "out" / "results.json").read_text())["rows"][0]
    assert [part["name"] for part in row["parts"]] == ["colours", "beasts"] and row["n"] == 10
    assert (tmp_path / "out" / "figures" / "union.png").exists()


def test_what_cannot_be_done_is_one_sentence(probe: str, data: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    other = folder(tmp_path / "beasts", ("cow", "pig", "hen"))
    for words, expected in (
        (["--data", f"{data}+{other}"], "expected a method that has learned the 5 classes of colours + beasts"),
        (["--data", other], "expected a class of the data among the 2 that linear-probe learned, found none"),
        (["--data", data, "--noise", "-0.1"], "0 or more, found -0.1"),
        (["--data", data, "--noise", "loud"], "such as 0,0.05,0.1, found 'loud'"),
        (["--data", data, "--noise", "0.1", "--disturbed", "0"], "expected a whole number from 1 to 1,000,000,000, found 0"),
        (["--data", data, "--space", "pixels"], "pixel"),
        (["--data", data, "--attack", "pgd", "--eps", "4"], "write 4/255"),
        (["--data", data, "--attack", "pgd", "--eps", "0"], "at least one eps above 0"),
        (["--data", data, "--attack", "pgd", "--eps", "-1/255"], "found -0.00392"),
        (["--data", data, "--attack", "pgd", "--steps", "0"], "--steps: expected a whole number from 1 to 10,000, found 0"),
        (["--data", data, "--eps", "4/255"], "add --attack pgd"),
    ):
        said = refused(capsys, probe, *words)
        assert expected in said and said.count("\n") == 1, said


def test_compare_takes_the_same_flags(capsys: pytest.CaptureFixture[str], data: str) -> None:
    for words, expected in (
        (["--noise", "0.1,loud"], "found 'loud'"),
        (["--noise", "0.1", "--disturbed", "0"], "--disturbed: expected a whole number from 1"),
        (["--attack-eps", "0,4"], "write 4/255"),
        (["--attack-eps", "-1/255"], "found -0.00392"),
    ):
        with pytest.raises(SystemExit) as stopped:
            main(["compare", "--data", data, "--space", "pixel", "--corruptions", *words])
        said = capsys.readouterr().err
        assert stopped.value.code == 2 and expected in said and said.count("\n") == 1, said


def test_the_figure_of_a_union_has_three_kinds_of_bars() -> None:
    first = SimpleNamespace(name="a", alone=0.9, union=0.8, taken={"b": 0.125})
    scores: Any = [first, SimpleNamespace(name="b", alone=0.5, union=0.25, taken={})]
    axes: Any = union_figure(scores, "T").axes[0]
    names = ["a: alone", "a: in the union", "a: taken for b", "b: alone", "b: in the union"]
    assert [label.get_text() for label in axes.get_yticklabels()] == names
    assert [bar.get_width() for bar in axes.patches] == [90, 80, 12.5, 50, 25]
    assert [text.get_text() for text in axes.texts] == ["90.0", "80.0", "12.5", "50.0", "25.0"]
    colours = [to_hex(bar.get_facecolor()).upper() for bar in axes.patches]
    assert colours == [PALETTE[place] for place in (6, 0, 1, 6, 0)]


def test_options_of_an_attack_need_an_attack_and_have_usual_values(
    probe: str, data: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []

    class Enough(Exception):
        pass

    def measured(method: object, dataset: object, split: str, *, asked: Any, **more: Any) -> None:
        seen.append((split, asked, more["cold"].batch_size))
        raise Enough

    monkeypatch.setattr("coldframe.verbs.evaluate.measure_run", measured)
    from coldframe.cli.evaluate import evaluate as verb

    for words, expected in (
        ({}, (False, 20, 1)), ({"attack": "pgd"}, (True, 20, 1)), ({"attack": "pgd", "steps": 3, "restarts": 2}, (True, 3, 2)),
    ):  # fmt: skip
        with pytest.raises(Enough):
            verb(Path(probe), data=data, device="cpu", **words)  # type: ignore[arg-type]
        split, disturbances, batch = seen[-1]
        assert (bool(disturbances.eps), disturbances.steps, disturbances.restarts) == expected
        assert (split, batch) == ("test", 64)
    for name in ("steps", "restarts"):
        assert "add --attack pgd" in refused(capsys, probe, "--data", data, f"--{name}", "1")
