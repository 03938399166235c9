"""The plan of a run, made before the first prediction: its rows, in order, and their shards."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from warmstart.core.task import task_of

IN_MEMORY = "given"
"""The format of rows that are texts in memory. Runs store it and compare it when they resume: it must
not change."""


@dataclass
class Part:
    """Consecutive rows of one file, or of a list.

    Attributes:
        format: "files", `IN_MEMORY`, "series", or the format of the table: "txt", "jsonl", "csv",
            "parquet".
        path: of the table.
        start: index of the first row within the table, from 0; of text files, of the line.
        offset: of the first row, in bytes.
        count: number of rows.
        values: the rows themselves (paths, texts) if there is no table.
    """

    format: str
    path: str = ""
    start: int = 0
    offset: int = 0
    count: int = 0
    values: list[Any] = field(default_factory=list)


@dataclass
class Shard:
    """The rows of one result file; `first` is the number of its first row among all, from 0."""

    number: int
    first: int
    parts: list[Part]

    @property
    def name(self) -> str:
        """The name of the shard's files, without the suffix."""
        return f"part-{self.number:05}"

    def __len__(self) -> int:
        return sum(part.count for part in self.parts)

    def to_json(self) -> str:
        return json.dumps(
            asdict(self)
        )  # ASCII: names of files that are not UTF-8 have lone surrogates

    @classmethod
    def from_json(cls, text: str) -> Shard:
        data = json.loads(text)
        return cls(data["number"], data["first"], [Part(**part) for part in data["parts"]])


@dataclass(frozen=True)
class ListedRow:
    """One row of a listing; `value` is set if it is not from a table."""

    format: str
    path: str = ""
    start: int = 0
    offset: int = 0
    value: Any = None


@dataclass(frozen=True)
class Plan:
    """All shards.

    Attributes:
        shards: in order.
        rows: in all.
        digest: the sha256 of the listing, which covers names, values and the content of tables.
    """

    shards: tuple[Shard, ...]
    rows: int
    digest: str


def make_plan(rows: Iterator[ListedRow | bytes], rows_a_shard: int) -> Plan:
    """Cut a listing into shards.

    Args:
        rows: of the listing; bytes among them are the hash of the table that precedes them.
        rows_a_shard: 1 or more.
    """
    digest = hashlib.sha256()
    shards: list[Shard] = []
    count = in_shard = 0
    table: tuple[str, str] | None = None
    for row in rows:
        if isinstance(row, bytes):
            digest.update(row)
            continue
        if in_shard == 0:
            shards.append(Shard(len(shards), count, []))
        parts = shards[-1].parts
        if not parts or (parts[-1].format, parts[-1].path) != (row.format, row.path):
            parts.append(Part(row.format, row.path, row.start, row.offset))
        if table != (row.format, row.path):
            table = (row.format, row.path)
            digest.update(f"\n{row.format} {row.path}\n".encode("utf-8", "surrogateescape"))
        parts[-1].count += 1
        if row.value is not None:
            parts[-1].values.append(row.value)
            text = (
                row.value
                if isinstance(row.value, str)
                else json.dumps(row.value, ensure_ascii=False)
            )
            digest.update(text.encode("utf-8", "surrogateescape") + b"\0")
        count, in_shard = count + 1, (in_shard + 1) % rows_a_shard
    digest.update(f"\n{count}".encode())
    return Plan(tuple(shards), count, digest.hexdigest())


def rows_of(task: str, requested: int | None, recorded: Mapping[str, Any] | None) -> int:
    """The number of rows of a shard: as requested, as in the resumed run, or the task's default."""
    if requested is not None:
        return requested
    return int(recorded["rows"]) if recorded else task_of(task).shard_rows
