"""Citation graphs in the Planetoid files (Cora, CiteSeer, PubMed), with their official split.

The files are pickles of Python 2, NumPy and SciPy. A pickle may run any code when loaded, so it is not loaded: a reader that
knows six names, all of them stand-ins written here, rebuilds the arrays from their bytes and refuses everything else.

Source: Yang, Cohen and Salakhutdinov 2016, Revisiting Semi-Supervised Learning with Graph Embeddings.
"""

from __future__ import annotations

import io
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from coldframe import files
from coldframe.errors import DataError, InputError, nearest
from coldframe.foundations.graphs.graph import Graph
from coldframe.foundations.graphs.sparse import SparseFeatures

NAMES = {"cora": "Cora", "citeseer": "CiteSeer", "pubmed": "PubMed"}


@dataclass(frozen=True, eq=False)
class Citations:
    """A graph whose nodes are papers.

    Args:
        graph: undirected, N nodes.
        features: words of each paper, every row divided by its sum [N, D].
        labels: subject of each paper, int64 [N].
        train: nodes whose label may be trained on.
        val: nodes that choose between states of a network.
        test: nodes that are read at the end.
    """

    graph: Graph
    features: SparseFeatures
    labels: Tensor
    train: Tensor
    val: Tensor
    test: Tensor

    @property
    def classes(self) -> int:
        """K, number of subjects."""
        return int(self.labels.max()) + 1


def load_planetoid(name: str = "cora", root: str | Path | None = None) -> Citations:
    """Read a citation graph with its official split: 20 papers a class to train, 500 to validate, 1,000 to test.

    Args:
        name: ``cora``, ``citeseer`` or ``pubmed``.
        root: folder that holds ``Planetoid/``; the data folder when None.

    Raises:
        DataError: the files are not there, or hold something else.
    """
    if name.lower() not in NAMES:
        raise InputError(f"unknown citation graph {name!r}{nearest(name, NAMES)}")
    place = Path(root) if root is not None else files.data_root()
    if place is None:
        raise DataError(
            f"expected the data folder that holds Planetoid/{NAMES[name.lower()]}, found none; set COLDFRAME_DATA to it"
        )
    folder = place / "Planetoid" / NAMES[name.lower()] / "raw"
    if not folder.is_dir():
        raise DataError(
            f"expected the Planetoid files in {folder}, found no such folder; put the raw files there or set COLDFRAME_DATA"
        )
    stem = f"ind.{name.lower()}."
    parts = {key: _read(folder / (stem + key)) for key in ("x", "tx", "allx", "y", "ty", "ally", "graph")}
    try:
        order = np.array(files.read_text(folder / (stem + "test.index")).split(), dtype=np.int64)
        return _assemble(parts, order, name.lower())
    except (ValueError, IndexError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, InputError | DataError):
            raise
        raise DataError(
            f"expected the Planetoid files of {name} in {folder}, found parts that do not fit together; fetch them again"
        ) from error


def _assemble(parts: dict[str, Any], order: NDArray[np.int64], name: str) -> Citations:
    known, n = len(parts["ally"]), max(max(parts["graph"]) + 1, int(order.max()) + 1)
    rows = np.concatenate([np.arange(known), np.sort(order)])
    # Test papers stand in the file in the order of test.index: row i of tx is paper order[i]. CiteSeer lacks some.
    features = np.zeros((n, parts["allx"].shape[1]), dtype=np.float32)
    features[:known], features[order] = parts["allx"].dense(), parts["tx"].dense()
    targets = np.zeros((n, parts["ally"].shape[1]), dtype=np.int64)
    targets[:known], targets[order] = parts["ally"], parts["ty"]
    sums = features.sum(axis=1, keepdims=True)
    features = np.divide(features, sums, out=np.zeros_like(features), where=sums > 0)
    pairs = [(u, v) for u, ends in parts["graph"].items() for v in ends if u != v]
    trained = len(parts["y"])
    return Citations(
        Graph.of(pairs, n, name=name),
        SparseFeatures.of(torch.from_numpy(features)),
        torch.from_numpy(targets.argmax(axis=1)),
        torch.arange(trained),
        torch.arange(trained, trained + 500),
        torch.from_numpy(rows[known:].copy()),
    )


def _read(path: Path) -> Any:
    """Return what a file holds: an array, a :class:`_Matrix`, or a dict of lists."""
    content = files.read_bytes(path, files.MOST_TEXT)
    try:
        value = _Reader(io.BytesIO(content), encoding="latin1").load()
        return value.array() if isinstance(value, _Array) else value
    except DataError:
        raise
    except Exception as error:
        raise DataError(f"expected a Planetoid file in {path}, found damage or another format; fetch it again") from error


class _Dtype:
    """Stand-in for numpy.dtype: numbers only."""

    def __init__(self, code: str, *_: object) -> None:
        if code not in ("f4", "f8", "i4", "i8"):
            raise DataError(f"expected numbers in a Planetoid file, found the type {code!r}; fetch it again")
        self.code, self.order = code, "<"

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = state[1] if state[1] in "<>" else "<"


class _Array:
    """Stand-in for numpy.ndarray: its shape, type and bytes."""

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, self.shape, self.dtype, self.fortran, self.content = state

    def array(self) -> NDArray[Any]:
        """Return the array, in the machine's byte order."""
        content = self.content.encode("latin1") if isinstance(self.content, str) else self.content
        flat = np.frombuffer(content, dtype=self.dtype.order + self.dtype.code)
        shaped = flat.reshape(self.shape, order="F" if self.fortran else "C")
        return shaped.astype(self.dtype.code)


class _Matrix:
    """Stand-in for scipy.sparse.csr_matrix."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.shape = tuple(state["_shape"])
        self.data, self.indices, self.indptr = (state[key].array() for key in ("data", "indices", "indptr"))

    def dense(self) -> NDArray[np.float32]:
        """Return the matrix with its zeros."""
        result = np.zeros(self.shape, dtype=np.float32)
        result[np.repeat(np.arange(self.shape[0]), np.diff(self.indptr)), self.indices] = self.data
        return result


_KNOWN: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("numpy.core.multiarray", "_reconstruct"): lambda *_: _Array(),
    ("scipy.sparse.csr", "csr_matrix"): _Matrix,
    ("collections", "defaultdict"): lambda *_: {},
    ("__builtin__", "list"): list,
}


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _KNOWN:
            raise DataError(f"expected arrays in a Planetoid file, found a call of {module}.{name}; do not trust that file")
        return _KNOWN[module, name]
