"""``coldframe compare`` to its end, as a user sees it: progress, table, verdict, the model, and the folder."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

import coldframe


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
