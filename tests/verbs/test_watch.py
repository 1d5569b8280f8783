"""What a verb says of itself: its command, a folder's name, the lines that describe a model and its data."""

from __future__ import annotations

import sys

import pytest
from fakes import TinyBackbone, split

from coldframe.data.base import Dataset
from coldframe.verbs.watch import command_line, describe_data, describe_model, folder_name


def test_the_command_can_be_typed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["anything", "compare", "--data", "folder:my pictures"])
    assert command_line() == "coldframe compare --data 'folder:my pictures'"


def test_a_spec_becomes_the_name_of_a_folder() -> None:
    assert folder_name("mini:cifar10") == "mini-cifar10" and folder_name("folder:/a b/c.d/") == "folder--a-b-c.d"


def test_models_and_data_are_described_in_a_line() -> None:
    backbone = TinyBackbone()
    line = describe_model(backbone)
    assert line.startswith(f"{backbone.name}, ") and line.endswith(f"({backbone.weights})")
    data = Dataset(spec="mini:any", train=split(8), val=split(4), test=split(6))
    assert describe_data([data]).startswith("mini:any: 8 train, 4 val, 6 test, ")
