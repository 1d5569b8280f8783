"""Cora is read as PyTorch Geometric reads it, and a file that would run code is refused."""

from __future__ import annotations

import os
import pickle
import shutil
import warnings
from pathlib import Path

import pytest
import torch

from coldframe.errors import DataError, InputError
from coldframe.foundations.graphs import load_planetoid
from coldframe.foundations.graphs.drawing import CORA_CLASSES


@pytest.mark.shared_data
def test_cora_is_what_pytorch_geometric_reads(shared_data: Path, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch_geometric.datasets import Planetoid

        (tmp_path / "Cora").mkdir()
        shutil.copytree(shared_data / "Planetoid" / "Cora" / "raw", tmp_path / "Cora" / "raw", copy_function=shutil.copyfile)
        theirs = Planetoid(str(tmp_path), "Cora")[0]
    ours = load_planetoid("cora")
    assert torch.equal(ours.graph.arcs, theirs.edge_index) and torch.equal(ours.labels, theirs.y)
    assert torch.allclose(ours.features.dense(), theirs.x / theirs.x.sum(dim=1, keepdim=True).clamp(min=1))
    for nodes, mask in ((ours.train, theirs.train_mask), (ours.val, theirs.val_mask), (ours.test, theirs.test_mask)):
        assert torch.equal(nodes, mask.nonzero()[:, 0])
    sizes = dict(zip(CORA_CLASSES, torch.bincount(ours.labels).tolist(), strict=True))
    assert sizes["neural networks"] == 818 and sizes["rule learning"] == 180  # the counts of the data set's own description


class _Runs:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("content", ["code", "damage", "absent"])
def test_foreign_files_are_not_run(tmp_path: Path, content: str) -> None:
    folder = tmp_path / "Planetoid" / "Cora" / "raw"
    folder.mkdir(parents=True)
    mark = tmp_path / "ran"
    if content != "absent":
        (folder / "ind.cora.x").write_bytes(pickle.dumps(_Runs(mark)) if content == "code" else b"\x80\x02not a pickle")
    with pytest.raises((DataError, OSError), match=r"do not trust|damage|no such file|No such file"):
        load_planetoid("cora", tmp_path)
    assert not mark.exists()


def test_missing_data_and_names_are_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLDFRAME_DATA", str(tmp_path))
    with pytest.raises(DataError, match="no such folder; put the raw files there or set COLDFRAME_DATA"):
        load_planetoid()
    with pytest.raises(InputError, match="did you mean 'cora'"):
        load_planetoid("corra")
