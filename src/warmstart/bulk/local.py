"""Shards on this machine, one after the other: threads decode ahead of the engine, which has all
processors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from warmstart.bulk.plan import Shard
from warmstart.bulk.work import Done, Job, run_shard
from warmstart.core.model import Model


def run(
    model: Model[Any, Any, Any], job: Job, shards: Sequence[Shard], tell: Callable[[int, int], None]
) -> Iterator[Done]:
    """Answer shards in their order; errors are those of `run_shard`."""
    for shard in shards:
        yield run_shard(model, job, shard, tell)
