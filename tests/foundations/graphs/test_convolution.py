"""The three forms are one function; PyTorch Geometric's layers are the oracle, gradients included."""

from __future__ import annotations

import warnings

import pytest
import torch

from coldframe.errors import InputError
from coldframe.foundations.graphs import GCNConv, Graph, GraphAttention, MeanConv, SparseFeatures, named, random_graph
from coldframe.foundations.graphs.attention import Dropout, attend_by_messages, softmax_over_neighbours
from coldframe.foundations.graphs.convolution import new_matrix

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from torch_geometric.nn import GATConv, SAGEConv
    from torch_geometric.nn import GCNConv as TheirGCN


def graphs() -> list[Graph]:
    seeded = torch.Generator().manual_seed(5)
    loops = Graph.of([(0, 1), (1, 1), (2, 3), (3, 3), (0, 3)], 6, name="self loops, isolated nodes")
    weighted = Graph.of([(0, 1), (1, 2), (2, 0), (3, 3)], 5, weights=[0.5, 2, 3, 4], directed=True, name="weighted, directed")
    return [named("wheel:7"), loops, weighted, random_graph(40, 150, generator=seeded), Graph.of([], 3, name="no edges")]


@pytest.mark.parametrize("graph", graphs(), ids=lambda graph: graph.name)
@pytest.mark.parametrize(("inputs", "outputs"), [(3, 5), (5, 3)])
def test_the_three_forms_agree_in_values_and_gradients(graph: Graph, inputs: int, outputs: int) -> None:
    generator = torch.Generator().manual_seed(0)
    H = torch.randn(graph.n, inputs, dtype=torch.float64, generator=generator)
    aim = torch.randn(graph.n, outputs, dtype=torch.float64, generator=generator)
    found = []
    for form in ("node", "matrix", "sparse"):
        seeded = torch.Generator().manual_seed(1)
        layer = MeanConv(inputs, outputs, bias=True, activation=torch.tanh, form=form, generator=seeded).double()
        x = H.clone().requires_grad_()
        result = layer(graph, x)
        (result * aim).sum().backward()
        found.append([result.detach(), x.grad, layer.W.grad, layer.B.grad, layer.bias.grad])
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            a = torch.zeros_like(b) if a is None else a  # W takes no part in a sum over no neighbours
            assert (a - b).abs().max() < 1e-10


def test_an_isolated_node_keeps_its_own_part_alone() -> None:
    layer = MeanConv(2, 2)
    H = torch.randn(3, 2, generator=torch.Generator().manual_seed(0))
    result = layer(Graph.of([(0, 1)], 3), H)
    assert torch.allclose(result[2], layer.B @ H[2])
    assert torch.allclose(result[0], layer.W @ H[1] + layer.B @ H[0])


def compared(ours: torch.nn.Module, theirs: torch.nn.Module, graph: Graph, weights: torch.Tensor | None) -> None:
    """Run both on the same features and hold values and gradients of the features against each other."""
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(graph.n, 6, generator=generator)
    a, b = x.clone().requires_grad_(), x.clone().requires_grad_()
    mine = ours(graph, a)
    other = theirs(b, graph.arcs) if weights is None else theirs(b, graph.arcs, weights)
    aim = torch.randn(mine.shape, generator=generator)
    (mine * aim).sum().backward()
    (other * aim).sum().backward()
    assert (mine - other).abs().max() < 1e-5
    assert (a.grad - b.grad).abs().max() < 1e-5


@pytest.mark.parametrize("graph", [g for g in graphs() if g.weights is None], ids=lambda graph: graph.name)
@pytest.mark.parametrize("outputs", [4, 9])
def test_mean_convolution_is_sageconv(graph: Graph, outputs: int) -> None:
    ours, theirs = MeanConv(6, outputs, bias=True), SAGEConv(6, outputs)
    with torch.no_grad():
        ours.W.copy_(theirs.lin_l.weight)
        ours.bias.copy_(theirs.lin_l.bias)
        ours.B.copy_(theirs.lin_r.weight)
    compared(ours, theirs, graph, None)
    for mine, other in ((ours.W, theirs.lin_l.weight), (ours.B, theirs.lin_r.weight), (ours.bias, theirs.lin_l.bias)):
        assert (mine.grad - other.grad).abs().max() < 2e-5


