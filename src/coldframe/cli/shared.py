"""Options that mean the same in several verbs: one type for each, with its line in the help."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import Parameter

from coldframe.cli import common, numbers
from coldframe.types import Fit

Square = Annotated[
    Fit | None,
    Parameter(
        name="--fit",
        help="How pictures become square: crop the centre, squash both sides, pad with black, or as-is for pictures of the "
        "model's size; by default the model's own way. It is part of the preprocessing and of every digest.",
    ),
]
"""A way to make pictures square; named ``fit_`` where it stands, because ``--fit`` is its name on the command line."""
Own = Annotated[
    list[str] | None,
    Parameter(
        help="FILE.py:NAME of a method or model of your own that a run was made with. Repeat the option for several.",
    ),
]
"""A user's own classes."""
Device = Annotated[str | None, Parameter(help="cpu, cuda or cuda:N; by default a GPU if there is one.")]
"""Where to compute."""
Precision = Annotated[Literal["fp32", "bf16"], Parameter(help="Weights and arithmetic of the frozen part.")]
"""Of what is not trained."""
Storage = Annotated[
    Literal["fp32", "bf16"],
    Parameter(help="How activations are stored; bf16 takes half the space and is an approximation, which reports name."),
]
"""Of the cold pass."""
BudgetGb = Annotated[
    numbers.Gigabytes | None,
    Parameter(help="Most gigabytes that stored activations of one cut may take; by default half of the free disk."),
]
"""Of the cold pass."""
Frozen = Annotated[numbers.Batch, Parameter(help="Images in one forward pass of the frozen part.")]
"""A batch of the cold pass."""
Decoded = Annotated[numbers.Batch, Parameter(help="Images decoded together, and run together on a GPU.")]
"""A batch of an extraction."""
Engine = Annotated[
    common.Engine,
    Parameter(
        help="What runs the frozen part in the cold pass: eager PyTorch (every bit), folded, onnxruntime or compile (equal to "
        "1e-4, checked on the first images), or auto, the fastest that is installed.",
    ),
]
"""Of the cold pass."""
OnError = Annotated[
    Literal["raise", "skip"],
    Parameter(help="What to do with images that do not decode: stop, or skip and count them by reason."),
]
"""Of data."""
OnErrorBefore = Annotated[
    Literal["raise", "skip"],
    Parameter(help="What to do with images that do not decode: stop before any work, or skip and count them by reason."),
]
"""Of files, all of which are looked at first."""
Download = Annotated[
    bool, Parameter(help="Fetch weights and data that are not on this machine; without it no network is used.")
]
"""Of models and data."""
DownloadWeights = Annotated[bool, Parameter(help="Fetch weights that are not on this machine; without it no network is used.")]
"""Of models."""
ShardWeights = Annotated[
    bool,
    Parameter(help="Under torchrun: each process keeps a share of the weights, for networks that do not fit into one GPU."),
]
"""Of a fine-tune over several processes."""
Cluster = Annotated[
    str | None,
    Parameter(
        help="Run fits, or shards, in groups on a cluster: slurm:partition=NAME,minutes=60,cpus=1,gpus=0 (extra cluster), or "
        "ray:ADDRESS,cpus=1,gpus=0 (extra ray); only the first word is needed. All machines must see what is read and written.",
    ),
]
"""Where groups of work run."""
Groups = Annotated[numbers.Count, Parameter(help="How many groups --cluster makes; each should take a minute or more.")]
"""Of a cluster."""
Only = Annotated[
    str | None,
    Parameter(
        help="i/n: run the i-th of n groups of fits into --out and stop, as --cluster does; 0/n is the cold pass alone.",
    ),
]
"""One group of fits."""
