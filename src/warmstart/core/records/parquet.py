"""Parquet files."""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO

from warmstart.errors import RecordError, require


def open_parquet(source: Path | BinaryIO, name: str) -> Any:
    """An open `pyarrow.parquet.ParquetFile`, whose schema can be read.

    Args:
        source: the file.
        name: its name, for messages.

    Raises:
        MissingPackageError: pyarrow is not installed.
        RecordError: it is not a Parquet file, or is damaged.
    """
    require("pyarrow", extra="parquet", purpose=f"to read {name}")
    import pyarrow
    import pyarrow.parquet

    try:
        file = pyarrow.parquet.ParquetFile(source)
        file.schema_arrow  # noqa: B018 (a damaged one cannot be decoded)
    except (pyarrow.ArrowException, UnicodeDecodeError) as error:
        raise RecordError(
            f"{name}: is not a Parquet file, or is damaged ({error})", name
        ) from error
    return file
