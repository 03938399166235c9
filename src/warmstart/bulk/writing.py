"""The files of a shard: its results as JSONL or Parquet, and its dead letters.

A shard is done when its result file is there. The dead letters are written before it, so that a run that is killed
between the two does the shard again.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any

from warmstart.bulk.plan import Shard
from warmstart.bulk.storage import Folder

if TYPE_CHECKING:
    import pyarrow

FORMATS = ("jsonl", "parquet")
FAILED = "_failed"
"""The folder of dead letters. Readers of whole folders (pyarrow, Spark, Ray) leave out names that begin with "_"."""

PREDICTIONS = [{"index": int, "id": str, "label": str, "score": float}]
FIELDS: dict[str, dict[str, Any]] = {
    "image-classification": {"predictions": PREDICTIONS},
    "text-classification": {"predictions": PREDICTIONS},
    "object-detection": {"size": [int], "boxes": [{"label": str, "index": int, "score": float, "xmin": float,
                                                   "ymin": float, "xmax": float, "ymax": float}]},
    "image-segmentation": {"size": [int], "areas": [{"label": str, "index": int, "pixels": int, "share": float}]},
    "token-classification": {"entities": [{"label": str, "text": str, "start": int, "end": int, "score": float}]},
    "question-answering": {"text": str, "start": int, "end": int, "score": float,
                           "others": [{"text": str, "start": int, "end": int, "score": float}]},
    "fill-mask": {"text": str, "masks": [PREDICTIONS]},
    "text-embedding": {"vector": [float]},
    "text-generation": {"text": str, "tokens": [int], "logprobs": [float], "finish": str},
    "speech-recognition": {"text": str, "language": str, "duration": float,
                           "segments": [{"text": str, "start": float, "end": float, "score": float, "silence": float}],
                           "words": [{"text": str, "start": float, "end": float, "score": float}]},
    "forecasting": {"freq": str, "timestamps": [str], "mean": [float], "quantiles": dict},
}
"""Task -> the fields of its results besides `row`, `source`, `input` and `model`. A list has one kind of element;
`dict` is a map from names to lists of numbers. Parquet files of one run must have one schema,
also those without a row."""


def schema(task: str) -> pyarrow.Schema:
    """The Parquet schema of a task's results."""
    import pyarrow as pa

    def type_of(kind: Any) -> pa.DataType:
        if isinstance(kind, list):
            return pa.list_(type_of(kind[0]))
        if isinstance(kind, dict):
            return pa.struct([(name, type_of(inner)) for name, inner in kind.items()])
        return {int: pa.int64(), str: pa.string(), float: pa.float64(),
                dict: pa.map_(pa.string(), pa.list_(pa.float64()))}[kind]

    common = {"row": int, "source": str, "input": str, "model": str}
    return pa.schema([(name, type_of(kind)) for name, kind in {**common, **FIELDS[task]}.items()])


def encoded(results: Sequence[dict[str, Any]], task: str, format: str) -> bytes:
    """The content of a result file."""
    if format == "jsonl":
        return "".join(json.dumps(result, ensure_ascii=False) + "\n" for result in results).encode()
    import pyarrow as pa
    import pyarrow.parquet as pq

    maps = [name for name, kind in FIELDS[task].items() if kind is dict]
    rows = [{**result, **{name: list(result[name].items()) for name in maps}} for result in results]
    file = BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema(task)), file, compression="zstd")
    return file.getvalue()


def write(folder: Folder, shard: Shard, results: Sequence[dict[str, Any]], failures: Sequence[dict[str, Any]],
          task: str, format: str) -> None:
    """Write a shard's files; errors are those of `Folder.write`."""
    dead = f"{FAILED}/{shard.name}.jsonl"
    if failures:
        folder.write(dead, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in failures).encode())
    else:
        folder.remove(dead)  # of an attempt that was killed, when it had failures
    folder.write(f"{shard.name}.{format}", encoded(results, task, format))


def failures_of(folder: Folder, shard: Shard) -> int:
    """How many rows of a done shard failed."""
    return (folder.read(f"{FAILED}/{shard.name}.jsonl") or b"").count(b"\n")


def check_format(format: str) -> None:
    """Raise `UsageError` unless it is a format, and can be written here."""
    from warmstart.errors import UsageError, require

    if format not in FORMATS:
        raise UsageError(f"Results are written as {' or '.join(FORMATS)}, not as {format!r}.")
    if format == "parquet":
        require("pyarrow", extra="parquet", purpose="for format='parquet' (JSONL needs no package)")
