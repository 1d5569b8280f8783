"""``train cnn``: the files it writes, its flags and its sentences."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from drawn import same_text

from coldframe.cli import main
from coldframe.errors import InputError
from coldframe.foundations.convnet import study
from coldframe.foundations.convnet.fitting import BETTER, COURSE, Fit
from coldframe.foundations.convnet.networks import build
from coldframe.foundations.convnet.study import cnn


def test_the_folder_holds_numbers_figures_checkpoints_and_a_page_that_stands_alone(tmp_path: Path, folder: str) -> None:
    out = tmp_path / "out"
    asked = {"network": ("plain", "batch-norm"), "seeds": 2, "epochs": 1, "batch": 20}
    found = cnn(data=folder, out=out, **asked)  # type: ignore[arg-type]
    written = json.loads((out / "results.json").read_text())
    assert written == json.loads(json.dumps(found.results()))
    single, means = written["rows"][:4], written["rows"][4:]
    assert [(row["model"], row["seed"]) for row in single] == [("plain", 0), ("plain", 1), ("batch-norm", 0), ("batch-norm", 1)]
    assert single[0]["trainable_parameters"] == 60_810 - 7 * 65 and single[0]["n"] == 24 and single[0]["train_n"] == 60
    assert means[1]["mean"]["top1"] == pytest.approx((single[2]["top1"] + single[3]["top1"]) / 2)
    drawn = {f"{name}.{kind}" for name in ("curves", "filters-plain", "filters-batch-norm") for kind in ("png", "svg")}
    assert {path.name for path in out.iterdir() if path.is_file()} == {"results.json", "report.html"} | drawn
    page = (out / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 3 and "://" not in page
    again = cnn(data=folder, out=out, **asked)  # type: ignore[arg-type]
    assert [row["top1"] for row in again.rows] == [row["top1"] for row in found.rows]
    assert [fit.train_loss for fit in again.fits["plain"]] == [fit.train_loss for fit in found.fits["plain"]]


def test_the_command_runs_again_from_its_own_words(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    def run(words: list[str]) -> dict:
        with pytest.raises(SystemExit) as caught:
            main([*words, "--json"])
        assert not caught.value.code
        return json.loads(capsys.readouterr().out)

    words = f"train cnn --data {folder} --network better --width 8 --width 8 --epochs 1 --no-flip --hold-out 0.1"
    words += " --optimiser radam --lr 0.01"
    first = run(words.split())
    again = run(first["command"].split()[1:])
    assert again["command"] == first["command"] and again["rows"][0]["top1"] == first["rows"][0]["top1"]
    assert first["rows"][0]["data"] == folder and first["rows"][0]["val_n"] == 6
    assert first["settings"]["better"]["widths"] == [8, 8] and first["settings"]["better"]["flip"] is False


def test_little_data_is_seen_more_often(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study, "LEAST_SEEN", 700)
    found = study.cnn(data=folder, network=("better",), width=(8,), batch=20, lr=0.2, test_views=1)
    assert found.settings["better"].epochs == 12 and len(found.fits["better"][0].train_loss) == 12
    assert found.rows[0]["top1"] > 0.6 and "whitening filters" in str(found) and "Kaiming" not in str(found)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"seeds": 0}, "expected 1 seed or more"),
        ({"hold_out": 1.0}, "expected a share to hold out"),
        ({"network": ("plan",)}, "unknown network 'plan'; did you mean 'plain'"),
        ({"epochs": 0}, "expected epochs to be a whole number from 1 to 100,000"),
        ({"optimiser": "adamm"}, "found 'adamm'; did you mean 'adam'"),
        ({"lr": -1.0}, "expected lr to be a number above 0"),
    ],
)
def test_settings_that_mean_nothing_are_one_sentence(wrong: dict, sentence: str, tmp_path: Path, folder: str) -> None:
    with pytest.raises(InputError, match=sentence):
        cnn(data=folder, out=tmp_path / "out", **wrong)
    assert not (tmp_path / "out" / "results.json").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_one_sentence() -> None:
    with pytest.raises(InputError, match="expected a GPU for --device cuda, found none"):
        cnn(device="cuda")


def test_what_is_said_is_what_it_was() -> None:
    counts, said = np.array([[3, 1, 0], [0, 4, 0], [0, 2, 2]]), []
    for names, seeds, held, seconds, smoothing, flip in (
        (("plain", "batch-norm"), 1, 0, 119.9, 0.0, True), (("plain", "better"), 2, 6, 120.0, 0.2, True),
        (("better",), 1, 0, 0.0, 0.0, False),
    ):  # fmt: skip
        fits, settings, rows = {}, {}, []
        for name in names:
            preset = replace(BETTER if name == "better" else COURSE, network=name, label_smoothing=smoothing, flip=flip)
            network = build(name, 3, widths=(4, 4), whitening=torch.zeros(24, 3, 2, 2))
            settings[name] = replace(preset, test_views=1 + (seeds == 2))
            fits[name] = [
                Fit(network, seed, network.first.detach(), seconds, [2.0, 1.0 - 0.25 * seed]) for seed in range(seeds)
            ]
            about = {"train_n": 600, "val_n": held, "precision": "fp32", "data": "mini:cifar10"}
            rows += [study._row(run, settings[name], counts) | about for run in fits[name]]
        found = study.Study("", "mini:cifar10", study._origin("made by hand; val: a tenth", 0.1 * held), fits, settings, rows,
                            {"device": "cpu", "threads": 2})  # fmt: skip
        row = {name: value for name, value in rows[-1].items() if value is not None}
        said += [str(found), f"{row}", *(f"{name}: {caption}" for name, (caption, _) in found.figures().items())]
    same_text(__file__, "study", "\n".join(said) + "\n")


def test_commands_name_what_is_not_usual() -> None:
    found = [
        study._command("a b", ("plain",), {}, BETTER.widths, 0.0, 1, "cpu", "fp32"),
        study._command("mini:mnist", ("better",), {"epochs": 3}, (8, 8), 0.1, 2, "cuda", "bf16"),
        study._command("mini:mnist", ("plain",), {"flip": False}, (8, 8), 0.1, 2, "cpu", "fp32"),
    ]
    same_text(__file__, "commands", "\n".join(found) + "\n")


def test_every_network_sees_forty_thousand_pictures() -> None:
    assert [study._long_enough(BETTER, n).epochs for n in (3_999, 4_000, 50_000)] == [11, 10, 10]


def test_lines_are_written_over_each_other_on_a_terminal_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for live in (False, True):
        monkeypatch.setattr("sys.stderr.isatty", lambda live=live: live)
        say = study._say("CNN")
        say("epoch 1/2  66%, loss 1")
        say("epoch 1/2 100%, loss 1")
    lines = "CNN: epoch 1/2 100%, loss 1\n", "\r\x1b[KCNN: epoch 1/2  66%, loss 1", "\r\x1b[KCNN: epoch 1/2 100%, loss 1\n"
    assert capsys.readouterr().err == "".join(lines)
