"""How threads wait is set before torch, for the command line too; a call that comes too late says so and changes nothing."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from coldframe.machine.waiting import SPINS, wait_quietly

NAMES = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")


def said(program: str, **given: str) -> subprocess.CompletedProcess[str]:
    plain = {name: value for name, value in os.environ.items() if name not in NAMES}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=plain | given)
    return done


CALLED = """
import os, sys
from coldframe.machine.waiting import wait_quietly
print(wait_quietly(), "torch" in sys.modules, os.environ.get("GOMP_SPINCOUNT"), os.environ.get("OMP_WAIT_POLICY"))
"""


def test_the_setting_is_made_without_importing_torch() -> None:
    assert said(CALLED).stdout.split() == ["True", "False", str(SPINS), "None"]


@pytest.mark.parametrize(("name", "found"), [("GOMP_SPINCOUNT", ["7", "None"]), ("OMP_WAIT_POLICY", ["None", "7"])])
def test_a_users_own_setting_is_left(name: str, found: list[str]) -> None:
    assert said(CALLED, **{name: "7"}).stdout.split() == ["True", "False", *found]


def test_too_late_is_said_and_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setitem(sys.modules, "torch", sys.modules[__name__])
    with pytest.warns(RuntimeWarning, match=f"found torch imported.*start Python with GOMP_SPINCOUNT={SPINS}"):
        assert not wait_quietly()
    assert "GOMP_SPINCOUNT" not in os.environ


def test_the_command_line_sets_it_before_torch() -> None:
    program = """
import os, sys
from coldframe.cli import main
import coldframe.machine.waiting
made = coldframe.machine.waiting.wait_quietly
def watched():
    print("torch" in sys.modules, made(), os.environ["GOMP_SPINCOUNT"])
coldframe.machine.waiting.wait_quietly = watched
try:
    main(["cache", "--help"])
except SystemExit:
    pass
"""
    assert said(program).stdout.splitlines()[0].split() == ["False", "True", str(SPINS)]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere torch has another OpenMP")
def test_torchs_openmp_reads_this_very_name() -> None:
    # libgomp tells its settings when it is loaded, if asked to.
    given = {"OMP_DISPLAY_ENV": "verbose", "GOMP_SPINCOUNT": "4711"}
    assert "GOMP_SPINCOUNT = '4711'" in said("import torch", **given).stderr


def test_these_tests_run_with_it() -> None:
    assert any(name in os.environ for name in NAMES)
