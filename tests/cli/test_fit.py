"""``coldframe fit METHOD``: the flags are the method's own constructor, with its own words."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas
import pytest
from PIL import Image

from coldframe.cli import main


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit) as stopped:
        main(list(words))
    assert not stopped.value.code
    return capsys.readouterr().out


def test_help_is_the_constructors(capsys: pytest.CaptureFixture[str]) -> None:
    assert "linear-probe" in printed(capsys, "fit", "--help")
    text = " ".join(printed(capsys, "fit", "linear-probe", "--help").split())
    assert "--solver" in text and "logistic, ridge" in text and "closed form" in text
    assert "--augment" in printed(capsys, "fit", "fine-tune", "--help")


def test_fit_saves_what_evaluate_and_predict_read(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    for label, name in enumerate(("red", "green")):
        (tmp_path / "data" / name).mkdir(parents=True)
        for number in range(10):
            picture = generator.integers(0, 120, (40, 40, 3), dtype=np.uint8)
            picture[..., label] += 100
            Image.fromarray(picture).save(tmp_path / "data" / name / f"{number}.png")
    data, run = str(tmp_path / "data"), str(tmp_path / "run")
    row = json.loads(printed(capsys, "fit", "linear-probe", "--data", data, "--out", run, "--l2", "0.001", "--json"))
    assert row["method"] == "linear-probe" and row["top1"] == 1.0
    assert json.loads((tmp_path / "run" / "adaptation.json").read_text())["config"]["l2"] == 0.001
    again = json.loads(printed(capsys, "evaluate", run, "--data", data, "--json"))
    assert again["top1"] == row["top1"] and again["ece"] == pytest.approx(row["ece"])
    found = json.loads(printed(capsys, "predict", "--run", run, "--json", "--top", "1", str(tmp_path / "data" / "green")))
    assert len(found) == 10 and {entry["top"][0]["class"] for entry in found} == {"green"}
    for where, more in ((run, " in place of the run that was there"), (str(tmp_path / "other"), "")):
        assert printed(capsys, "fit", "knn", "--data", data, "--out", where).endswith(f"saved: {where}{more}\n")


def test_base_to_new(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    for name in ("cat", "dog", "boat", "tree"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for number in range(8):
            picture = Image.fromarray(generator.integers(0, 255, (40, 40, 3), dtype=np.uint8))
            picture.save(tmp_path / "data" / name / f"{number}.png")
    words = ["fit", "text-prompt", "--data", str(tmp_path / "data"), "--out", str(tmp_path / "run"), "--model", "pocket/random"]
    found = json.loads(printed(capsys, *words, "--epochs", "1", "--base-to-new", "--json"))
    assert [entry["method"] for entry in found] == ["text-prompt", "zero-shot"]
    assert found[0].keys() == {"method", "base", "new", "harmonic_mean"}
    assert json.loads((tmp_path / "run" / "adaptation.json").read_text())["classes"] == ["boat", "cat"]


def test_every_shared_option_says_what_it_does_and_lists_have_no_empty_twin(capsys: pytest.CaptureFixture[str]) -> None:
    from coldframe.cli.fit import EVERY

    with pytest.raises(SystemExit):
        main(["fit", "pixel-prompt", "--help"])
    said = " ".join(capsys.readouterr().out.replace("│", " ").split())
    for name, line in EVERY.items():
        assert f"--{name.rstrip('_').replace('_', '-')}" in said and line[:40] in said, name
    assert "--empty-" not in said


def test_sets_that_hold_the_true_class_stand_in_the_file_as_they_are_printed(
    capsys: pytest.CaptureFixture[str], fruit: Path, tmp_path: Path
) -> None:
    run, pictures = str(tmp_path / "run"), str(fruit / "apple")
    printed(capsys, "fit", "ridge", "--data", str(fruit), "--model", "pocket", "--out", run, "--json")
    shown = json.loads(printed(capsys, "predict", pictures, "--run", run, "--conformal", "0.5", "--json"))
    for ending in ("csv", "jsonl", "parquet"):
        out = tmp_path / f"answers.{ending}"
        printed(capsys, "predict", pictures, "--run", run, "--conformal", "0.5", "--out", str(out))
        rows = {
            "csv": lambda path: pandas.read_csv(path, keep_default_na=False),
            "jsonl": lambda path: pandas.read_json(path, lines=True),
            "parquet": pandas.read_parquet,
        }[ending](out)
        assert list(rows.columns) == ["path", "class", "probability", "set"]
        assert list(rows["set"]) == ["|".join(one["set"]) for one in shown] and any(rows["set"])


def test_without_a_method_the_methods_are_listed_and_what_is_said_of_one_is_its_own(
    capsys: pytest.CaptureFixture[str],
) -> None:
    from coldframe.cli.fit import fit, method_app
    from coldframe.errors import InputError

    fit("-h")
    listed = capsys.readouterr().out
    with pytest.raises(InputError, match="expected the name of a method"):
        fit()
    assert capsys.readouterr().out == listed and listed.startswith("Usage: coldframe fit METHOD")
    shards = {name: "--shard-weights" in printed(capsys, "fit", name, "--help") for name in ("fine-tune", "knn")}
    assert shards == {"fine-tune": True, "knn": False}
    text = printed(capsys, "fit", "knn", "--help")
    assert text.startswith("Usage: coldframe fit knn ") and "--version" not in text and "--help" not in text.partition("\n")[2]
    assert text.index("Settings of knn") > text.index("Parameters")
    assert method_app("knn").version_flags == ()


def test_a_preset_gives_what_is_not_said_and_the_seed_is_the_methods(
    capsys: pytest.CaptureFixture[str], fruit: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[object] = []

    def fit_one(method: object, *rest: object, **words: object) -> None:
        made.append((method.config(), words))  # type: ignore[attr-defined]

    monkeypatch.setattr("coldframe.verbs.fit.fit_one", fit_one)
    words = ("--data", str(fruit), "--out", str(tmp_path / "x"), "--model", "pocket/random")
    assert printed(capsys, "fit", "fine-tune", *words, "--seed", "7", "--refit", "--tensorboard") == ""
    assert printed(capsys, "fit", "knn", *words, "--k", "3") == ""
    (tune, more), (knn, _) = made  # type: ignore[misc]
    assert tune["seed"] == 7 and (more["refit"], more["tensorboard"]) == (True, True)
    assert knn["k"] == 3 and "seed" not in knn
