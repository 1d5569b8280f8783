"""Files of exactly as many bytes as are allowed are read, one more is refused, and so is what is no file."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from coldframe import files
from coldframe.errors import FileError
from coldframe.files import opening
from coldframe.files.opening import opened, read_bytes, read_json, read_text, regular
from coldframe.files.system import exists, expanded, explained, is_file
from coldframe.files.writing import as_csv, holding, replacing, write_json, write_text


def test_the_most_bytes_are_read_and_one_more_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_text(tmp_path / "a.txt", "12345")
    assert regular(path, 5) == 5 and read_bytes(path, 5) == b"12345"
    with opened(path, 5) as file:
        assert file.read() == b"12345"
    for read in (regular, read_bytes, opened):
        with pytest.raises(FileError, match="at most 4 bytes, found 5; give a smaller file"):
            read(path, 4)
    (tmp_path / "zero").write_bytes(b"")
    monkeypatch.setattr(opening, "_measured", lambda found, path, most: 0)  # as for files of the kernel, which have no size
    assert read_bytes(path, 5) == b"12345"
    with pytest.raises(FileError, match="at most 4 bytes, found more"):
        read_bytes(path, 4)


def test_what_is_no_file_is_named(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, said in ((tmp_path, "a folder"), (tmp_path / "pipe", "a named pipe"), (Path("/dev/null"), "a device")):
        with pytest.raises(FileError, match=f"found {said}"):
            regular(path, 10)


def test_texts_have_one_kind_of_line_end(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a\r\nb\rc\n")
    assert read_text(tmp_path / "a") == "a\nb\nc\n"
    (tmp_path / "a").write_bytes(b"ab\xff")
    with pytest.raises(FileError, match="found other bytes at 2"):
        read_text(tmp_path / "a")
    (tmp_path / "a").write_text('{\n "a": ]')
    with pytest.raises(FileError, match="line 2, column 7"):
        read_json(tmp_path / "a")


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOSPC, "the disk is full"), (errno.EDQUOT, "the disk is full"), (errno.EACCES, "permission denied"),
        (errno.EPERM, "permission denied"), (errno.EROFS, "permission denied"), (errno.ENOTDIR, "a file stands where"),
        (errno.EEXIST, "a file stands where"), (errno.EIO, "Input/output error"),
    ],
)  # fmt: skip
def test_what_the_system_says_is_one_sentence(number: int, said: str) -> None:
    with pytest.raises(FileError, match=f"cannot read a.txt: {said}"), explained(Path("a.txt"), "read"):
        raise OSError(number, os.strerror(number))


def test_paths_that_cannot_be_are_none(tmp_path: Path) -> None:
    assert not is_file("x" * 5000) and not exists("a\x00b") and exists(tmp_path) and not is_file(tmp_path)
    with pytest.raises(FileError, match="nobody on this machine has this name"):
        expanded("~nobody-here/a")


def test_json_is_indented_and_plain_and_refuses_what_is_no_number(tmp_path: Path) -> None:
    value = {"a": ["é", 1], "b": "x\udcff"}
    path = write_json(tmp_path / "a.json", value)
    assert path.read_text() == '{\n  "a": [\n    "é",\n    1\n  ],\n  "b": "x\\udcff"\n}\n'
    assert json.loads(path.read_text()) == value
    with pytest.raises(FileError, match="not a finite number"):
        write_json(path, float("nan"))
    assert as_csv([["a", None], ["b,c", 1]]) == 'a,\n"b,c",1\n'


def test_a_new_file_has_the_rights_of_any_other_and_a_failure_leaves_none(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        assert write_text(tmp_path / "a", "x").stat().st_mode & 0o777 == 0o640
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(before)
    with pytest.raises(ValueError, match="stop"), replacing(tmp_path / "b", ".png") as temporary:
        assert temporary.name.startswith(".b.") and temporary.suffix == ".png" and temporary.parent == tmp_path
        raise ValueError("stop")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_lock_is_held_by_one(tmp_path: Path) -> None:
    with holding(tmp_path / "lock") as first, holding(tmp_path / "lock") as second:
        assert first and not second
    with holding(tmp_path / "lock") as again:
        assert again
    files.remove_folder(tmp_path / "none")
