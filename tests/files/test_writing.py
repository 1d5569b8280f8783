"""The only writer of files: logs grow by lines, in folders that need not be there."""

from __future__ import annotations

from pathlib import Path

from coldframe.files import append_line


def test_a_log_grows_by_whole_lines_in_a_folder_that_is_made(tmp_path: Path) -> None:
    log = tmp_path / "a" / "b" / "metrics.jsonl"
    for line in ("one", "two\n"):
        append_line(log, line)
    assert log.read_text() == "one\ntwo\n"
