from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from coldframe.cold import store as store_module
from coldframe.cold.store import Key, Store
from coldframe.errors import FileError

KEY = Key("tiny", "w" * 32, "p" * 32, "features", "plain", "float32", "float32")


def write(store: Store, digests: list[str], values: torch.Tensor, key: Key = KEY) -> Path:
    writer = store.writer(key)
    writer.add(digests, values)
    writer.close()
    return store.root / key.shelf / f"shard-{writer.identity}"


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64", "bfloat16"])
def test_values_come_back_to_the_bit(tmp_path: Path, dtype: str) -> None:
    torch_dtype = getattr(torch, dtype)
    values = (torch.rand(5, 3, 2) * 200).to(torch_dtype)
    key = Key("tiny", "w", "p", "block0", "plain", dtype, "float32")
    store = Store(tmp_path)
    writer = store.writer(key)
    writer.add(["a", "b"], values[:2])
    writer.add(["c", "d", "e"], values[2:])
    writer.close()
    (shard,) = Store(tmp_path).shards(key)
    assert shard.digests == ["a", "b", "c", "d", "e"]
    back = shard.rows(np.array([4, 0, 0]))
    assert back.dtype == torch_dtype
    assert torch.equal(back, values[[4, 0, 0]])


def test_any_field_of_the_key_but_the_models_name_leads_to_another_shelf() -> None:
    other = {"weights": "x", "preprocess": "x", "cut": "embed", "view": "flip", "dtype": "bfloat16", "compute": "bfloat16"}
    shelves = {KEY.shelf} | {Key(**(vars(KEY) | {name: value})).shelf for name, value in other.items()}
    assert len(shelves) == 7
    assert Key(**(vars(KEY) | {"model": "other name"})).shelf == KEY.shelf


def test_another_version_of_the_code_does_not_read_what_this_one_wrote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(Store(tmp_path), ["a"], torch.ones(1, 4))
    monkeypatch.setattr(store_module, "__version__", "999.0")
    assert Store(tmp_path).shards(KEY) == []


def test_nothing_is_visible_before_the_shard_is_closed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    writer = store.writer(KEY)
    writer.add(["a"], torch.ones(1, 4))
    assert store.shards(KEY) == []
    writer.close()
    assert len(store.shards(KEY)) == 1


@pytest.mark.parametrize("cut", [0, 1, 15])
def test_truncated_values_are_not_trusted(tmp_path: Path, cut: int) -> None:
    store = Store(tmp_path)
    folder = write(store, ["a"], torch.ones(1, 4))
    os.truncate(folder / "values.bin", cut)
    assert store.shards(KEY) == []


def test_a_manifest_cut_anywhere_is_not_trusted(tmp_path: Path) -> None:
    store = Store(tmp_path)
    manifest = write(store, ["a", "b"], torch.ones(2, 4)) / "manifest.json"
    whole = manifest.read_text()
    for length in range(len(whole)):
        manifest.write_text(whole[:length])
        assert store.shards(KEY) == []
    manifest.write_text(whole)
    assert len(store.shards(KEY)) == 1


OTHER = ["[]", "null", "3", '{"digests": 3, "shape": [4], "dtype": "float32"}', '{"dtype": "float16"}']


@pytest.mark.parametrize("text", OTHER)
def test_a_manifest_of_something_else_is_not_trusted(tmp_path: Path, text: str) -> None:
    store = Store(tmp_path)
    (write(store, ["a"], torch.ones(1, 4)) / "manifest.json").write_text(text)
    assert store.shards(KEY) == []


def test_shards_without_one_of_their_files_are_not_trusted(tmp_path: Path) -> None:
    store = Store(tmp_path)
    (write(store, ["a"], torch.ones(1, 4)) / "values.bin").unlink()
    (write(store, ["b"], torch.ones(1, 4)) / "manifest.json").unlink()
    assert store.shards(KEY) == []


class FullDisk:
    """A file that takes ``room`` bytes, and fails again when it is closed, as buffered files do."""

    def __init__(self, room: int, file: object) -> None:
        self.room, self.file = room, file

    def write(self, content: memoryview) -> int:
        self.room -= content.nbytes
        if self.room < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return content.nbytes

    def close(self) -> None:
        self.file.close()  # type: ignore[attr-defined]
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_is_one_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path)
    writer = store.writer(KEY)
    writer._file = FullDisk(20, writer._file)  # type: ignore[assignment]
    writer.add(["a"], torch.ones(1, 4))
    with pytest.raises(FileError, match="the disk is full") as caught:
        writer.add(["b"], torch.ones(1, 4))
    assert "\n" not in str(caught.value)
    writer.abandon()
    assert [path.name for path in (tmp_path / "cold" / KEY.shelf).iterdir()] == ["shelf.json"]


def test_a_file_size_limit_of_the_system_leaves_nothing(tmp_path: Path) -> None:
    program = """
import resource, sys, torch
from coldframe.cold.store import Key, Store
from coldframe.errors import FileError
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
writer = Store(sys.argv[1]).writer(Key("tiny", "w", "p", "features", "plain", "float32", "float32"))
try:
    for number in range(10):
        writer.add([str(number)], torch.ones(1, 100_000))
    writer.close()
except FileError as error:
    print(error)
finally:
    writer.abandon()
"""
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("cannot write ") and done.stdout.count("\n") == 1
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["shelf.json"]