@pytest.mark.parametrize("graph", graphs(), ids=lambda graph: graph.name)
@pytest.mark.parametrize("outputs", [4, 9])
def test_gcn_is_gcnconv(graph: Graph, outputs: int) -> None:
    ours, theirs = GCNConv(6, outputs), TheirGCN(6, outputs)
    with torch.no_grad():
        ours.W.copy_(theirs.lin.weight)
        ours.bias.copy_(theirs.bias.normal_())
    compared(ours, theirs, graph, None if graph.weights is None else graph.arc_weights())
    assert (ours.W.grad - theirs.lin.weight.grad).abs().max() < 2e-5


@pytest.mark.parametrize("graph", [g for g in graphs() if g.weights is None], ids=lambda graph: graph.name)
@pytest.mark.parametrize("concat", [True, False])
def test_attention_is_gatconv(graph: Graph, concat: bool) -> None:
    ours, theirs = GraphAttention(6, 4, heads=3, concat=concat), GATConv(6, 4, heads=3, concat=concat)
    with torch.no_grad():
        ours.W.copy_(theirs.lin.weight)
        ours.source.copy_(theirs.att_src[0])
        ours.target.copy_(theirs.att_dst[0])
        ours.bias.copy_(theirs.bias.normal_())
    plain = Graph.of(graph.arcs.T[graph.arcs[0] != graph.arcs[1]], graph.n, directed=True)  # theirs makes its loops anew
    compared(ours, theirs, plain, None)
    for mine, other in ((ours.W, theirs.lin.weight), (ours.source, theirs.att_src[0]), (ours.target, theirs.att_dst[0])):
        grad = other.grad if other.is_leaf else (theirs.att_src if mine is ours.source else theirs.att_dst).grad[0]
        assert (mine.grad - grad).abs().max() < 2e-5


@pytest.mark.parametrize("layer", [MeanConv(3, 2), MeanConv(3, 5), GCNConv(3, 2), GCNConv(3, 5), GraphAttention(3, 2)])
def test_sparse_features_give_what_dense_ones_do(layer: torch.nn.Module) -> None:
    H = torch.randn(7, 3, generator=torch.Generator().manual_seed(3)).relu()
    assert torch.allclose(layer(named("wheel:7"), SparseFeatures.of(H)), layer(named("wheel:7"), H), atol=1e-6)


@pytest.mark.parametrize("layer", [MeanConv(3, 2), GCNConv(3, 2), GraphAttention(3, 2)])
def test_features_of_the_wrong_height_or_width_are_one_sentence(layer: torch.nn.Module) -> None:
    with pytest.raises(InputError, match=r"each of 7 nodes, found shape \[6, 3\]"):
        layer(named("wheel:7"), torch.zeros(6, 3))
    with pytest.raises(InputError, match="features of width 3, found 4"):
        layer(named("wheel:7"), torch.zeros(7, 4))


@pytest.mark.parametrize("layer", [MeanConv(3, 2), MeanConv(3, 2, form="node"), GCNConv(3, 2)])
def test_negative_weights_are_refused_where_degrees_divide(layer: torch.nn.Module) -> None:
    graph = Graph.of([(0, 1), (1, 2)], weights=[1.0, -1.0])
    with pytest.raises(InputError, match="found -1 on the arc 2 -> 1"):
        layer(graph, torch.zeros(3, 3))


def test_layers_that_cannot_be_built_say_so() -> None:
    with pytest.raises(InputError, match="did you mean 'sparse'"):
        MeanConv(2, 2, form="spars")
    with pytest.raises(InputError, match="inputs to be a whole number from 1"):
        MeanConv(0, 2)
    with pytest.raises(InputError, match="heads to be a whole number from 1"):
        GraphAttention(2, 2, heads=0)


