"""What several verbs parse and print alike."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from coldframe.cli import common
from coldframe.errors import ColdframeError, InputError

ROW = {"method": "knn", "model": "pocket", "data": "mini:mnist", "split": "test", "n": 1234, "trainable_parameters": 5678}


def test_names_come_by_commas_or_by_repeating_and_none_is_not_nothing(tmp_path: Path) -> None:
    assert common.names(None) is None and common.class_names(None) is None
    assert common.names(["a, b,", "c"]) == ["a", "b", "c"] and common.names([]) == []
    (tmp_path / "names.txt").write_text("red\n\n green \n")
    assert common.class_names(str(tmp_path / "names.txt")) == ["red", "green"]
    assert common.class_names("red, ,green") == ["red", "green"]


def test_settings_are_json_where_they_can_be() -> None:
    found = common.settings(["a.b-c=1", "a.d=x", "x.py:N.e=[1]", "a.f=", "a.g=1e3"])
    assert found == {"a": {"b_c": 1, "d": "x", "f": "", "g": 1000.0}, "x.py:N": {"e": [1]}}
    for wrong in ("a.b", "a=1", ".b=1", "a.=1", "=1"):
        with pytest.raises(InputError, match="expected --set METHOD"):
            common.settings([wrong])


@pytest.mark.parametrize(("here", "usual"), [(True, "cuda"), (False, "cpu")])
def test_a_device_is_the_gpu_where_there_is_one(here: bool, usual: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: here)
    assert common.device_name(None) == usual and common.device_name("cpu") == "cpu"
    with pytest.raises(InputError, match="expected cpu, cuda, cuda:N or mps for --device, found 'meta'"):
        common.device_name("meta")


def test_the_cold_pass_is_as_the_options_say() -> None:
    assert common.cold_pass("bf16", None, 8).budget is None
    found = common.cold_pass("fp32", 1.5, 8, "folded")
    assert (found.storage, found.budget, found.batch_size) == ("fp32", 1_500_000_000, 8)


def test_what_could_not_be_finished_is_refused_with_how_many_more() -> None:
    common.refuse([])
    for count, more in ((1, ""), (2, " (and 1 more)"), (1002, " (and 1,001 more)")):
        with pytest.raises(ColdframeError) as caught:
            common.refuse(["a, seed 0, was not finished"] * count)
        rest = "; all other fits were finished and stand in the table"
        assert str(caught.value) == f"a, seed 0, was not finished{more}{rest}"


def test_help_is_plain_text_and_each_argument_a_sentence() -> None:
    doc = "One\n``line``.\n\nTwo :class:`~a.B`.\n\nArgs:\n    n: how many\n        of them.\n    m: Kept.\n"
    assert common.plain(doc) == "One line.\n\nTwo a.B.\n\nArgs:\n    n: How many of them.\n    m: Kept.\n"
    assert common.plain("One\nline.") == "One line."


def test_files_that_were_left_out_are_named_up_to_five(capsys: pytest.CaptureFixture[str]) -> None:
    for count in (0, 5, 6):
        common.say_left_out({f"{i}.png": "no image" for i in range(count)})
    said = capsys.readouterr()
    assert not said.out
    assert [line.partition("(")[2] for line in said.err.splitlines()] == [
        "0.png, 1.png, 2.png, 3.png, 4.png)", "0.png, 1.png, 2.png, 3.png, 4.png and 1 more)",
    ]  # fmt: skip


def test_progress_is_said_of_a_thousand_pictures_on_twenty_times(capsys: pytest.CaptureFixture[str]) -> None:
    for done in range(64, 1000, 64):
        common.predicted(done, 999)
    common.predicted(999, 999)
    assert capsys.readouterr().err == ""
    for done in (*range(64, 2560, 64), 2600):
        common.predicted(done, 2600)
    said = [int(line.split()[1].replace(",", "")) for line in capsys.readouterr().err.splitlines()]
    steps = [done for done in range(64, 2560, 64) if done * 20 // 2600 > (done - 64) * 20 // 2600]
    assert said == [*steps, 2600] and len(said) == 20
    common.seen(12345, 6789)
    assert capsys.readouterr().err == "looking: 12,345 files and folders, 6,789 images so far\n"


def test_json_keeps_letters_and_writes_out_what_acts_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    common.print_json({"name": "é\x85\udcff"})
    said = capsys.readouterr().out
    assert said == '{\n  "name": "é\\u0085\\udcff"\n}\n' and json.loads(said) == {"name": "é\x85\udcff"}
    with pytest.raises(InputError, match="a value is not a finite number"):
        common.print_json([float("nan")])


def test_json_is_ascii_where_the_encoding_lacks_letters(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Narrow:
        encoding = "latin-1"

        def write(self, text: str) -> int:
            return real.write(text)

    real = sys.stdout
    monkeypatch.setattr(sys, "stdout", Narrow())
    common.print_json("é")
    assert capsys.readouterr().out == '"\\u00e9"\n'


@pytest.mark.parametrize(
    ("more", "lines"),
    [
        ({"top1": 0.5, "ece": None}, ["  top-1 50.00%", "  5,678 trained parameters"]),
        (
            {"top1": 0.5, "top5": 0.75, "mean_per_class": 0.25, "ece": 0.1234, "ece_scaled": 0.01, "latency_ms": 0.26},
            [
                "  top-1 50.00%   top-5 75.00%   per class 25.00%   ECE 0.123, 0.010 after temperature scaling",
                "  5,678 trained parameters   0.3 ms per image",
            ],
        ),
        (
            {"map": 0.5, "micro_f1": 0.4, "macro_f1": 0.3, "kappa": 0.7, "rank_error": 0.456, "train_seconds": 2.04},
            [
                "  mAP 50.00%   micro F1 40.00%   macro F1 30.00%   kappa 0.700 (quadratic), 0.46 ranks off on average",
                "  5,678 trained parameters   training 2.0 s",
            ],
        ),
    ],
)
def test_a_row_is_printed_in_three_lines(more: dict[str, Any], lines: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    common.print_row(ROW | more, json=False)
    assert capsys.readouterr().out.splitlines() == ["knn on pocket · mini:mnist (test, 1,234 images)", *lines]
    common.print_row(ROW | more, json=True)
    assert json.loads(capsys.readouterr().out) == ROW | more


def test_words_stand_to_the_left_and_numbers_to_the_right(capsys: pytest.CaptureFixture[str]) -> None:
    common.print_lines([["name", "k", "top-1"], ["a", "10", "-"], ["longer", "5", "93.1"]])
    assert capsys.readouterr().out.splitlines() == ["name     k  top-1", "a       10      -", "longer   5   93.1"]
