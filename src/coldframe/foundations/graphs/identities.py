"""What the course asks to show on paper, as measurements: each finding states a claim and the largest difference seen."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from coldframe.foundations.graphs.attention import GraphAttention, attend_by_messages
from coldframe.foundations.graphs.convolution import GCNConv, MeanConv, convolve_matrix, convolve_nodes, convolve_sparse
from coldframe.foundations.graphs.graph import Graph
from coldframe.foundations.graphs.messages import Aggregation, MessagePassing, gather
from coldframe.foundations.graphs.powers import power, walks

EQUAL = 1e-10
"""Largest difference in float64 at which two results are the same."""
APART = 1e-3
"""Smallest difference at which two results are not."""

Layer = Callable[[Graph, Tensor], Tensor]


@dataclass(frozen=True)
class Finding:
    """One measured claim.

    Args:
        claim: what is said, in words.
        difference: the largest absolute difference that was seen.
        equal: whether the claim says that it is 0 (up to rounding), or that it is not.
        detail: how it was measured, or the counterexample.
    """

    claim: str
    difference: float
    equal: bool = True
    detail: str = ""

    @property
    def holds(self) -> bool:
        """Whether the measurement bears the claim out."""
        return self.difference <= EQUAL if self.equal else self.difference >= APART

    @property
    def meant(self) -> str:
        """What the difference has to be for the claim to hold."""
        return f"0, up to {EQUAL:.0e}" if self.equal else f"not 0, {APART:.0e} or more"


def check_equivariance(
    layer: Layer, graph: Graph, inputs: int, *, permutations: int = 5, seed: int = 0, name: str = "layer"
) -> Finding:
    """Measure whether renaming the nodes only renames the outputs: f(P A P^T, P H) = P f(A, H).

    Args:
        layer: (graph, H [N, D]) -> [N, E], in float64 and without randomness.
        graph: N nodes.
        inputs: D; H is drawn from N(0, 1).
        permutations: how many random renamings are tried.
        seed: of the features and the renamings.
        name: what the finding calls the layer.
    """
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(graph.n, inputs, dtype=torch.float64, generator=generator)
    worst = 0.0
    with torch.no_grad():
        before = layer(graph, features)  # [N, E]
        for _ in range(permutations):
            order = torch.randperm(graph.n, generator=generator)
            moved = torch.empty_like(features)
            moved[order] = features
            worst = max(worst, float((layer(graph.relabelled(order), moved)[order] - before).abs().max()))
    return Finding(f"{name}: renaming nodes only renames outputs", worst, detail=f"{permutations} random renamings")


def check_forms(graph: Graph, *, inputs: int = 5, outputs: int = 4, seed: int = 0) -> Finding:
    """Measure whether the mean convolution is the same node by node, as matrices, sparse, and as message passing."""
    generator = torch.Generator().manual_seed(seed)
    H = torch.randn(graph.n, inputs, dtype=torch.float64, generator=generator)
    W, B = torch.randn(2, outputs, inputs, dtype=torch.float64, generator=generator)
    matrix = convolve_matrix(graph, H, W, B)
    total = MessagePassing(lambda v, u, e: torch.cat([e * u, e], dim=1), lambda v, m: m)(graph, H)  # [N, D + 1]
    mean = torch.where(total[:, -1:] > 0, total[:, :-1] / total[:, -1:], 0)
    others = [convolve_nodes(graph, H, W, B), convolve_sparse(graph, H, W, B), mean @ W.T + H @ B.T]
    worst = max(float((other - matrix).abs().max()) for other in others)
    return Finding("matrix form = node by node = sparse = messages", worst, detail="sigma(D^-1 A H W^T + H B^T)")


def check_linearity(graph: Graph, aggregate: Aggregation, *, seed: int = 0) -> Finding:
    """Measure whether an aggregation has a matrix form: with one, gather(X + Y) = gather(X) + gather(Y) for all X, Y.

    Sum and mean pass. For max a counterexample is found, and one is enough: the node and the numbers stand in the detail.

    Args:
        graph: has a node with two neighbours or more, else max of one number is linear.
        aggregate: ``sum``, ``mean`` or ``max``.
        seed: of the features, whole numbers from -3 to 3.
    """
    generator = torch.Generator().manual_seed(seed)

    def gathered(H: Tensor) -> Tensor:
        return gather(H[graph.arcs[0]], graph, aggregate)

    for _ in range(100):
        X, Y = torch.randint(-3, 4, (2, graph.n, 1), generator=generator).double()
        together, apart = gathered(X + Y), gathered(X) + gathered(Y)  # [N, 1]
        if (together - apart).abs().max() > EQUAL:
            break
    difference, node = (together - apart).abs()[:, 0].max(dim=0)
    if aggregate != "max":
        claim = f"{aggregate} is linear, so it has a matrix form"
        return Finding(claim, float(difference), detail="gather(X + Y) = gather(X) + gather(Y), 100 draws")
    v = int(node)
    near = graph.arcs[0, graph.arcs[1] == v]
    x, y = X[near, 0].int().tolist(), Y[near, 0].int().tolist()
    shown = f"node {v}: X = {_short(x)}, Y = {_short(y)}: max(X + Y) = {int(together[v])}, max X + max Y = {int(apart[v])}"
    return Finding("max is not linear, so it has no matrix form", float(difference), equal=False, detail=shown)


def _short(values: Sequence[int]) -> str:
    return str(values) if len(values) <= 8 else str(values[:8])[:-1] + ", ...]"


def check_attention(*, tokens: int = 7, width: int = 8, heads: int = 2, seed: int = 0) -> Finding:
    """Measure self-attention as message passing on the complete graph against ``torch.nn.MultiheadAttention``."""
    attention, x = _attention(tokens, width, heads, seed)
    with torch.no_grad():
        theirs = attention(x[None], x[None], x[None], need_weights=False)[0][0]
        worst = float((attend_by_messages(x, attention) - theirs).abs().max())
    claim = "self-attention = messages on the complete graph"
    return Finding(claim, worst, detail=f"{heads} heads, against nn.MultiheadAttention")


def check_order(*, tokens: int = 7, width: int = 8, heads: int = 2, seed: int = 0) -> tuple[Finding, Finding]:
    """Measure that attention alone does not see order, and that positional encodings bring it back.

    The tokens are reversed and the outputs turned back: without encodings nothing changes, with them every output does.
    """
    attention, x = _attention(tokens, width, heads, seed)
    order = torch.arange(tokens - 1, -1, -1)
    position = sinusoids(tokens, width)

    def difference(encoding: Tensor | float) -> float:
        with torch.no_grad():
            turned = attend_by_messages(x[order] + encoding, attention)[order]
            return float((turned - attend_by_messages(x + encoding, attention)).abs().max())

    return (
        Finding("attention without positions does not see order", difference(0.0), detail="tokens reversed"),
        Finding("positional encodings restore order", difference(position), equal=False, detail="the same, sinusoids added"),
    )


def sinusoids(tokens: int, width: int) -> Tensor:
    """Return positional encodings: sin(t / 10000^(2i / D)) in even columns 2i, cos of the same in odd ones [T, D].

    Source: Vaswani et al. 2017, Attention Is All You Need, section 3.5.
    """
    rate = torch.exp(torch.arange(0, width, 2, dtype=torch.float64) * (-math.log(10_000.0) / width))
    angle = torch.arange(tokens, dtype=torch.float64)[:, None] * rate  # [T, D / 2]
    return torch.stack([angle.sin(), angle.cos()], dim=2).flatten(1)[:, :width]


def _attention(tokens: int, width: int, heads: int, seed: int) -> tuple[nn.MultiheadAttention, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    attention = nn.MultiheadAttention(width, heads, batch_first=True, dtype=torch.float64).eval()
    with torch.no_grad():
        for parameter in attention.parameters():
            parameter.copy_(torch.randn(parameter.shape, dtype=torch.float64, generator=generator) / width**0.5)
    return attention, torch.randn(tokens, width, dtype=torch.float64, generator=generator)


def check_walks(graph: Graph, length: int = 3) -> Finding:
    """Measure (A^n)_uv against walks listed one by one, weighted by the product of their weights, for every pair of nodes."""
    counts = power(graph, length).double()
    A = graph.adjacency(torch.float64)
    worst = 0.0
    for u in range(graph.n):
        for v in range(graph.n):
            listed = sum(math.prod(float(A[a, b]) for a, b in pairwise(walk)) for walk in walks(graph, length, u, v))
            worst = max(worst, abs(listed - float(counts[u, v])))
    return Finding(f"(A^{length})_uv = number of walks of length {length}", worst, detail=f"all {graph.n**2} pairs listed")


def check_all(graph: Graph, *, seed: int = 0) -> list[Finding]:
    """Run every identity on one graph; weights must be positive, since degrees divide.

    Args:
        graph: N nodes. Walks are listed for graphs of up to 40 nodes.
        seed: of features, weights and renamings.
    """
    generator = torch.Generator().manual_seed(seed)
    layers: dict[str, nn.Module] = {
        "mean convolution": MeanConv(5, 4, bias=True, activation=torch.relu, generator=generator),
        "GCN": GCNConv(5, 4, activation=torch.relu, generator=generator),
        "GAT": GraphAttention(5, 4, heads=2, activation=torch.relu, generator=generator),
    }
    found = [check_equivariance(layer.double(), graph, 5, seed=seed, name=name) for name, layer in layers.items()]
    found += [check_forms(graph, seed=seed)]
    found += [check_linearity(graph, "sum", seed=seed), check_linearity(graph, "mean", seed=seed)]
    if int(torch.bincount(graph.arcs[1], minlength=1).max()) > 1:
        found += [check_linearity(graph, "max", seed=seed)]
    found += [check_attention(seed=seed), *check_order(seed=seed)]
    if graph.n <= 40:
        found += [check_walks(graph)]
    return found
