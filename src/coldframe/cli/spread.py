"""One command over the processes of ``torchrun``: the first one prints, and what cannot be spread is refused."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from coldframe.cli import common
from coldframe.errors import InputError

SPREAD = "fine-tune"
"""The method whose training can be spread over processes."""


def hush() -> None:
    """Keep torch from warning, in each process, of what it was asked for; to be called before torch is imported."""
    if "RANK" in os.environ:
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")


def alone(verb: str) -> None:
    """Refuse to run a verb several times beside itself.

    Raises:
        InputError: torchrun started several processes; the first of them says it, and the others end without a word.
    """
    size, rank = os.environ.get("WORLD_SIZE", "1"), os.environ.get("RANK", "")
    if size != "1" and rank:
        if rank != "0":
            raise SystemExit(2)
        raise InputError(
            f"expected one process for {verb}, found {size} of torchrun; only 'fit {SPREAD}', prepare and extract can share "
            "their work between processes: run it without torchrun, or compare and sweep with --cluster"
        )


@contextmanager
def processes(method: str, device: str | None, sharded: bool = False, **whole: bool) -> Iterator[str]:
    """Join the processes of torchrun for a fit; yield the device that the model is loaded to.

    Args:
        method: its name.
        device: as it was asked for.
        sharded: whether each process is to keep a share of the weights; the model is then loaded to the CPU.
        whole: options that need one process, by name: whether they were given.

    Raises:
        InputError: torchrun started several processes, for something that they cannot share; or none, for shares of weights.
    """
    if os.environ.get("WORLD_SIZE", "1") == "1" or "RANK" not in os.environ:
        if sharded:
            said = "expected several processes of torchrun for --shard-weights, found one"
            raise InputError(f"{said}; leave it out, or start them with torchrun")
        yield common.device_name(device)
        return
    from coldframe.training.ranks import joined, launched

    try:
        if method != SPREAD:
            alone(f"fit {method}")
        asked = [f"--{name.replace('_', '-')}" for name, given in whole.items() if given]
        if asked:
            raise InputError(f"expected no {asked[0]} beside torchrun, found one; leave it out, or run without torchrun")
        where = common.device_name(device)
        if where == "cuda":
            where = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
        with joined(where, sharded=sharded):
            yield "cpu" if sharded else where
    except InputError:
        if launched().first:
            raise
        raise SystemExit(2) from None  # the first process says it
