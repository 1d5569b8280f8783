"""Tar shards: every way of writing a label, splits by name, and the bytes webdataset reads."""

from __future__ import annotations

from pathlib import Path

import pytest
from layouts import CLASSES, all_rows, check, shard, split_of

from coldframe.data import load_dataset
from coldframe.errors import DataError


def refused(spec: str) -> str:
    with pytest.raises(DataError) as caught:
        load_dataset(spec)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("ending", ["cls", "txt", "json"])
def test_labels(tmp_path: Path, ending: str) -> None:
    shard(tmp_path / "part-000.tar", all_rows()[::2], ending)
    shard(tmp_path / "part-001.tar", all_rows()[1::2], ending)
    classes = ("0", "1", "2") if ending == "cls" else CLASSES
    for pattern in ("part-{000..001}.tar", "part-*.tar", ""):
        check(load_dataset(f"wds:{tmp_path / pattern}"), classes)
    (tmp_path / "classes.txt").write_text("\n".join(CLASSES))
    check(load_dataset(f"wds:{tmp_path}"))


def test_splits_by_the_names_of_shards(tmp_path: Path) -> None:
    for split in ("train", "val", "test"):
        shard(tmp_path / f"{split}-0.tar", [row for row in all_rows() if split_of(row[1]) == split], "txt")
    data = load_dataset(f"wds:{tmp_path}")
    check(data)
    assert (len(data.train), len(data.val), len(data.test)) == (12, 3, 3)
    shard(tmp_path / "more.tar", all_rows(), "txt")
    assert "found more.tar" in refused(f"wds:{tmp_path}")


def test_damage_is_said(tmp_path: Path) -> None:
    assert "found none" in refused(f"wds:{tmp_path}")
    path = shard(tmp_path / "a.tar", all_rows())
    content = path.read_bytes()
    path.write_bytes(content[:700])
    assert "expected a label" in refused(f"wds:{path}") or "cannot read" in refused(f"wds:{path}")
    path.write_bytes(b"text" * 500)
    assert "expected an uncompressed tar file" in refused(f"wds:{path}")
    assert "found none" in refused(f"wds:{tmp_path / 'b-{0..3}.tar'}")
    (tmp_path / "classes.txt").write_text("cat\ndog")
    path.write_bytes(content)
    assert "below the 2 names" in refused(f"wds:{path}")
