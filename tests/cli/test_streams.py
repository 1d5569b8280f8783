"""Standard output and error as they are found, by the command in a process of its own."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from coldframe.cli import streams

COMMAND = (sys.executable, "-m", "coldframe")
needs_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a disk that is always full")


def test_what_an_encoding_lacks_is_replaced() -> None:
    held = io.BytesIO()
    stream = io.TextIOWrapper(held, encoding="ascii", errors="strict")
    stream.reconfigure(errors="coldframe")
    stream.write("pocket · top-1 93.7 ± 0.4 → é \udcff")
    stream.flush()
    assert held.getvalue() == b"pocket - top-1 93.7 +- 0.4 -> ? \\xff"


@needs_full
@pytest.mark.parametrize("words", [["--help"], ["--version"], ["cache", "--help"], ["datasets"]])
def test_a_full_disk_behind_standard_output_is_one_sentence(words: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([*COMMAND, *words], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2 and done.stderr.startswith("coldframe: cannot write") and done.stderr.count("\n") == 1


@needs_full
def test_a_full_disk_behind_standard_error_leaves_the_exit_status() -> None:
    with Path("/dev/full").open("w") as full:
        assert subprocess.run([*COMMAND, "compar"], stdout=subprocess.DEVNULL, stderr=full, check=False).returncode == 2


@pytest.mark.parametrize("words", [["--help"], ["datasets", "--json"]])
def test_a_reader_that_has_gone_ends_the_command_silently(words: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([*COMMAND, *words], stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (streams.GONE, "")


@pytest.mark.parametrize("setting", [{"LC_ALL": "C"}, {"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0",
                                                                                      "PYTHONCOERCECLOCALE": "0"}])  # fmt: skip
def test_any_locale_prints(setting: dict[str, str]) -> None:
    words = ["datasets", "mini:cifar10"]
    done = subprocess.run([*COMMAND, *words], env=os.environ | setting, capture_output=True, check=False)
    assert done.returncode == 0 and done.stderr == b"" and b"mini:cifar10" in done.stdout
