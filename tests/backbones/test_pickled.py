"""Checkpoints as people have them: tensors are read, objects never, and no code of the file runs."""

from __future__ import annotations

import argparse
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from coldframe.backbones.checkpoint import read_weights
from coldframe.errors import ModelError
from coldframe.files import write_safetensors


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Sequential(nn.Flatten(), nn.Linear(16, 2)))


def same(found: dict[str, Tensor], net: nn.Module) -> bool:
    expected = net.state_dict()
    return sorted(found) == sorted(expected) and all(torch.equal(found[name], expected[name]) for name in expected)


class Booby:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.path,)


def test_settings_and_numbers_beside_the_weights(tmp_path: Path) -> None:
    net = network()
    beside = {"args": argparse.Namespace(lr=0.1), "best": np.float64(0.9), "seen": np.arange(3), "epoch": 3, "where": Path("x")}
    for key in ("state_dict", "model"):
        torch.save({key: net.state_dict(), **beside}, tmp_path / "net.pt")
        assert same(read_weights(tmp_path / "net.pt"), net)
    torch.save({**net.state_dict(), "step": 7, "loss": np.float32(1)}, tmp_path / "net.pt")
    assert same(read_weights(tmp_path / "net.pt"), net)


def test_no_code_of_the_file_runs(tmp_path: Path) -> None:
    net = network()
    torch.save({"state_dict": net.state_dict(), "trap": Booby(tmp_path / "ran")}, tmp_path / "net.pt")
    assert same(read_weights(tmp_path / "net.pt"), net)
    (tmp_path / "bare.pt").write_bytes(pickle.dumps({"state_dict": 1, "trap": Booby(tmp_path / "ran")}))
    with pytest.raises(ModelError, match="found neither"):
        read_weights(tmp_path / "bare.pt")
    assert not (tmp_path / "ran").exists()


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_torchscript_and_whole_modules(tmp_path: Path) -> None:
    net = network().eval()
    torch.jit.save(torch.jit.trace(net, torch.zeros(1, 3, 4, 4)), tmp_path / "net.pt")
    assert same(read_weights(tmp_path / "net.pt"), net)
    torch.save(net, tmp_path / "whole.pt")
    assert same(read_weights(tmp_path / "whole.pt"), net)
    torch.jit.save(torch.jit.script(net.half()), tmp_path / "half.pt")
    assert read_weights(tmp_path / "half.pt")["0.weight"].dtype == torch.float16


def test_safetensors_under_any_name(tmp_path: Path) -> None:
    write_safetensors(tmp_path / "weights", network().state_dict())
    write_safetensors(tmp_path / "weights.bin", network().state_dict())
    assert same(read_weights(tmp_path / "weights"), network()) and same(read_weights(tmp_path / "weights.bin"), network())


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({0: torch.zeros(2)}, "found the key 0"),
        ({("a", 1): torch.zeros(2)}, "expected tensors by name"),
        ({"state_dict": {1: torch.zeros(2), "a": torch.zeros(1)}}, "found the key 1"),
        ({"a": torch.tensor([0.0, float("nan")])}, "expected finite weights, found others in a"),
        ({"a": torch.tensor([float("inf")], dtype=torch.float16)}, "expected finite weights"),
        ({"attn_mask": torch.tensor([float("nan")])}, "expected finite weights"),
        ({"epoch": 3}, "without any tensor"),
        ({}, "without any tensor"),
        ([torch.zeros(2)], "found list"),
        (torch.zeros(2), "found Tensor"),
    ],
)
def test_what_is_refused_is_named(value: object, expected: str, tmp_path: Path) -> None:
    torch.save(value, tmp_path / "net.pt")
    with pytest.raises(ModelError) as caught:
        read_weights(tmp_path / "net.pt")
    assert expected in str(caught.value) and "net.pt" in str(caught.value) and "\n" not in str(caught.value)


def test_a_mask_may_hold_minus_infinity(tmp_path: Path) -> None:
    torch.save({"attn_mask": torch.tensor([0.0, -torch.inf])}, tmp_path / "net.pt")
    assert read_weights(tmp_path / "net.pt")["attn_mask"][1] == -torch.inf


def test_damaged_archives_are_one_sentence(tmp_path: Path) -> None:
    torch.save({"args": argparse.Namespace(lr=0.1), "state_dict": network().state_dict()}, tmp_path / "net.pt")
    content = (tmp_path / "net.pt").read_bytes()
    for at in range(0, len(content), 97):
        (tmp_path / "bad.pt").write_bytes(content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :])
        try:
            read_weights(tmp_path / "bad.pt")
        except ModelError as error:
            assert "bad.pt" in str(error) and "\n" not in str(error)
    with zipfile.ZipFile(tmp_path / "other.pt", "w") as archive:
        archive.writestr("hello.txt", "x")
    with pytest.raises(ModelError, match="expected one pickle"):
        read_weights(tmp_path / "other.pt")


def test_objects_beside_weights_in_the_older_layout(tmp_path: Path) -> None:
    net, path = network(), tmp_path / "net.pt"
    shared = torch.arange(6.0).reshape(2, 3)
    beside = {"args": argparse.Namespace(lr=0.1), "best": np.float64(0.9), "trap": Booby(tmp_path / "ran")}
    state = {**net.state_dict(), "row": shared[1], "turned": shared.T, "half": torch.ones(3, dtype=torch.bfloat16)}
    torch.save({"state_dict": state, **beside}, path, _use_new_zipfile_serialization=False)
    found = read_weights(path)
    assert sorted(found) == sorted(state) and all(torch.equal(found[name], state[name]) for name in state)
    assert not (tmp_path / "ran").exists()
    whole = path.read_bytes()
    for length in (0, 5, 30, len(whole) // 2, len(whole) - 3):
        path.write_bytes(whole[:length])
        with pytest.raises(ModelError, match="found neither or damage"):
            read_weights(path)
