"""Cora is read as PyTorch Geometric reads it, and a file that would run code is refused."""

from __future__ import annotations

import os
import pickle
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

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


def as_published(value: object) -> bytes:
    """Pickle with the module names of the time in which the data set was made."""
    raw = pickle.dumps(value, protocol=3)
    return raw.replace(b"cnumpy._core.multiarray", b"cnumpy.core.multiarray").replace(
        b"cscipy.sparse._csr", b"cscipy.sparse.csr"
    )


def test_a_small_set_of_files_becomes_a_graph_in_the_order_of_the_papers(tmp_path: Path) -> None:
    folder = tmp_path / "Planetoid" / "Cora" / "raw"
    folder.mkdir(parents=True)
    words = np.array([[2.0, 0, 2], [0, 3, 0], [1, 1, 2]])
    parts = {
        "allx": csr_matrix(words), "x": csr_matrix(words[:2]), "tx": csr_matrix(np.array([[0, 0, 5.0], [4, 4, 0]])),
        "ally": np.asfortranarray([[1, 0], [0, 1], [0, 1]], dtype=">i4"), "y": np.eye(2, dtype="i8"),
        "ty": np.eye(2, dtype="f4"), "graph": {0: [1, 0], 1: [0, 5], 2: [1], 5: [3]},
    }  # fmt: skip
    for key, value in parts.items():
        (folder / f"ind.cora.{key}").write_bytes(as_published(value))
    (folder / "ind.cora.test.index").write_text("5\n3\n")  # paper 4 has no words and no label, as some of CiteSeer
    found = load_planetoid("Cora", tmp_path)
    assert found.graph.arcs.T.tolist() == [[1, 0], [0, 1], [2, 1], [5, 1], [1, 2], [5, 3], [1, 5], [3, 5]]
    expected = [[0.5, 0, 0.5], [0, 1, 0], [0.25, 0.25, 0.5], [0.5, 0.5, 0], [0, 0, 0], [0, 0, 1]]
    assert found.features.dense().tolist() == expected and found.labels.tolist() == [0, 1, 1, 1, 0, 0]
    assert found.train.tolist() == [0, 1] and found.test.tolist() == [3, 5] and found.classes == 2
    assert found.val.tolist() == list(range(2, 502))
    (folder / "ind.cora.ty").write_bytes(as_published(np.eye(2, dtype="i2")))
    with pytest.raises(DataError, match="found the type 'i2'"):
        load_planetoid("cora", tmp_path)
    (folder / "ind.cora.ty").write_bytes(as_published(np.eye(3)))
    with pytest.raises(DataError, match="parts that do not fit together"):
        load_planetoid("cora", tmp_path)
