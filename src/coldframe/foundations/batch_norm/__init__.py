"""The batch-normalisation laboratory: what it cancels, how it is folded away, and what small batches do to it."""

from coldframe.folding import Pair, find_pairs, fold_batch_norm
from coldframe.foundations.batch_norm.dot_product import Gradients, neuron, neuron_gradients, turn
from coldframe.foundations.batch_norm.invariance import Change, bias_redundancy, scale_invariance

__all__ = [
    "Change",
    "Gradients",
    "Pair",
    "bias_redundancy",
    "find_pairs",
    "fold_batch_norm",
    "neuron",
    "neuron_gradients",
    "scale_invariance",
    "turn",
]
