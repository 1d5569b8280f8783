"""``coldframe manifold``: the grid of a run with two dimensions, and one sentence for any other."""

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


def test_the_manifold_is_written(tmp_path: Path) -> None:
    model = VAE(2, channels=2)
    saved.save(tmp_path, "vae", model.settings, model.state_dict())
    assert run("manifold", str(tmp_path), "--n", "3") == 0
    pictures = np.load(tmp_path / "manifold" / "manifold.npy", allow_pickle=False)
    assert pictures.shape == (9, 28, 28)
    np.testing.assert_allclose(pictures[4], model.decode(torch.zeros(1, 2))[0].numpy(), atol=1e-6)
    assert (tmp_path / "manifold" / "manifold.png").is_file()


def test_a_run_of_twenty_dimensions_is_refused_in_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = VAE(20, channels=2)
    saved.save(tmp_path, "vae", model.settings, model.state_dict())
    assert run("manifold", str(tmp_path)) == 2
    said = capsys.readouterr().err
    assert said.startswith("coldframe: expected a run with 2 latent dimensions for a manifold, found 20; train one")
    assert said.count("\n") == 1
