"""What all tests share: offline hubs, one data folder, a count of what needs data that is not here."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_OFFLINE"] = "1"

from coldframe.machine.waiting import wait_quietly

wait_quietly()  # before torch: pytest runs beside itself and beside other work

from coldframe.files import data_root  # noqa: E402

settings.register_profile("house", deadline=None, derandomize=True)
settings.load_profile("house")


@pytest.fixture(autouse=True)
def private_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give every test a store of its own."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("COLDFRAME_CACHE", str(folder))
    return folder


@pytest.fixture
def shared_data() -> Path:
    """Return the folder of real data. Only tests marked ``shared_data`` may ask for it."""
    root = data_root()
    assert root is not None and root.is_dir(), "this test is marked shared_data and should have been deselected"
    return root


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect, by count and in one line, the tests whose data is not on this machine."""
    root = data_root()
    if root is not None and root.is_dir():
        return
    without = [item for item in items if item.get_closest_marker("shared_data")]
    if without:
        items[:] = [item for item in items if not item.get_closest_marker("shared_data")]
        config.hook.pytest_deselected(items=without)
        config.stash[_COUNT] = len(without)


_COUNT = pytest.StashKey[int]()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say how many tests the missing data left out."""
    count = config.stash.get(_COUNT, 0)
    if count:
        terminalreporter.write_line(f"{count} tests need the shared data (set COLDFRAME_DATA to its folder) and were left out")
