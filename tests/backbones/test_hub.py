"""Weights are looked for on this disk; the network is not touched unless asked for."""

from __future__ import annotations

import socket
from pathlib import Path

import huggingface_hub
import pytest
import timm
from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

from coldframe.backbones import hub, load_backbone
from coldframe.errors import WeightsNotFound
from coldframe.files import write_bytes, write_safetensors


@pytest.fixture
def hub_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A private cache of the hub, laid out as the hub's library lays it out, and no way to the network."""

    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.file_download.constants.HF_HUB_CACHE", str(tmp_path))
    return tmp_path


def store(folder: Path, repository: str, name: str, content: bytes) -> Path:
    root = folder / f"models--{repository.replace('/', '--')}"
    write_bytes(root / "refs" / "main", b"abc")
    return write_bytes(root / "snapshots" / "abc" / name, content)


def test_finds_what_is_there(hub_folder: Path) -> None:
    names = ("model.safetensors", "pytorch_model.bin")
    assert hub.in_hub_cache("someone/net", names) is None
    second = store(hub_folder, "someone/net", "pytorch_model.bin", b"x")
    assert hub.in_hub_cache("someone/net", names) == second
    first = store(hub_folder, "someone/net", "model.safetensors", b"x")
    assert hub.in_hub_cache("someone/net", names) == first


def test_loads_from_the_cache_without_a_network(hub_folder: Path, tmp_path: Path) -> None:
    net = timm.create_model("test_vit")
    with pytest.raises(WeightsNotFound, match=r"looked in .*models|looked in"):
        load_backbone("timm:test_vit")
    content = write_safetensors(tmp_path / "source" / "w.safetensors", net.state_dict()).read_bytes()
    store(hub_folder, "timm/test_vit.r160_in1k", "model.safetensors", content)
    backbone = load_backbone("timm:test_vit")
    assert backbone.weights == "r160_in1k, from timm/test_vit.r160_in1k"
    assert all((a == b).all() for a, b in zip(backbone.module.state_dict().values(), net.state_dict().values(), strict=True))
    assert load_backbone("timm:test_vit").digest == backbone.digest != load_backbone("timm:test_vit/random").digest


def test_fetches_only_on_request(hub_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def fetch(repository: str, name: str, revision: str | None = None) -> str:
        asked.append(name)
        if name == "a":
            raise EntryNotFoundError("no a")
        return str(hub_folder / name)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fetch)
    with pytest.raises(WeightsNotFound, match=r"weights of X are not on this disk .*download=True.* X@PATH, .* X/random$"):
        hub.find("X", hub="someone/net", files=("a", "b"))
    assert asked == []
    assert hub.find("X", hub="someone/net", files=("a", "b"), download=True) == hub_folder / "b"
    assert asked == ["a", "b"]


def test_an_unreachable_hub_is_one_sentence(hub_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **kwargs: object) -> str:
        raise LocalEntryNotFoundError("offline\nand many lines")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fail)
    with pytest.raises(WeightsNotFound) as caught:
        hub.fetch_from_hub("someone/net", ("a",))
    assert str(caught.value).startswith("cannot fetch someone/net") and "\n" not in str(caught.value)


def test_torch_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    url = "http://127.0.0.1:9/models/net-0123abcd.pth"
    assert hub.in_torch_cache(url) is None
    with pytest.raises(WeightsNotFound, match=r"cannot fetch net-0123abcd\.pth \(URLError\)"):
        hub.find("X", url=url, download=True)
    assert list(hub.torch_cache().iterdir()) == []
    file = write_bytes(hub.torch_cache() / "net-0123abcd.pth", b"x")
    assert hub.find("X", url=url) == file
