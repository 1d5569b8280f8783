"""What a verb says of itself: its command, a folder's name, the lines that describe a model and its data."""

from __future__ import annotations

import sys

import pytest
from fakes import TinyBackbone, split

from coldframe import FineTune, LinearProbe, NearestNeighbours
from coldframe.data.base import Dataset
from coldframe.types import PIXELS
from coldframe.verbs.watch import circumstances, command_line, describe_data, describe_model, folder_names, wanted


def test_the_command_can_be_typed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["anything", "compare", "--data", "folder:my pictures"])
    assert command_line() == "coldframe compare --data 'folder:my pictures'"


def test_specs_become_names_of_folders_and_no_two_the_same() -> None:
    names = folder_names(["mini:cifar10", "folder:/a b/c.d/", "folder:a/b", "folder:a-b", ".."])
    assert list(names.values()) == ["mini-cifar10", "folder-a-b-c.d", "folder-a-b", "folder-a-b-2", "unnamed"]


def test_models_and_data_are_described_in_a_line() -> None:
    backbone = TinyBackbone()
    line = describe_model(backbone)
    assert line.startswith(f"{backbone.name}, ") and line.endswith(f"({backbone.weights})")
    data = Dataset(spec="mini:any", train=split(8), val=split(4), test=split(6))
    assert describe_data([data]).startswith("mini:any: 8 train, 4 val, 6 test, ")


def test_what_stands_above_a_table_follows_from_the_data_and_the_methods() -> None:
    data = Dataset(spec="mini:any", train=split(8), val=split(4), test=split(6), origin="drawn")
    method = LinearProbe(TinyBackbone(), l2=1.0)
    about = circumstances(data, {"probe": method}, train=8)
    assert (about.model, about.parameters, about.splits, about.train) == (
        method.backbone.name, method.backbone.parameter_count, "drawn", 8,
    )  # fmt: skip
    assert about.settings == {"probe": repr(method)} and list(about.digests.values()) == [method.backbone.digest]
    two = circumstances(data, {"probe": method}, [TinyBackbone(), TinyBackbone()])
    assert two.parameters is None and two.model == f"{method.backbone.name}, {method.backbone.name}"


def test_the_cold_pass_is_asked_for_each_cut_once_and_never_for_pixels() -> None:
    backbone = TinyBackbone()
    methods = [LinearProbe(backbone), NearestNeighbours(backbone), FineTune(backbone, layers="all")]
    assert methods[2].cut == PIXELS and wanted(methods) == [("features", "plain")]
