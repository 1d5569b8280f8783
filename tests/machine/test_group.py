"""One command on another machine: what it prints, how it ends, and that it does not outlive its parent."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from coldframe.machine.group import Job, run


def test_status_last_line_folder_and_environment(tmp_path: Path) -> None:
    program = "import os, sys; print(os.getcwd(), os.environ['ONE'], flush=True); sys.exit('out of patience')"
    (tmp_path / "log").write_text("before\n")
    found = run(Job([sys.executable, "-c", program], str(tmp_path), {"ONE": "two"}, str(tmp_path / "log")))
    assert found == (1, "out of patience")
    *said, last = (tmp_path / "log").read_text().splitlines()
    assert said == ["before", f"{tmp_path} two", "out of patience"]
    assert re.fullmatch(r"ended with status 1 after \d+\.\d s, \d+\.\d s of processor time", last)
    assert run(Job([sys.executable, "-c", ""], str(tmp_path), {}, str(tmp_path / "empty"))) == (0, "")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux ends a process with its parent")
def test_a_command_ends_with_its_parent_and_is_deaf_to_what_the_parent_answers(tmp_path: Path) -> None:
    child = f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(f'{{os.getpid()}}\\n'); time.sleep(60)"
    parent = (
        "import sys; from coldframe.machine.group import Job, run\n"
        f"run(Job([sys.executable, '-c', {child!r}], {str(tmp_path)!r}, {{}}, {str(tmp_path / 'log')!r}))"
    )
    process = subprocess.Popen([sys.executable, "-c", parent])
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text().endswith("\n"):
        time.sleep(0.05)
    pid = int((tmp_path / "pid").read_text())
    for signum in (signal.SIGUSR2, signal.SIGTERM):
        os.kill(pid, signum)
    time.sleep(0.2)
    os.kill(pid, 0)  # still there
    process.kill()
    process.wait()
    for _ in range(100):
        if not Path(f"/proc/{pid}").exists() or " Z " in Path(f"/proc/{pid}/stat").read_text():
            return
        time.sleep(0.05)
    raise AssertionError("the command outlived its parent")
