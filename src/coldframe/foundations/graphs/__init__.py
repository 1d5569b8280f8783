"""Graph networks, from adjacency matrices to message passing to transformers: exact, readable, fast on millions of edges."""

from coldframe.foundations.graphs.attention import GraphAttention, attend_by_messages, softmax_over_neighbours
from coldframe.foundations.graphs.by_name import named, random_graph
from coldframe.foundations.graphs.classifier import AdjacencyMLP, NodeClassifier
from coldframe.foundations.graphs.convolution import GCNConv, MeanConv, convolve_matrix, convolve_nodes, convolve_sparse
from coldframe.foundations.graphs.fitting import Fit, fit
from coldframe.foundations.graphs.graph import Graph
from coldframe.foundations.graphs.identities import Finding, check_all, check_equivariance, sinusoids
from coldframe.foundations.graphs.messages import MessagePassing, gather
from coldframe.foundations.graphs.planetoid import Citations, load_planetoid
from coldframe.foundations.graphs.powers import count_walks, power, walks
from coldframe.foundations.graphs.readers import from_networkx, from_pyg, open_graph, read_edges
from coldframe.foundations.graphs.sparse import Rows, SparseFeatures, weighted_sum

__all__ = [
    "AdjacencyMLP",
    "Citations",
    "Finding",
    "Fit",
    "GCNConv",
    "Graph",
    "GraphAttention",
    "MeanConv",
    "MessagePassing",
    "NodeClassifier",
    "Rows",
    "SparseFeatures",
    "attend_by_messages",
    "check_all",
    "check_equivariance",
    "convolve_matrix",
    "convolve_nodes",
    "convolve_sparse",
    "count_walks",
    "fit",
    "from_networkx",
    "from_pyg",
    "gather",
    "load_planetoid",
    "named",
    "open_graph",
    "power",
    "random_graph",
    "read_edges",
    "sinusoids",
    "softmax_over_neighbours",
    "walks",
    "weighted_sum",
]
