"""Compressed rows give the dense product and its gradients."""

from __future__ import annotations

import pytest
import torch

from coldframe.foundations.graphs import Rows, SparseFeatures, random_graph, weighted_sum
from coldframe.foundations.graphs import sparse as sparse_room
from coldframe.foundations.graphs.sparse import project, sum_and_self


def rectangle() -> tuple[Rows, torch.Tensor, torch.Tensor]:
    rows, columns = torch.tensor([0, 0, 2, 2, 2]), torch.tensor([1, 3, 0, 1, 3])
    values = torch.tensor([1.0, -2.0, 0.5, 3.0, 4.0], dtype=torch.float64)
    dense = torch.zeros(4, 5, dtype=torch.float64)
    dense[rows, columns] = values
    return Rows.of(rows, columns, 4, 5), values, dense


def test_the_product_is_the_dense_one_with_empty_rows_and_columns() -> None:
    rows, values, dense = rectangle()
    H = torch.randn(5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(weighted_sum(rows, values, H), dense @ H, rtol=0, atol=1e-14)
    turned, order = rows.transpose
    assert torch.allclose(weighted_sum(turned, values[order], dense[:, :2].contiguous()), dense.T @ dense[:, :2], atol=1e-14)
    assert rows.columns.dtype == torch.int32
    assert (turned.n_columns, len(turned.pointers)) == (4, 6) and turned.transpose[0].pointers.equal(rows.pointers)


def test_gradients_of_features_and_values_are_right(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sparse_room, "CHUNK", 2)
    rows, values, _ = rectangle()
    H = torch.randn(5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    assert torch.autograd.gradcheck(lambda v, h: weighted_sum(rows, v, h), (values.requires_grad_(), H))


@pytest.mark.parametrize("outputs", [3, 2])
def test_blocks_of_nodes_give_the_whole_and_right_gradients(monkeypatch: pytest.MonkeyPatch, outputs: int) -> None:
    monkeypatch.setattr(sparse_room, "BLOCK", 2)
    generator = torch.Generator().manual_seed(0)
    # Nodes 2 and 3, a whole block, gather nothing.
    rows, columns = torch.tensor([0, 0, 1, 4, 4, 6]), torch.tensor([1, 6, 0, 2, 4, 6])
    values = torch.rand(6, dtype=torch.float64, generator=generator)
    S = torch.zeros(7, 7, dtype=torch.float64)
    S[rows, columns] = values
    compressed = Rows.of(rows, columns, 7, 7)
    H, W, B, b = (
        torch.randn(shape, dtype=torch.float64, generator=generator).requires_grad_()
        for shape in ((7, 3), (outputs, 3), (outputs, 3), (outputs,))
    )
    assert torch.allclose(sum_and_self(compressed, values, H, W, B, b), S @ H @ W.T + H @ B.T + b, rtol=0, atol=1e-13)
    assert torch.autograd.gradcheck(lambda *a: sum_and_self(compressed, values, *a), (H, W, B, b))
    assert torch.autograd.gradcheck(lambda *a: sum_and_self(compressed, values, H.detach(), *a), (W, B))


def test_kept_values_follow_a_change_in_place() -> None:
    rows, values, _ = rectangle()
    order = rows.transpose[1]
    first = rows.turned(values)
    assert rows.turned(values) is first and torch.equal(first, values[order])
    values.mul_(2)
    assert torch.equal(rows.turned(values), values[order]) and torch.equal(rows.turned(values + 1), (values + 1)[order])


def test_no_buffer_of_edges_by_features_is_made() -> None:
    graph = random_graph(100, 20_000, generator=torch.Generator().manual_seed(0))
    H = torch.randn(100, 64, requires_grad=True)
    values = torch.ones(graph.arcs.shape[1])
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        weighted_sum(graph.rows, values, H).sum().backward()
    largest = max(event.cpu_memory_usage for event in profile.events())
    assert largest < graph.arcs.shape[1] * 64  # a quarter of such a buffer


def test_sparse_features_are_the_dense_ones() -> None:
    H = torch.tensor([[0.0, 2.0, 0.0], [0.0, 0.0, 0.0], [1.0, 0.0, -3.0]])
    W = torch.randn(4, 3, generator=torch.Generator().manual_seed(1), requires_grad=True)
    kept = SparseFeatures.of(H)
    assert kept.shape == (3, 3) and torch.equal(kept.dense(), H)
    assert torch.allclose(project(kept, W), H @ W.T, atol=1e-6)
    project(kept, W).square().sum().backward()
    found, W.grad = W.grad, None
    (H @ W.T).square().sum().backward()
    assert found is not None and torch.allclose(found, W.grad, atol=1e-5)


def test_indices_are_short_as_long_as_they_fit_and_parts_are_whole_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    one = torch.tensor([0])
    assert [Rows.of(one, one, 1, n).columns.dtype for n in (2**31 - 1, 2**31)] == [torch.int32, torch.int64]
    monkeypatch.setattr(sparse_room, "BLOCK", 2)
    monkeypatch.setattr(sparse_room, "PARTS", 3)
    assert sparse_room._parts(torch.zeros(7, 1)) == [slice(0, 4), slice(4, 7)]  # of 4 blocks a third is 2
    assert sparse_room._parts(torch.zeros(6, 1)) == [slice(0, 2), slice(2, 4), slice(4, 6)]
    assert sparse_room._parts(torch.zeros(0, 1)) == [slice(0, 0)]
