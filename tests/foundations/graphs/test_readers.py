"""Edge lists, networkx and PyTorch Geometric give the graph they hold; damaged lines are named."""

from __future__ import annotations

import warnings
from pathlib import Path

import networkx
import pytest
import torch

from coldframe.errors import DataError, FileError, InputError
from coldframe.foundations.graphs import from_networkx, from_pyg, open_graph, read_edges

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from torch_geometric.data import Data


@pytest.mark.parametrize(
    "text", ["source,target\n0,1\n1,2\n", "# two edges\n0 1\n\n1\t2\n", "0;1\r\n1;2\r\n", "\ufeff0,1\n1,2"]
)
def test_edge_lists_in_their_usual_shapes(tmp_path: Path, text: str) -> None:
    (tmp_path / "g.csv").write_text(text, encoding="utf-8")
    assert read_edges(tmp_path / "g.csv").adjacency_lists() == [[0, 1, 0], [1, 0, 1], [0, 1, 0]]


def test_a_third_column_is_the_weight_and_directed_keeps_one_way(tmp_path: Path) -> None:
    (tmp_path / "g.csv").write_text("u,v,w\n0,1,0.5\n2,1,-2\n")
    assert read_edges(tmp_path / "g.csv", directed=True).adjacency_lists() == [[0, 0.5, 0], [0, 0, 0], [0, -2, 0]]


@pytest.mark.parametrize(
    ("text", "line"),
    [("0,1\n1,x\n", 2), ("0,1\n1\n", 2), ("0,1,2\n1,2\n", 2), ("0,1\n1,2,3\n", 2), ("0.5,1\n", 1), ("0,1,2,3\n", 1)],
)
def test_a_damaged_line_is_named(tmp_path: Path, text: str, line: int) -> None:
    (tmp_path / "g.csv").write_text(text)
    with pytest.raises(DataError, match=f"line {line}: expected"):
        read_edges(tmp_path / "g.csv")


def test_absent_and_empty_files(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="cannot read"):
        open_graph(str(tmp_path / "absent.csv"))
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(InputError, match="empty one"):
        open_graph(str(tmp_path / "empty.csv"))
    (tmp_path / "large.csv").write_text("0,99999999999\n")
    with pytest.raises(DataError, match="numbered from 0"):
        open_graph(str(tmp_path / "large.csv"))


def test_names_and_files_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "edges.txt").write_text("0 1\n")
    assert open_graph(str(tmp_path / "edges.txt")).n == 2
    assert open_graph("wheel:5").n == 5
    with pytest.raises(InputError, match="did you mean 'karate'"):
        open_graph("karat")
    with pytest.raises(InputError, match="undirected"):
        open_graph("star:4", directed=True)


def test_networkx_graphs_keep_order_direction_and_weights() -> None:
    theirs = networkx.DiGraph()
    theirs.add_edge("b", "a", w=2)
    theirs.add_edge("a", "c", w=3)
    graph = from_networkx(theirs, weight="w")
    assert graph.adjacency_lists() == [[0, 2, 0], [0, 0, 3], [0, 0, 0]]
    assert not from_networkx(networkx.path_graph(3)).directed
    with pytest.raises(InputError, match="multigraph"):
        from_networkx(networkx.MultiGraph())
    with pytest.raises(InputError, match="on every edge"):
        from_networkx(networkx.path_graph(3), weight="w")


def test_pyg_data_is_undirected_only_when_every_arc_has_its_reverse() -> None:
    there = torch.tensor([[0, 1], [1, 2]])
    both = torch.cat([there, there.flip(0)], dim=1)
    assert from_pyg(Data(edge_index=there, num_nodes=4)).directed
    graph = from_pyg(Data(edge_index=both, num_nodes=4))
    assert not graph.directed and graph.n == 4 and graph.edge_count == 2
    weighted = Data(edge_index=both, edge_weight=torch.tensor([1.0, 2.0, 1.0, 3.0]), num_nodes=3)
    assert from_pyg(weighted).directed


def test_the_largest_node_and_a_long_line(tmp_path: Path) -> None:
    (tmp_path / "g.csv").write_text(f"0,{2**31 - 1}\n")
    assert read_edges(tmp_path / "g.csv").n == 2**31
    (tmp_path / "g.csv").write_text(f"0,1\n5,{2**31}\n")
    with pytest.raises(DataError, match=f"numbered from 0, found {2**31}; number them first"):
        read_edges(tmp_path / "g.csv")
    (tmp_path / "g.csv").write_text("0,1\n" + "x" * 70)
    with pytest.raises(DataError, match=f"line 2: .* found '{'x' * 60}'; mend"):
        read_edges(tmp_path / "g.csv")


def test_paths_and_names_that_are_not_there_or_are_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "karate").write_text("0 1\n")
    assert open_graph("karate").n == 2 and open_graph("karate", directed=True).edge_count == 1
    for absent in ("absent.csv", "folder/absent"):
        with pytest.raises(FileError, match="cannot read"):
            open_graph(absent)
    for name in ("stars", "stars:7", "a.csv:7"):
        with pytest.raises(InputError, match="unknown graph"):
            open_graph(name)


def test_pyg_weights_count_when_direction_is_read() -> None:
    both = torch.tensor([[0, 1, 1, 2], [1, 2, 0, 1]])
    assert not from_pyg(Data(edge_index=both, edge_weight=torch.tensor([1.0, 2.0, 1.0, 2.0]), num_nodes=3)).directed
    ring = torch.tensor([[0, 1, 2], [1, 2, 0]])
    assert from_pyg(Data(edge_index=ring, edge_weight=torch.ones(3), num_nodes=3)).directed
