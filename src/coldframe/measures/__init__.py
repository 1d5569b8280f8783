"""Measures: functions of arrays, or of any callable. Accuracies are fractions in [0, 1]."""

from coldframe.measures.accuracy import (
    confusion,
    correct,
    evaluate,
    mean_per_class,
    per_class,
    top1,
    top5,
    topk,
)
from coldframe.measures.calibration import Reliability, ece, reliability
from coldframe.measures.latency import Latency, latency
from coldframe.measures.machine import machine
from coldframe.measures.memory import PeakMemory, peak_memory
from coldframe.measures.significance import (
    Interval,
    Paired,
    interval,
    mcnemar,
    paired_bootstrap,
    t_quantile,
)

__all__ = [
    "Interval",
    "Latency",
    "Paired",
    "PeakMemory",
    "Reliability",
    "confusion",
    "correct",
    "ece",
    "evaluate",
    "interval",
    "latency",
    "machine",
    "mcnemar",
    "mean_per_class",
    "paired_bootstrap",
    "peak_memory",
    "per_class",
    "reliability",
    "t_quantile",
    "top1",
    "top5",
    "topk",
]
