"""``coldframe compare`` to its end, as a user sees it: progress, table, verdict, the model, and the folder."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

import coldframe
from coldframe.report import Table


def test_a_fast_comparison_says_what_it_found_and_leaves_it_in_the_folder(
    fruit: Path, say: Callable[..., object], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    words = ["compare", "--fast", "--data", f"folder:{fruit}", "--methods", "linear-probe,knn", "--out", out]
    shown, progress = say(*words)
    results = json.loads((out / "results.json").read_text())
    rows = {row["method"]: row for row in results["rows"]}
    assert list(rows) == ["linear-probe", "knn"] and {row["seed"] for row in rows.values()} == {0}

    # Progress: the model, the data, the cold pass, a line a fit.
    about = results["about"]
    sizes = f"{about['train']} train, {about['val']} val, {about['test']} test, 3 classes"
    assert progress[0].startswith("pocket, 3.0 M parameters") and progress[0].endswith(f"folder:{fruit}: {sizes}")
    assert progress[1].startswith("cold pass: ") and "stored" in progress[1]
    fits = [line.strip() for line in progress if ", seed 0: top-1 " in line]
    expected = [f"{name}, seed 0: top-1 {100 * row['top1']:.1f}%" for name, row in rows.items()]
    assert [line.split(" · ")[0] for line in fits] == expected

    # The table: one line a method with the numbers of the file, the headline above.
    assert shown[0].startswith(f"pocket, 3.0 M parameters · fruit: {sizes} · ")
    head = next(number for number, line in enumerate(shown) if line.startswith("method "))
    columns = re.split(r"\s{2,}", shown[head].strip())
    assert columns[:3] == ["method", "top-1", "interval"] and columns[-1] == "saved"
    lines = {cells[0]: cells for cells in (re.split(r"\s{2,}", line.strip()) for line in shown[head + 1 : head + 3])}
    spoken = {"linear-probe": "linear probe", "knn": "nearest neighbours"}
    for name, row in rows.items():
        cells = dict(zip(columns, lines[spoken[name]], strict=True))
        assert cells["top-1"] == f"{100 * row['top1']:.1f}" and cells["per class"] == f"{100 * row['mean_per_class']:.1f}"
        assert cells["trained"] == f"{row['trainable_parameters']:,}"
    assert rows["linear-probe"]["trainable_parameters"] > rows["knn"]["trainable_parameters"] == 0

    # The verdict, and where the model lies.
    said = " ".join(shown[head + 3 :])
    verdict = re.search(r"Verdict: (.*?)\s*(?:Note:|model:)", said)
    assert verdict is not None and " ".join(verdict[1].split()) == " ".join(results["verdict"].split())
    assert shown[-1] == f"report: {out / 'report.html'}" and shown[-2].endswith(f"coldframe predict PHOTOS --run {out}")
    assert f"model: {out / 'best'}" in shown[-3]
    assert {"best", "fits", "figures", "report.html", "results.csv", "results.json", "results.md"} <= {
        path.name for path in out.iterdir()
    }
    assert coldframe.load(out).name == results["handed"]["method"]
    assert (out / "results.csv").read_text().count("\n") == 1 + len(rows)


def test_fast_is_one_seed_of_twenty_images_and_four_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, object] = {}

    class Enough(Exception):
        pass

    def run(methods: object, spec: str, **words: object) -> None:
        asked.update(words)
        raise Enough

    monkeypatch.setattr("coldframe.verbs.compare.compare", run)
    from coldframe.cli.compare import compare

    def settings(**words: object) -> tuple[object, ...]:
        with pytest.raises(Enough):
            compare(data=["mini:mnist"], json=True, **words)  # type: ignore[arg-type]
        return asked["seeds"], asked["shots"], asked["epochs"], asked["margin"]

    assert settings() == (3, None, None, 0.01)
    assert settings(fast=True) == (1, 20, 4, 0.01)
    assert settings(fast=True, shots=5, epochs=2, margin=2.5) == (1, 5, 2, 0.025)


def test_several_data_sets_have_a_folder_and_a_share_of_the_budget_each(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    asked: list[tuple[str, dict[str, Any]]] = []
    looked: list[Sequence[str]] = []

    def run(methods: object, spec: str, **words: Any) -> Table:
        asked.append((spec, words))
        return Table([{"method": "knn", "model": "pocket", "data": spec, "top1": 0.5, "n": 10}])

    monkeypatch.setattr("coldframe.verbs.compare.compare", run)
    monkeypatch.setattr("coldframe.verbs.look_ahead.look_ahead", lambda specs, *_, **__: looked.append(specs))
    monkeypatch.setattr("coldframe.backbones.load_backbone", lambda name, **_: f"loaded {name}")
    monkeypatch.setattr("coldframe.report.save_report", lambda table, folder: folder)
    from coldframe.cli.compare import compare

    two = ["mini:mnist", "mini:cifar10"]
    compare(data=two, model=["a"], out=tmp_path, budget="1000s", margin=3.0, device="cpu")
    shown = capsys.readouterr().out.splitlines()
    assert looked == [two] and [words["out"] for _, words in asked] == [tmp_path / "mini-mnist", tmp_path / "mini-cifar10"]
    first, second = (words["budget"] for _, words in asked)
    assert (first.held, second.held) == (5.0, 5.0) and second.seconds == 1000.0
    assert 0 < 970.0 / 2 - first.seconds < 60 and all(words["model"] == ["loaded a"] for _, words in asked)
    assert asked[0][1]["margin"] == 0.03 and asked[0][1]["epochs"] is None
    assert [line for line in shown if line.startswith("report: ")] == [f"report: {tmp_path / 'report.html'}"]
    assert sum(line.startswith("Verdict: ") for line in shown) == 2
    compare(data=["mini:mnist"], out=tmp_path, device="cpu")
    assert capsys.readouterr().out.splitlines()[-1] == f"report: {tmp_path / 'report.html'}" and len(looked) == 1
    assert asked[-1][1]["out"] == tmp_path and asked[-1][1]["budget"] is None and asked[-1][1]["model"] == ["pocket"]
    compare(budget="1000s", json=True, device="cpu")
    assert json.loads(capsys.readouterr().out)["rows"][0]["data"] == "mini:caltech7"
    assert (asked[-1][0], asked[-1][1]["epochs"], asked[-1][1]["budget"].held) == ("mini:caltech7", 6, 0.0)
    compare(fast=True, device="cpu", json=True)
    assert (asked[-1][0], asked[-1][1]["epochs"], asked[-1][1]["attack_eps"]) == ("mini:caltech7", 4, None)
    compare(epochs=9, device="cpu", json=True, fit_="pad")
    assert asked[-1][1]["epochs"] == 9 and asked[-1][1]["model"] == ["loaded pocket"]
    capsys.readouterr()
    compare(data=two, only="1/2", out=tmp_path, device="cpu", json=True)
    assert capsys.readouterr().out == "" and asked[-1][1]["only"] == (1, 2)
