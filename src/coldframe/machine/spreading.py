"""Coarse threads: one piece of work a thread, each run on that thread alone, in place of all threads on every small operation.

torch splits each operation over its threads and waits for the last of them before the next one starts. A network is hundreds
of operations, so on a machine that also does something else each of them may wait for a thread that is not running.
Here a pass over independent pieces (blocks of images, blocks of nodes) waits once, at its end, and a free thread takes the next
piece. The pieces do not depend on the number of threads, so results are the same bits on one thread and on many.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import TypeVar

import torch

Piece = TypeVar("Piece")
Made = TypeVar("Made")

_pools: dict[int, ThreadPoolExecutor] = {}
# A forked child has the dictionary but none of its threads.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pools.clear)


def spread(work: Callable[[Piece], Made], pieces: Sequence[Piece]) -> list[Made]:
    """Return ``work`` of each piece, in order, on as many threads as torch may use; each piece runs on one thread.

    Whether gradients are recorded, and inference mode, are the caller's. With one thread or one piece, or where torch's threads
    cannot be told apart (not on Linux, or another build), it is a plain loop.

    Args:
        work: called once a piece, from several threads at a time: it must not change what another piece reads.
        pieces: independent of each other and of the number of threads.

    Raises:
        Exception: what the first piece that failed raised.
    """
    threads = min(torch.get_num_threads(), len(pieces))
    if threads < 2 or not _separable():
        return [work(piece) for piece in pieces]
    inference, gradients = torch.is_inference_mode_enabled(), torch.is_grad_enabled()

    def run(piece: Piece) -> Made:
        with torch.inference_mode(inference), torch.set_grad_enabled(gradients):
            return work(piece)

    pool = _pools.get(threads) or _pools.setdefault(threads, ThreadPoolExecutor(threads, "coldframe", alone))
    futures = [pool.submit(run, piece) for piece in pieces]
    try:
        return [future.result() for future in futures]
    finally:
        for future in futures:
            future.cancel()


def alone() -> None:
    """Let torch use the calling thread alone for what this thread asks of it; other threads keep their number."""
    # torch sets a thread's number when it first looks; after that it is the thread's own.
    torch.get_num_threads()
    torch_cpu = _library()
    if torch_cpu is not None:
        torch_cpu.omp_set_num_threads(1)
        # MKL is told the number by torch for the whole process, unless a thread has its own.
        torch_cpu.MKL_Set_Num_Threads_Local(1)


@cache
def _library() -> ctypes.CDLL | None:
    """Return torch's own library: names are looked up in what it is linked to, so this is the OpenMP that torch uses."""
    try:
        library = ctypes.CDLL(str(Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"))
        for name in ("omp_set_num_threads", "MKL_Set_Num_Threads_Local"):
            getattr(library, name)
    except (OSError, AttributeError):
        return None
    return library


@cache
def _separable() -> bool:
    """Return whether a thread can be given a number of its own: tried once, on a thread that then ends."""
    if _library() is None:
        return False
    with ThreadPoolExecutor(1, initializer=alone) as pool:
        return pool.submit(torch.get_num_threads).result() == 1
