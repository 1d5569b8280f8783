"""A method and a model in a file of the user's own: compared, saved, loaded, and run only when the user names it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from fakes import coloured

import coldframe
from coldframe.backbones import load_backbone
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
