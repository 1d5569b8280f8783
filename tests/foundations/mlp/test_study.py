"""``train mlp``: the files it writes, its flags and its sentences, and what the course's defaults reach."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from drawn import same_text

from coldframe.cli import main
from coldframe.errors import DataError, InputError
from coldframe.foundations.mlp import MLP, study
from coldframe.foundations.mlp.fitting import Fit, Settings
from coldframe.foundations.mlp.study import mlp


def test_the_folder_holds_numbers_figures_and_a_page_that_stands_alone(tmp_path: Path) -> None:
    found = mlp(data="mini:mnist", seeds=2, epochs=2, hidden=(16, 8), batch_norm=True, out=tmp_path / "out")
    written = json.loads((tmp_path / "out" / "results.json").read_text())
    assert written == json.loads(json.dumps(found.results()))
    first, second, mean = written["rows"]
    assert first["model"] == "mlp-16-8-bn" and first["n"] == 1000 and first["split"] == "test" and first["chosen_on"] == "val"
    assert mean["mean"]["top1"] == pytest.approx((first["top1"] + second["top1"]) / 2) and "top1" in mean["ci95"]
    assert first["stored_bytes"] >= 4 * first["trainable_parameters"] > 10_000
    assert len(written["curves"]) == 2 and len(written["curves"][0]["val_loss"]) == 2
    assert sum(map(sum, written["confusion"][0])) == 1000 and len(written["per_class"][0]["f2"]) == 10
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "results.json", "report.html", "curves.png", "curves.svg", "confusion.png", "confusion.svg",
    }  # fmt: skip
    page = (tmp_path / "out" / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 2 and "://" not in page and "precision" in page
    assert "2 seeds" in str(found)


def test_the_command_runs_again_from_its_own_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def run(words: list[str]) -> dict:
        with pytest.raises(SystemExit) as caught:
            main([*words, "--json"])
        assert not caught.value.code
        return json.loads(capsys.readouterr().out)

    words = "train mlp --engine torch --hidden 12 --hidden 6 --batch-norm --epochs 1 --momentum 0.9 --schedule cosine"
    first = run(words.split())
    again = run(first["command"].split()[1:])
    assert first["rows"][0]["data"] == "mini:cifar10" and first["rows"][0]["model"] == "mlp-12-6-bn"
    assert again["command"] == first["command"] and again["confusion"] == first["confusion"]


def test_engines_agree_on_pictures() -> None:
    ours, theirs = (mlp(linear=True, epochs=1, lr=0.01, engine=engine) for engine in ("numpy", "torch"))  # type: ignore[arg-type]
    assert ours.rows[0]["model"] == "mlp" and ours.rows[0]["trainable_parameters"] == 30730
    assert ours.fits[0].train_loss == pytest.approx(theirs.fits[0].train_loss, rel=1e-4)
    assert ours.rows[0]["top1"] == pytest.approx(theirs.rows[0]["top1"], abs=0.005)


@pytest.mark.parametrize("wrong", [{"engine": "nunpy"}, {"seeds": 0}, {"epochs": 0}, {"hidden": (0,)}, {"lr": -1.0}])
def test_settings_that_mean_nothing_are_one_sentence(wrong: dict) -> None:
    with pytest.raises(InputError, match=r"unknown engine 'nunpy'; did you mean 'numpy'|expected"):
        mlp(data="mini:mnist", **wrong)


def test_a_batch_of_one_with_batch_norm_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected a batch of 2 or more for batch normalisation"):
        mlp(batch=1, batch_norm=True, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_missing_data_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        mlp(data=f"parquet:{tmp_path / 'none'}")


@pytest.mark.slow
@pytest.mark.shared_data
def test_the_courses_defaults_reach_what_the_course_says(shared_data: Path) -> None:
    assert mlp(data=f"parquet:{shared_data / 'cifar10'}").rows[0]["top1"] >= 0.46


def test_what_must_be_in_memory_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights and gradients, a batch's values with theirs, in bytes of float32."""
    asked: list[tuple[str, int, float]] = []
    monkeypatch.setattr(study, "check_fits", lambda name, value, needs, **about: asked.append((name, value, needs(value))))
    study._check_memory(10, (4, 8), 3, 5)
    weights = 2 * (10 * 4 + 4 * 8 + 8 * 3)
    assert asked == [
        ("a hidden width", 8, 4 * (weights + 10 + 2 * (4 + 8 + 3))), ("a batch", 5, 4 * (weights + 5 * (10 + 2 * (4 + 8 + 3)))),
    ]  # fmt: skip
    asked.clear()
    study._check_memory(10, (), 3, 5)
    assert asked == [("a batch", 5, 4 * (2 * 30 + 5 * (10 + 6)))]


def test_what_is_said_is_what_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "3")
    assert study._machine()["threads"] == 3
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "many")
    assert study._machine()["threads"] == os.cpu_count()
    monkeypatch.delenv("OPENBLAS_NUM_THREADS")
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert study._machine()["threads"] == 2
    counts, settings, said = (
        [np.array([[3, 1, 0], [0, 4, 0], [0, 2, 0]]), np.array([[2, 2, 0], [1, 3, 0], [2, 0, 0]])],
        Settings(epochs=2),
        [],
    )
    for hidden, batch_norm, seeds in (((4, 3), True, 2), ((), True, 1)):
        runs = []
        for seed in range(seeds):
            runs.append(Fit(MLP(6, hidden, 3, batch_norm=batch_norm, dtype=np.float32), 1 + seed, 1.23456))
            runs[-1].val_top1, runs[-1].val_loss = [0.5 - 0.25 * seed, 0.25 + 0.25 * seed], [1.0, 2.0 - seed]
            runs[-1].train_loss, runs[-1].train_top1 = [2.0, 1.0], [0.25, 0.5]
        rows = [study._row("mini:mnist", "numpy", seed, run, counts[seed], settings) for seed, run in enumerate(runs)]
        command = study._command("mini:mnist", "numpy", hidden, batch_norm, settings, seeds)
        found = study.Study(command, "made by hand", ("a", "b", "c"), runs, counts[:seeds], rows, {"threads": 1})
        row = {name: value for name, value in rows[0].items() if value is not None}
        said += [
            command,
            str(found),
            f"best {found.best}",
            f"{row}",
            f"{len(found.results()['rows'])} rows",
            *found.figures()["confusion"][:1],
        ]
    same_text(__file__, "study", "\n".join(said) + "\n")