def test_a_layer_follows_when_graph_or_dtype_changes() -> None:
    layer = MeanConv(2, 2)
    H = torch.randn(5, 2, generator=torch.Generator().manual_seed(0))
    first = layer(named("star:5"), H)
    second = layer(named("cycle:5"), H)
    assert not torch.allclose(first, second)
    assert torch.allclose(layer(named("star:5"), H), first)
    assert layer.double()(named("star:5"), H.double()).dtype == torch.float64


@pytest.mark.slow
def test_a_million_nodes_and_ten_million_edges_fit_in_memory() -> None:
    graph = random_graph(1_000_000, 10_000_000, generator=torch.Generator().manual_seed(0))
    H = torch.randn(graph.n, 64, generator=torch.Generator().manual_seed(1), requires_grad=True)
    layer = MeanConv(64, 64, bias=True)
    layer(graph, H).sum().backward()
    # The gradient of the sum is known: column sums of D^-1 A^T times those of W, plus those of B.
    from coldframe.foundations.graphs.convolution import mean_weights

    reach = torch.zeros(graph.n).index_add(0, graph.arcs[0], mean_weights(graph, torch.float32))
    expected = reach[:1000, None] * layer.W.detach().sum(0) + layer.B.detach().sum(0)
    assert (H.grad[:1000] - expected).abs().max() < 1e-4


def test_weights_start_between_glorots_bounds() -> None:
    W = new_matrix(50, 70, torch.Generator().manual_seed(0)).detach()
    bound = (6 / (50 + 70)) ** 0.5
    assert 0.99 * bound < float(W.max()) <= bound and -bound <= float(W.min()) < -0.99 * bound
    assert abs(float(W.mean())) < 0.02 * bound


@pytest.mark.parametrize("layer", [MeanConv(2, 2), GCNConv(2, 2), GraphAttention(2, 2)])
def test_what_a_layer_keeps_of_a_graph_is_that_of_the_graph_and_the_dtype(layer: torch.nn.Module) -> None:
    star, cycle, H = named("star:5"), named("cycle:5"), torch.randn(5, 2, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        first = layer(star, H).clone()
    assert layer(star, H).requires_grad and torch.equal(layer(star, H), first)
    layer(star, H).sum().backward()  # what was kept under inference mode can be trained with
    assert not torch.allclose(layer(cycle, H), first)
    assert torch.allclose(layer.double()(cycle, H.double())[0], layer(named("cycle:5"), H.double())[0])
    assert torch.allclose(layer(star, H.double()), first.double(), atol=1e-6)


def test_scores_of_neighbours_may_be_large_or_very_small() -> None:
    graph = Graph.of([(0, 2), (1, 2)], 3, directed=True)
    for shift in (-1e4, 0.0, 1e4):
        found = softmax_over_neighbours(graph, torch.tensor([[shift], [shift + 1.0]]))
        torch.testing.assert_close(found[:, 0], torch.softmax(torch.tensor([0.0, 1.0]), dim=0), rtol=1e-3, atol=0)


def test_dropout_sets_a_share_to_zero_and_divides_the_rest() -> None:
    drop = Dropout(0.25, torch.Generator().manual_seed(0))
    found = drop(torch.full((100, 100), 3.0))
    assert sorted(set(found.flatten().tolist())) == [0.0, 4.0] and abs(float((found == 0).double().mean()) - 0.25) < 0.02
    x = torch.ones(3)
    assert drop.eval()(x) is x and Dropout(0.0)(x) is x


def test_attention_with_keys_of_another_width_is_one_sentence() -> None:
    with pytest.raises(InputError, match="queries, keys and values of one width"):
        attend_by_messages(torch.zeros(3, 4), torch.nn.MultiheadAttention(4, 2, kdim=3, vdim=3))
