"""The index of all models: the zoos' own list, read without the zoos, and made again where it is stale or damaged."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from coldframe.backbones import hub, index
from coldframe.backbones.listing import list_models

_QUIET = """
import sys
from coldframe.backbones.listing import list_models
from coldframe.cli.models import models
models("resnet18/")
print(sorted({"torch", "timm", "torchvision", "open_clip"} & set(sys.modules)))
"""


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("COLDFRAME_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_the_file_says_what_the_zoos_say_and_is_read_without_them(cache: Path) -> None:
    live = [(entry.id, entry.licence, entry.random, entry.locate()) for entry in index.live()]
    for lines in (index.indexed(), index.indexed()):
        assert [(line.id, line.licence, line.random, line.place()) for line in lines] == live
    first = list_models("resnet18/")
    done = subprocess.run([sys.executable, "-c", _QUIET], check=True, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]" and "11.7 M" in done.stdout, "the second list imports no zoo"
    assert list_models("resnet18/") == first


def test_other_versions_a_damaged_file_and_a_cache_that_cannot_be_written(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = [index.Entry("only:one", index.Place(), lambda: 7)]
    monkeypatch.setattr(index, "live", lambda: made)
    assert [line.id for line in index.indexed()] == ["only:one"]
    made[0] = index.Entry("only:two", index.Place(), lambda: 8)
    assert [line.id for line in index.indexed()] == ["only:one"], "the same versions"
    (file,) = cache.iterdir()
    file.write_text("{", encoding="utf-8")
    assert [line.id for line in index.indexed()] == ["only:two"]
    monkeypatch.setattr(index, "version", lambda package: "another")
    made[0] = index.Entry("only:three", index.Place(), lambda: 9)
    assert [line.id for line in index.indexed()] == ["only:three"]
    (cache.parent / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("COLDFRAME_CACHE", str(cache.parent / "file"))
    (line, *_), _ = list_models("only")
    assert (line.id, line.parameters) == ("only:three", 9)


def test_the_folder_of_checkpoints_is_torchs_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    for home, other in ((str(tmp_path / "home"), None), (None, str(tmp_path / "xdg")), (None, None)):
        for name, value in (("TORCH_HOME", home), ("XDG_CACHE_HOME", other)):
            monkeypatch.setenv(name, value) if value else monkeypatch.delenv(name, raising=False)
        known = Path(torch.hub.get_dir()) / "checkpoints"
        with monkeypatch.context() as without:
            without.delitem(sys.modules, "torch")
            assert hub.torch_cache() == known
