import json
import sys

import torch

from coldframe.measures import available_memory, machine

module = sys.modules["coldframe.measures.hardware"]


def test_names_what_numbers_depend_on():
    found = machine()
    assert {"device", "threads", "torch", "cpu", "cores", "platform", "python"} <= set(found)
    assert found["device"] == "cpu" and found["threads"] == torch.get_num_threads() and found["cores"] >= 1
    assert json.loads(json.dumps(found)) == found


def test_free_memory_is_known_and_a_control_group_lowers_it(tmp_path, monkeypatch):
    free = available_memory()
    assert free is None or 2**20 < free < 2**50
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("400\n")
    assert module._left_in_group(tmp_path) == 600
    (tmp_path / "memory.max").write_text("max\n")
    assert module._left_in_group(tmp_path) is None and module._left_in_group(tmp_path / "absent") is None
    monkeypatch.setattr(module, "_left_in_group", lambda: 600)
    assert available_memory("cpu") == 600
