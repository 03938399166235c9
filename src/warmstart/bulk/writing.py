"""The files of a shard: its results as JSONL or Parquet, and its failures.

A shard is done when its result file exists. The failures are written first, so that a run that is
killed in between repeats the shard.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any

from warmstart.bulk.plan import Shard
from warmstart.bulk.storage import Folder
from warmstart.core.task import task_class
from warmstart.core.wire import ListOf, MapOf, StructOf, WireType, wire_of

if TYPE_CHECKING:
    import pyarrow

FORMATS = ("jsonl", "parquet")
FAILED = "_failed"
"""The folder of failures. Readers of whole folders (pyarrow, Spark, Ray) skip names that begin with "_".
"""


def schema(task: str) -> pyarrow.Schema:
    """The Parquet schema of a task's results. All files of a run have the same one, also those without
    rows.
    """
    import pyarrow as pa

    columns = [("row", pa.int64()), ("source", pa.string())]
    fields = wire_of(task_class(task).result).fields
    return pa.schema([*columns, *((name, _arrow(wire_type)) for name, wire_type in fields)])


def _arrow(wire_type: WireType) -> pyarrow.DataType:
    """The Arrow type of a wire type."""
    import pyarrow as pa

    if isinstance(wire_type, ListOf):
        return pa.list_(_arrow(wire_type.item))
    if isinstance(wire_type, MapOf):
        return pa.map_(pa.string(), _arrow(wire_type.item))
    if isinstance(wire_type, StructOf):
        return pa.struct([(name, _arrow(inner)) for name, inner in wire_type.fields])
    return {int: pa.int64(), str: pa.string(), float: pa.float64(), bool: pa.bool_()}[
        wire_type.type
    ]


def encode(results: Sequence[dict[str, Any]], task: str, format: str) -> bytes:
    """The content of a result file."""
    if format == "jsonl":
        return "".join(json.dumps(result, ensure_ascii=False) + "\n" for result in results).encode()
    import pyarrow as pa
    import pyarrow.parquet as pq

    fields = wire_of(task_class(task).result).fields
    maps = [name for name, wire_type in fields if isinstance(wire_type, MapOf)]
    rows = [{**result, **{name: list(result[name].items()) for name in maps}} for result in results]
    file = BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema(task)), file, compression="zstd")
    return file.getvalue()


def write(
    folder: Folder,
    shard: Shard,
    results: Sequence[dict[str, Any]],
    failures: Sequence[dict[str, Any]],
    task: str,
    format: str,
) -> None:
    """Write a shard's files; errors are those of `Folder.write`."""
    failures_file = f"{FAILED}/{shard.name}.jsonl"
    if failures:
        folder.write(
            failures_file,
            "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in failures).encode(),
        )
    else:
        folder.remove(failures_file)  # of an earlier attempt that was killed
    folder.write(f"{shard.name}.{format}", encode(results, task, format))


def failures_of(folder: Folder, shard: Shard) -> int:
    """The number of failed rows of a finished shard."""
    return (folder.read(f"{FAILED}/{shard.name}.jsonl") or b"").count(b"\n")


def check_format(format: str) -> None:
    """Raise `UsageError` unless it is a known format, or `MissingPackageError` if it cannot be written."""
    from warmstart.errors import UsageError, require

    if format not in FORMATS:
        raise UsageError(f"Results are written as {' or '.join(FORMATS)}, not as {format!r}.")
    if format == "parquet":
        require("pyarrow", extra="parquet", purpose="for format='parquet' (JSONL needs no package)")
