"""The only writer of files: logs grow by lines, in folders that need not be there."""

from __future__ import annotations

from pathlib import Path

from coldframe.files import append_line, write_text
from coldframe.files.writing import holding


def test_a_log_grows_by_whole_lines_in_a_folder_that_is_made(tmp_path: Path) -> None:
    log = tmp_path / "a" / "b" / "metrics.jsonl"
    for line in ("one", "two\n"):
        append_line(log, line)
    assert log.read_text() == "one\ntwo\n"


def test_files_and_locks_make_their_folders_and_find_them(tmp_path: Path) -> None:
    for name in ("one.txt", "two.txt"):
        write_text(tmp_path / "c" / "d" / name, name)
        with holding(tmp_path / "e" / "f" / name) as alone:
            assert alone
    assert [path.read_text() for path in sorted((tmp_path / "c" / "d").iterdir())] == ["one.txt", "two.txt"]
