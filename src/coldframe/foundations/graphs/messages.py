"""The general scheme: a message along every arc, gathered at its target, and an update of every node.

    m_v = AGGREGATE over u in N(v) of message(h_v, h_u, e_uv)          h'_v = update(h_v, m_v)

Source: Gilmer et al. 2017, Neural Message Passing for Quantum Chemistry, equations 1 and 2.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from coldframe.errors import InputError, nearest
from coldframe.foundations.graphs.graph import Graph
from coldframe.foundations.graphs.sparse import Features

Aggregation = Literal["sum", "mean", "max"]
Message = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(h_v [M, D], h_u [M, D], e_uv [M, F]) -> messages [M, E]."""
Update = Callable[[Tensor, Tensor], Tensor]
"""(h_v [N, D], m_v [N, E]) -> h'_v [N, D']."""


def check_features(graph: Graph, features: Features, width: int | None = None) -> None:
    """Raise unless there is one row of features for each node, of the width a layer expects.

    Raises:
        InputError: the height is not N, or the width not ``width``.
    """
    shape = tuple(features.shape)
    if len(shape) != 2 or shape[0] != graph.n:
        raise InputError(
            f"expected one row of features for each of {graph.n} nodes, found shape {list(shape)}; give [{graph.n}, D]"
        )
    if width is not None and shape[1] != width:
        raise InputError(f"expected features of width {width}, found {shape[1]}; build the layer with {shape[1]} inputs")


def check_positive(graph: Graph) -> None:
    """Raise where a weight is negative: a mean over neighbours divides by degrees, which must not cancel out.

    Raises:
        InputError: a weight is negative.
    """
    if graph.weights is not None and bool((graph.weights < 0).any()):
        at = int((graph.weights < 0).nonzero()[0, 0])
        u, v = graph.arcs[:, at].tolist()
        raise InputError(
            f"expected positive weights, since degrees divide, found {float(graph.weights[at]):g} on the arc {u} -> {v}; "
            "use aggregate='sum', or shift the weights"
        )


def gather(messages: Tensor, graph: Graph, aggregate: Aggregation) -> Tensor:
    """Gather one message an arc at its target; a node that gets none has 0.

    Args:
        messages: in the order of ``graph.arcs`` [M, E].
        graph: says where they go.
        aggregate: ``sum``; ``mean``, the sum over the number of arcs; ``max``, each column by itself (where several
            messages are largest, the gradient is shared among them).

    Returns:
        [N, E]
    """
    if aggregate not in get_args(Aggregation):
        raise InputError(f"unknown aggregation {aggregate!r}{nearest(aggregate, get_args(Aggregation))}")
    targets = graph.arcs[1]
    zeros = messages.new_zeros(graph.n, messages.shape[1])
    if aggregate == "max":
        return zeros.scatter_reduce(0, targets[:, None].expand_as(messages), messages, "amax", include_self=False)
    total = zeros.index_add(0, targets, messages)
    if aggregate == "sum":
        return total
    count = torch.bincount(targets, minlength=graph.n).clamp(min=1)
    return total / count[:, None].to(messages.dtype)


class MessagePassing(nn.Module):
    """One round of message passing with the functions you give; modules among them are trained with it.

    It makes one row for every arc, which is what lets the message be any function; :class:`MeanConv` is the special
    case that needs no such rows.

    Args:
        message: see :data:`Message`; e_uv are the arc weights [M, 1] unless the call gives features of the arcs.
        update: see :data:`Update`.
        aggregate: see :func:`gather`.

    Example:
        >>> graph = Graph.of([(0, 1), (1, 2)])
        >>> degree = MessagePassing(lambda v, u, e: e, lambda v, m: m)
        >>> degree(graph, torch.zeros(3, 1)).tolist()
        [[1.0], [2.0], [1.0]]
    """

    def __init__(self, message: Message, update: Update, aggregate: Aggregation = "sum") -> None:
        super().__init__()
        if aggregate not in get_args(Aggregation):
            raise InputError(f"unknown aggregation {aggregate!r}{nearest(aggregate, get_args(Aggregation))}")
        self.message, self.update, self.aggregate = message, update, aggregate

    def forward(self, graph: Graph, features: Tensor, arc_features: Tensor | None = None) -> Tensor:
        """Return h' [N, D'] from h [N, D] and, where given, features of the arcs in the order of ``graph.arcs`` [M, F]."""
        check_features(graph, features)
        arcs = graph.arc_weights(features.dtype)[:, None] if arc_features is None else arc_features
        if arcs.ndim != 2 or arcs.shape[0] != graph.arcs.shape[1]:
            raise InputError(
                f"expected one row of features for each of {graph.arcs.shape[1]} arcs, found shape {list(arcs.shape)}; "
                "give them in the order of graph.arcs"
            )
        source, target = graph.arcs
        messages = self.message(features[target], features[source], arcs)  # [M, E]
        return self.update(features, gather(messages, graph, self.aggregate))
