"""The plane on which the few-shot methods are drawn, and their picture."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("few_shot_pictures", ROOT / "tools" / "few_shot_pictures.py")
    assert spec is not None and spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = found
    spec.loader.exec_module(found)
    return found


def test_a_point_is_its_own_feature(tool: ModuleType) -> None:
    backbone = tool.Plane()
    points = np.array([[-1.0, 1.0], [0.25, -0.5]])
    images = torch.stack([
        torch.from_numpy(np.array(tool.Colours(points).open(row))).permute(2, 0, 1) for row in range(2)
    ])  # fmt: skip
    features = backbone.run(backbone.normalise(images))
    assert torch.allclose(features[:, :3], torch.cat([torch.from_numpy(points).float(), torch.ones(2, 1)], 1), atol=1 / 255)
    assert not features[:, 3:].any()


def test_all_methods_are_drawn(tool: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tool, "SIDE", 6)
    monkeypatch.setattr(tool, "NAMES", ("zero-shot", "gda", "transclip"))
    figure = tool.drawn()
    assert [axis.get_title() for axis in figure.axes][:3] == ["zero-shot", "gda", "transclip"]
    assert [len(axis.images) for axis in figure.axes][:3] == [1, 1, 1]
