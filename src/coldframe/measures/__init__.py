"""Measures: functions of arrays, or of any callable. Accuracies are fractions in [0, 1]."""

from coldframe.measures.accuracy import (
    confusion,
    correct,
    mean_per_class,
    per_class,
    top1,
    top5,
    topk,
)
from coldframe.measures.activation_memory import Fitted, ForwardMemory, fitted_memory, forward_memory
from coldframe.measures.calibration import Reliability, ece, reliability
from coldframe.measures.decision import MARGIN, Candidate, Decision, decide, standing
from coldframe.measures.hardware import available_memory, machine
from coldframe.measures.memory import PeakMemory, peak_memory
from coldframe.measures.operations import macs
from coldframe.measures.pairing import Difference, images_to_decide, paired
from coldframe.measures.significance import (
    Interval,
    Paired,
    interval,
    mcnemar,
    paired_bootstrap,
    t_quantile,
    wilson,
)
from coldframe.measures.timing import Latency, latencies, latency
from coldframe.measures.trade_off import Correlation, pareto, pearson

__all__ = [
    "MARGIN", "Candidate", "Correlation", "Decision", "Difference", "Fitted", "ForwardMemory", "Interval", "Latency",
    "Paired", "PeakMemory", "Reliability", "available_memory", "confusion", "correct", "decide", "ece",
    "fitted_memory", "forward_memory", "images_to_decide", "interval", "latencies", "latency", "machine", "macs",
    "mcnemar", "mean_per_class", "paired", "paired_bootstrap", "pareto", "peak_memory", "pearson", "per_class",
    "reliability", "standing", "t_quantile", "top1", "top5", "topk", "wilson",
]  # fmt: skip
