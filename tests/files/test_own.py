"""A method and a model in a file of the user's own: compared, saved, loaded, and run only when the user names it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from fakes import coloured
from PIL import Image

import coldframe
from coldframe.backbones import load_backbone
from coldframe.cli import main
from coldframe.data.base import Dataset
from coldframe.errors import InputError
from coldframe.files import own
from coldframe.methods import method_class

FILE = '''
from typing import ClassVar
import torch
from coldframe.methods.linear_probe import LinearProbe
from coldframe.types import Preprocess

class Mine(LinearProbe):
    """A probe of my own."""
    name: ClassVar[str] = "mine"

def make():
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 12, 4, 4), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    return net, Preprocess(16, 16, (0.5,) * 3, (0.5,) * 3)

other = 3
'''
DATA = Dataset("coloured", coloured(24, 0, "train"), coloured(12, 1, "val"), coloured(12, 2, "test"))


def test_a_file_of_ones_own_is_compared_and_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.py").write_text(FILE)
    method, model = (f"{tmp_path}/mine.py:{name}" for name in ("Mine", "make"))
    settings = {"mine": {"l2": 1e-4}}
    table = coldframe.compare([method], DATA, model=model, seeds=1, options=settings, out=tmp_path / "out", latency=False)
    assert table.rows[0]["method"] == "mine" and table.rows[0]["model"] == model and table.rows[0]["top1"] > 0.5
    again = coldframe.load(tmp_path / "out")
    assert type(again) is method_class(method) and again.score(DATA.test) == table.handed["top1"]
    assert again.config()["l2"] == 1e-4
    assert load_backbone(model).digest == again.backbone.digest
    pixels = torch.rand(2, 3, 16, 16)
    torch.testing.assert_close(load_backbone(model).run(pixels), load_backbone(model).module(pixels))
    # A saved run never runs a file by itself.
    monkeypatch.setattr(own, "_named", {})
    with pytest.raises(InputError, match="--own"):
        coldframe.load(tmp_path / "out")


def done(*words: str) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(list(words))
    assert not stopped.value.code


def test_runs_of_a_file_of_ones_own_are_swept_attacked_exported_and_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.py").write_text(FILE)
    for label, colour in enumerate(("red", "green")):
        (tmp_path / "data" / colour).mkdir(parents=True)
        for number in range(8):
            picture = Image.new("RGB", (20, 20), (200 - 150 * label, 50 + 150 * label, 9 * number))
            picture.save(tmp_path / "data" / colour / f"{number}.png")
    method, model = (f"{tmp_path}/mine.py:{name}" for name in ("Mine", "make"))
    named = ("--own", method, "--own", model)
    data, photo, run = f"folder:{tmp_path / 'data'}", str(tmp_path / "data" / "red" / "0.png"), str(tmp_path / "fit")
    swept = ("sweep", method, "--data", data, "--model", model, "--grid", "l2=0.1,0.01", "--set", "mine.steps=50")
    with pytest.raises(SystemExit):
        main([*swept, "--json"])
    assert "expected a setting of mine, found 'steps'" in capsys.readouterr().err
    done(*swept[:-2])
    assert [line.split()[1] for line in capsys.readouterr().out.splitlines()[2:4]] == ["mine", "mine"]
    methods = ("--methods", f"{method},linear-probe", "--seeds", "1", "--set", f"{method}.l2=0.01")
    done("compare", "--data", data, "--model", model, *methods, "--out", run)
    fits = [str(path) for path in sorted((tmp_path / "fit" / "fits").iterdir())]
    monkeypatch.setattr(own, "_named", {})
    steps = (
        ("attack", photo, "--model", run, "--steps", "2", "--out", str(tmp_path / "attacked")),
        ("export", run, "--out", str(tmp_path / "m.safetensors"), "--to", "safetensors"),
        ("inspect", "disagreements", *fits, "--out", str(tmp_path / "differ")),
    )
    for words in steps:
        monkeypatch.setattr(own, "_named", {})
        with pytest.raises(SystemExit):
            main(list(words))
        assert "add --own" in capsys.readouterr().err
        done(*words, *named)
    assert (tmp_path / "m.safetensors").is_file() and (tmp_path / "differ" / "report.html").is_file()


@pytest.mark.parametrize(
    ("end", "words"), [(":Mien", "did you mean"), (":other", "derived from"), ("x:Mine", "unknown method")]
)
def test_what_is_not_there_is_one_sentence(tmp_path: Path, end: str, words: str) -> None:
    (tmp_path / "mine.py").write_text(FILE)
    with pytest.raises(InputError, match=words):
        method_class(f"{tmp_path}/mine.py{end}")
    (tmp_path / "bad.py").write_text("1 / 0")
    for name, said in (("bad.py:a", "ZeroDivisionError"), ("none.py:a", "found none")):
        with pytest.raises(InputError, match=said):
            own.own(f"{tmp_path}/{name}")
