import json

import torch

from coldframe.measures import machine


def test_names_what_numbers_depend_on():
    found = machine()
    assert {"device", "threads", "torch", "cpu", "cores", "platform", "python"} <= set(found)
    assert found["device"] == "cpu" and found["threads"] == torch.get_num_threads() and found["cores"] >= 1
    assert json.loads(json.dumps(found)) == found
