"""What the verbs that run on a cluster share: what was asked for, and running it elsewhere before it is gathered here."""

from __future__ import annotations

import sys
from pathlib import Path

from coldframe.cli import common
from coldframe.errors import InputError


def part_of(only: str | None, cluster: str | None, out: Path | None, budget: str | None = None) -> tuple[int, int] | None:
    """Return (i, n) of ``--only``, or None; check what must stand beside it and beside ``--cluster``.

    Raises:
        InputError: no folder for what is finished, or a budget, which knows one machine.
    """
    from coldframe.verbs.cluster import group_of

    if cluster is None and only is None:
        return None
    if cluster is not None and only is not None:
        raise InputError("expected --cluster or --only, which is what --cluster runs, found both; leave one out")
    if out is None:
        raise InputError("expected --out, a folder that all machines see, beside --cluster or --only, found none; name one")
    if budget is not None:
        raise InputError("expected no --budget beside --cluster or --only, found one; choose --methods and --epochs instead")
    return None if only is None else group_of(only)


def elsewhere(cluster: str | None, groups: int, logs: Path | None, option: str = "--only") -> None:
    """Run this command's groups on a cluster, if one was named, and wait for all of them."""
    if cluster is None or logs is None:
        return
    from coldframe.verbs.cluster import Cluster, command_of_group, run_groups

    where = Cluster.of(cluster)
    run_groups(where, command_of_group(sys.argv[1:]), groups, logs, option=option, tell=common.say_aside)


def shards(cluster: str | None, groups: int, logs: Path, shard: str | None) -> None:
    """Run this command's shards on a cluster, if one was named.

    Raises:
        InputError: one shard was asked for besides.
    """
    if cluster is not None and shard is not None:
        raise InputError("expected --cluster or --shard, which is what --cluster runs, found both; leave one out")
    elsewhere(cluster, groups, logs, "--shard")
