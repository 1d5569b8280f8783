"""Saved generative models: what is written is read again, and what cannot be used is one sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from coldframe.errors import FileError, InputError, ModelError
from coldframe.foundations.generative import saved

STATE = {"weight": torch.arange(6.0).view(2, 3), "bias": torch.zeros(2)}


def test_a_model_is_read_as_it_was_written(tmp_path: Path) -> None:
    digest = saved.save(tmp_path / "run", "vae", {"latent": 2}, STATE)
    found = saved.load(tmp_path / "run")
    assert (found.kind, found.settings, found.digest) == ("vae", {"latent": 2}, digest)
    assert all(torch.equal(found.state[name], value) for name, value in STATE.items())
    assert found.state.keys() == STATE.keys()


def test_the_digest_sees_names_shapes_and_values() -> None:
    first = saved.digest_of_tensors(STATE)
    assert first == saved.digest_of_tensors(dict(reversed(STATE.items()))) and len(first) == 32
    others = [STATE | {"bias": torch.ones(2)}, STATE | {"weight": STATE["weight"].view(3, 2)}, {"weight": STATE["weight"]}]
    assert len({first, *map(saved.digest_of_tensors, others)}) == 4


def test_a_folder_without_a_finished_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"found no model.json; train one"):
        saved.load(tmp_path)
    with pytest.raises(InputError, match=r"found no model.json"):
        saved.decoder(tmp_path / "absent")


def test_a_run_of_another_kind_is_refused(tmp_path: Path) -> None:
    saved.save(tmp_path, "aae", {}, STATE)
    with pytest.raises(InputError, match=r"kind vae in .*, found 'aae'"):
        saved.load(tmp_path, "vae")
    with pytest.raises(InputError, match=r"found 'gan'"):
        saved.save(tmp_path, "gan", {}, STATE)


def test_weights_that_do_not_fit_the_settings_are_refused(tmp_path: Path) -> None:
    saved.save(tmp_path, "vae", {"latent": 2, "channels": 2}, STATE)
    with pytest.raises(ModelError, match=r"cannot build the vae of .*; train the run again") as refused:
        saved.decoder(tmp_path)
    assert "\n" not in str(refused.value)


def test_damage_is_refused(tmp_path: Path) -> None:
    saved.save(tmp_path, "vae", {"latent": 2}, STATE)
    about = json.loads((tmp_path / saved.ABOUT).read_text())
    (tmp_path / saved.ABOUT).write_text(json.dumps(about | {"digest": "0" * 32}))
    with pytest.raises(FileError, match=r"expected the weights that model.json names"):
        saved.load(tmp_path)
    (tmp_path / saved.ABOUT).write_text("[]")
    with pytest.raises(FileError, match=r"expected a mapping, found a list"):
        saved.load(tmp_path)
    (tmp_path / saved.ABOUT).write_text(json.dumps(about))
    (tmp_path / saved.WEIGHTS).write_bytes(b"nothing")
    with pytest.raises(FileError, match=r"found damage"):
        saved.load(tmp_path)
