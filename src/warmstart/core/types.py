"""Types of arguments that several public calls take."""

from __future__ import annotations

from collections.abc import Iterable
from os import PathLike
from typing import Any, Protocol, TypeAlias, Union

from warmstart.hub.progress import Progress as Progress


class ArrowStream(Protocol):
    """A table that exports itself as an Arrow stream: of Arrow, polars, pandas, DuckDB."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object: ...


class ArrowTable(ArrowStream, Protocol):
    """A table of polars or pyarrow, whose columns have names."""

    @property
    def columns(self) -> Any: ...


Data: TypeAlias = Union[str, "PathLike[str]", Iterable[object], ArrowStream]
"""Labelled data: a folder, a file, a table, a data set, or an iterable of examples."""
