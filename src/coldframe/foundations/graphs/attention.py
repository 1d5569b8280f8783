"""Attention over neighbours: the GAT layer, and a transformer's self-attention as the same thing on the complete graph."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from coldframe.errors import InputError
from coldframe.foundations.graphs.by_name import named
from coldframe.foundations.graphs.convolution import Activation, new_matrix
from coldframe.foundations.graphs.graph import Graph
from coldframe.foundations.graphs.messages import check_features
from coldframe.foundations.graphs.sparse import Features, project, weighted_sum
from coldframe.values import FRACTION, WIDTH


def softmax_over_neighbours(graph: Graph, scores: Tensor) -> Tensor:
    """Return exp(s_uv) / sum over u' in N(v) of exp(s_u'v), with the largest score of each target subtracted first.

    Args:
        graph: says which arcs share a target.
        scores: one row per arc, in the order of ``graph.arcs`` [M, heads].

    Returns:
        [M, heads]; the rows of one target add up to 1.
    """
    targets = graph.arcs[1]
    places = targets[:, None].expand_as(scores)
    highest = scores.new_zeros(graph.n, scores.shape[1])
    # Subtracting a constant does not change a softmax, so no gradient is owed through it.
    highest = highest.scatter_reduce(0, places, scores.detach(), "amax", include_self=False)
    powers = (scores - highest[targets]).exp()
    total = scores.new_zeros(graph.n, scores.shape[1]).index_add(0, targets, powers)
    return powers / total[targets]


class GraphAttention(nn.Module):
    """The GAT layer: h'_v = sigma(sum over u in N(v) and v itself of alpha_uv W h_u + b), for each head.

    alpha_uv = softmax over u of LeakyReLU(a_s . W h_u + a_t . W h_v), slope 0.2. Arc weights do not enter. Each head gathers
    by compressed rows, so no buffer of arcs by features is made; the gradient of alpha is made in chunks of arcs.

    Args:
        inputs: D.
        outputs: E, width of one head.
        heads: number of heads.
        concat: whether heads stand side by side [N, heads x E]; else their mean [N, E].
        dropout: share of the alphas set to 0 in training.
        activation: sigma; None leaves the sum as it is.
        generator: source of the initial weights and of the dropout.

    Source: Velickovic et al. 2018, Graph Attention Networks, equations 1 to 6.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        heads: int = 1,
        concat: bool = True,
        dropout: float = 0.0,
        activation: Activation | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        heads = WIDTH.check("heads", heads)
        self.heads, self.concat, self.activation = heads, concat, activation
        self.W = new_matrix(heads * outputs, inputs, generator)
        self.source = new_matrix(heads, outputs, generator)
        self.target = new_matrix(heads, outputs, generator)
        self.bias = nn.Parameter(torch.zeros(heads * outputs if concat else outputs))
        self.dropout = Dropout(dropout, generator)
        self._seen: tuple[Graph, Graph] | None = None

    def forward(self, graph: Graph, features: Features) -> Tensor:
        """Return H' [N, heads x E], or [N, E] when heads are averaged, from H [N, D]."""
        check_features(graph, features, self.W.shape[1])
        if self._seen is None or self._seen[0] is not graph:
            # Loops made under inference mode could never be trained with afterwards.
            with torch.inference_mode(False):
                self._seen = (graph, graph.with_self_loops())
        looped = self._seen[1]
        values = project(features, self.W).reshape(graph.n, self.heads, -1)  # [N, heads, E]
        from_source, to_target = (values * self.source).sum(-1), (values * self.target).sum(-1)  # [N, heads]
        scores = F.leaky_relu(from_source[looped.arcs[0]] + to_target[looped.arcs[1]], 0.2)  # [M, heads]
        alphas = self.dropout(softmax_over_neighbours(looped, scores))
        gathered = [weighted_sum(looped.rows, alphas[:, k].contiguous(), values[:, k]) for k in range(self.heads)]
        result = torch.cat(gathered, dim=1) if self.concat else torch.stack(gathered).mean(dim=0)
        result = result + self.bias
        return result if self.activation is None else self.activation(result)


class Dropout(nn.Module):
    """Dropout from a generator of its own: in training a share p is set to 0 and the rest divided by 1 - p."""

    def __init__(self, p: float, generator: torch.Generator | None = None) -> None:
        super().__init__()
        p = FRACTION.check("dropout", p)
        if p == 1:
            raise InputError(f"expected a dropout in [0, 1), found {p}; 0.5 is usual")
        self.p, self.generator = p, generator

    def forward(self, x: Tensor) -> Tensor:
        """Return x with some of it dropped."""
        if not self.training or self.p == 0:
            return x
        kept = torch.rand(x.shape, generator=self.generator, device=x.device) >= self.p
        return x * kept / (1 - self.p)


def attend_by_messages(tokens: Tensor, attention: nn.MultiheadAttention) -> Tensor:
    """Return what a transformer's self-attention gives, by message passing on the complete graph with self loops.

    Nodes are tokens; an arc u -> v carries the message alpha_uv v_u with alpha_uv = softmax over u of q_v . k_u / sqrt(d);
    messages are summed, and the update is the output projection.

    Args:
        tokens: one row a token [T, D].
        attention: a torch layer with its weights, one input projection and no dropout in use.

    Returns:
        [T, D]
    """
    if attention.in_proj_weight is None:
        raise InputError("expected queries, keys and values of one width, found several; leave out kdim and vdim")
    T, D = tokens.shape
    check_features(graph := named(f"complete:{T}").with_self_loops(), tokens, attention.embed_dim)
    heads = attention.num_heads
    q, k, v = F.linear(tokens, attention.in_proj_weight, attention.in_proj_bias).reshape(T, 3, heads, D // heads).unbind(1)
    source, target = graph.arcs
    scores = (q[target] * k[source]).sum(-1) / (D // heads) ** 0.5  # [M, heads]
    messages = softmax_over_neighbours(graph, scores)[:, :, None] * v[source]  # [M, heads, D / heads]
    gathered = messages.new_zeros(T, D).index_add(0, target, messages.flatten(1))
    return F.linear(gathered, attention.out_proj.weight, attention.out_proj.bias)