def test_clearing_a_shelf_while_it_is_filled_stops_the_writer_in_one_sentence(tmp_path: Path) -> None:
    store = Store(tmp_path)
    writer = store.writer(KEY)
    writer.add(["a"], torch.ones(1, 4))
    store.clear()
    with pytest.raises(FileError, match="cleared while being filled"):
        writer.close()
    writer.abandon()
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


def test_leftovers_of_a_dead_process_are_swept_and_work_in_progress_is_not(tmp_path: Path) -> None:
    program = f"""
import os, sys, torch
from coldframe.cold.store import Key, Store
writer = Store(sys.argv[1]).writer({KEY!r})
writer.add(["a"], torch.ones(1, 4))
writer._file.flush()
print("ready", flush=True)
sys.stdin.read()
"""
    child = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with child:
        assert child.stdout is not None and child.stdout.readline() == "ready\n"
        shelf = tmp_path / "cold" / KEY.shelf
        Store(tmp_path).sweep()
        alive = list(shelf.glob(".unfinished-*"))
        child.kill()
    assert len(alive) == 1
    other = Store(tmp_path).writer(Key("tiny", "other", "p", "features", "plain", "float32", "float32"))
    other.abandon()
    assert list(shelf.glob(".unfinished-*")) == []


def test_old_leftovers_are_swept_whatever_they_are(tmp_path: Path) -> None:
    store = Store(tmp_path)
    shelf = write(store, ["a"], torch.ones(1, 4)).parent
    (shelf / ".unfinished-empty").mkdir()
    (shelf / ".new-empty").mkdir()
    (shelf / ".shelf.json.abc.part").write_text("{")
    store.sweep()
    assert len(list(shelf.iterdir())) == 5
    old = time.time() - 2 * 24 * 3600
    for path in shelf.glob(".*"):
        os.utime(path, (old, old))
    store.sweep()
    assert sorted(path.name[:6] for path in shelf.iterdir()) == ["shard-", "shelf."]


def test_shelves_are_described_and_cleared(tmp_path: Path) -> None:
    store = Store(tmp_path)
    other = Key("tiny", "w", "p", "block0", "flip", "bfloat16", "float32")
    write(store, ["a", "b"], torch.ones(2, 4))
    write(store, ["b"], torch.ones(1, 4))
    write(store, ["a"], torch.ones(1, 3, 4), other)
    infos = {info.cut: info for info in store.shelves()}
    assert (infos["features"].images, infos["features"].view, infos["features"].dtype) == (2, "plain", "float32")
    assert (infos["block0"].images, infos["block0"].view, infos["block0"].dtype) == (1, "flip", "bfloat16")
    before = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    assert sum(info.bytes for info in infos.values()) == before
    freed = store.clear([infos["features"].shelf, "no such shelf"])
    assert freed == infos["features"].bytes
    assert [info.cut for info in store.shelves()] == ["block0"]
    assert freed + store.clear() == before
    assert list(store.shelves()) == []


def test_a_shelf_with_a_damaged_description_can_still_be_cleared(tmp_path: Path) -> None:
    store = Store(tmp_path)
    shelf = write(store, ["a"], torch.ones(1, 4)).parent
    (shelf / "shelf.json").write_text("{")
    (info,) = store.shelves()
    assert (info.model, info.images) == ("?", 1)
    store.clear()
    assert list(store.shelves()) == []


def test_clearing_touches_nothing_that_is_not_a_shelf(tmp_path: Path) -> None:
    store = Store(tmp_path)
    write(store, ["a"], torch.ones(1, 4))
    (tmp_path / "cold" / "notes").mkdir()
    (tmp_path / "cold" / "notes" / "mine.txt").write_text("keep")
    store.clear()
    assert [path.name for path in (tmp_path / "cold").iterdir()] == ["notes"]


def test_an_empty_store_has_no_shelves_and_frees_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path / "absent")
    assert list(store.shelves()) == [] and store.clear() == 0 and store.shards(KEY) == []


def test_the_manifest_says_what_is_stored(tmp_path: Path) -> None:
    manifest = json.loads((write(Store(tmp_path), ["a"], torch.ones(1, 4)) / "manifest.json").read_text())
    assert manifest == {"digests": ["a"], "shape": [4], "dtype": "float32", "bytes": 16}


def test_a_manifest_is_read_once_and_again_when_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from coldframe.cold import store as module

    store, counted = Store(tmp_path), list[Path]()
    writer = store.writer(KEY)
    writer.add(["a" * 32, "b" * 32], torch.zeros(2, 3))
    writer.close()
    plain = module.reading.read
    monkeypatch.setattr(module.reading, "read", lambda path, kind, **more: counted.append(path) or plain(path, kind, **more))
    assert len(store.shards(KEY)) == 1 and len(store.shards(KEY)) == 1 and len(counted) == 1
    manifest = next(tmp_path.rglob("manifest.json"))
    manifest.write_text(manifest.read_text().replace("a" * 32, "c" * 32) + " ")
    assert store.shards(KEY)[0].digests[0] == "c" * 32 and len(counted) == 2
