"""``coldframe sample``: pictures of a saved run, and one sentence where there is none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from coldframe.cli import main
from coldframe.foundations.generative import saved
from coldframe.foundations.generative.vae import VAE


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as stop:
        main(list(words))
    assert isinstance(stop.value.code, int)
    return stop.value.code


def test_samples_are_written_beside_the_run_or_where_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = VAE(3, channels=2)
    saved.save(tmp_path / "run", "vae", model.settings, model.state_dict())
    assert run("sample", str(tmp_path / "run"), "--n", "5", "--seed", "7") == 0
    folder = tmp_path / "run" / "samples"
    assert sorted(path.name for path in folder.iterdir()) == ["samples.npy", "samples.png", "samples.svg"]
    expected = model.decode(torch.randn(5, 3, generator=torch.Generator().manual_seed(7)))
    np.testing.assert_array_equal(np.load(folder / "samples.npy", allow_pickle=False), expected.numpy())
    assert str(folder / "samples.png") in capsys.readouterr().out
    assert run("sample", str(tmp_path / "run"), "--n", "2", "--out", str(tmp_path / "there")) == 0
    assert np.load(tmp_path / "there" / "samples.npy").shape == (2, 28, 28)


@pytest.mark.parametrize("words", [["absent"], ["run", "--n", "0"]])
def test_what_cannot_be_drawn_is_one_sentence(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = VAE(3, channels=2)
    saved.save(tmp_path / "run", "vae", model.settings, model.state_dict())
    assert run("sample", str(tmp_path / words[0]), *words[1:]) == 2
    said = capsys.readouterr()
    assert said.err.startswith("coldframe: ") and "expected" in said.err
    assert said.err.count("\n") == 1
    assert not (tmp_path / "run" / "samples").exists()
