"""Time series as inputs: `SERIES`, and the types of one and of several series."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sized
from io import IOBase
from itertools import chain, islice
from types import NoneType
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray

from warmstart.core.input_kind import (
    Argument,
    ArrowColumn,
    InputKind,
    Limits,
    ListOf,
    SeriesColumn,
)
from warmstart.core.inputs import Item, is_single, iter_items
from warmstart.core.reading import (
    exists,
    file_suffix,
    input_name,
    looks_like_path,
    printable,
    scheme,
)
from warmstart.core.records import columns
from warmstart.core.types import ArrowTable
from warmstart.errors import InputError, MissingPackageError, UsageError, documented_in
from warmstart.series import json_series, table_files, tables
from warmstart.series.column_types import holds_numbers
from warmstart.series.first_lines import DELIMITERS
from warmstart.series.layout import Layout
from warmstart.series.time_series import (
    TimeSeries,
    is_series,
    is_table,
    iter_table,
    name_of,
    read_series,
    refusal,
)

if TYPE_CHECKING:
    import pandas as pd

Series: TypeAlias = (
    TimeSeries
    | SeriesColumn
    | ArrowColumn
    | NDArray[Any]
    | ListOf[float | None]
    | tuple[float | None, ...]
)
"""A column of pandas, polars or pyarrow, an array (T,), or a list of numbers; timestamps are the
index of the pandas Series, and None is a missing value of a list.
"""
# Pandas is described by protocols only: without pandas-stubs its classes are `Any`, which every
# input would match.
Table: TypeAlias = ArrowTable | str | os.PathLike[str] | Mapping[str, Series]
"""Several series: a table of pandas, polars or pyarrow, the path of a CSV or Parquet file, or a
mapping from names to series.
"""
SeveralSeries: TypeAlias = Table | ListOf[Series] | ListOf[Table] | ListOf[Series | Table]
"""A table, or a list of series and tables."""

NUMBERS_SCHEMA = {"type": "array", "minItems": 1, "items": {"type": ["number", "null"]}}
COLUMN_SCHEMA = {
    "type": "array",
    "minItems": 1,
    "items": {"type": ["number", "string", "boolean", "null"]},
}
LARGE = 500_000
"""Values; a forecast takes several copies of them."""
FIRST = 1000
"""Values of a JSON array that are looked at to tell one series from several."""


class SeriesKind(InputKind):
    """Time series, one by one or in tables."""

    name = "series"
    noun = "series"
    plural = "series"
    media = ("text/csv", "application/vnd.ms-excel", "text/plain")
    suffixes = table_files.SUFFIXES
    table_suffixes = tuple(sorted(table_files.SUFFIXES))
    is_parsed = True
    field = columns.Field("series", "target", (tables.TARGETS,))
    tensors: ClassVar = {"series": ("FP64", [-1, -1])}
    schema: ClassVar = {
        "anyOf": [
            NUMBERS_SCHEMA,
            {"type": "object", "minProperties": 1, "additionalProperties": COLUMN_SCHEMA},
        ]
    }

    row_is_input = False

    # Python

    def is_several(self, inputs: Any) -> bool:
        """Whether a call returns a list: for a table, and for a list of anything but numbers."""
        return is_table(inputs) or (isinstance(inputs, list) and not is_series(inputs))

    @documented_in("inputs.md#one-several-a-stream")
    def single(self, value: Any) -> Item:
        if not is_series(value):
            raise UsageError(_refusal(value))
        return Item(name_of(value, 1), value)

    def elements(self, inputs: Any, layout: Layout | None = None) -> Iterator[Item]:
        """The series of a table, or of a list of series and tables, in order.

        Raises:
            UsageError: the layout names columns that are not there, or the path is one of several
                tables.
            InputError: the table cannot be read.
        """
        layout = layout or Layout()
        if isinstance(inputs, list):
            return _each(inputs, layout, are_several=len(inputs) > 1)
        if isinstance(inputs, str | os.PathLike) and not is_single(inputs):
            name = printable(os.fsdecode(inputs))
            raise UsageError(
                f"{name} may hold several tables; iterate over model.stream({name!r})."
            )
        return _table_items(inputs, layout)

    def stream(self, inputs: Any, layout: Layout | None = None) -> Iterator[Item]:
        """The series of an iterator of series and tables, of a folder or pattern of tables, or of a
        table.
        """
        layout = layout or Layout()
        if is_series(inputs):
            return iter([self.single(inputs)])
        if isinstance(inputs, str | os.PathLike) and not is_single(inputs):
            return _each([inputs], layout, are_several=False)
        if is_table(inputs):
            return _table_items(inputs, layout)
        if (
            isinstance(inputs, Iterable)
            and not isinstance(inputs, bytes)
            and not hasattr(inputs, "ndim")
        ):
            return _each(inputs, layout, are_several=_length(inputs) != 1)
        raise UsageError(_refusal(inputs))

    def read(self, item: Item, layout: Layout) -> TimeSeries:
        """The series of an item.

        Raises:
            InputError: it is unusable.
        """
        return read_series(item.name, item.value, layout)

    def from_record(self, record: Any, name: str, layout: Layout) -> TimeSeries:
        """A series from a line of a JSONL file or a row of a table.

        Args:
            record: a list of numbers, or a mapping: `target`, maybe with `timestamp`s or with
                `start` and `freq`, and with `item_id`, the name.
            name: of the series where the record has none, and for messages.
            layout: how to read it.

        Raises:
            InputError: it is none.
        """
        return read_series(*json_series.series_of(record, name, layout), layout)

    # The command line

    def from_arguments(self, arguments: Iterable[Argument]) -> Any:
        """What `stream` takes; a list if there is one argument."""
        values = iter(arguments)
        first = list(islice(values, 2))
        return first if len(first) < 2 else chain(first, values)

    def is_content(self, line: str) -> bool:
        """Whether this is a line of a table, not the name of one."""
        is_name = exists(line) or scheme(line) is not None or bool(file_suffix(line))
        is_row = any(delimiter in line for delimiter in DELIMITERS)
        return not is_name and (is_row or not looks_like_path(line))

    # Requests

    def check_size(
        self, value: Any, limits: Limits, options: Mapping[str, Any] | None = None
    ) -> bool:
        return int(getattr(value, "size", 0)) > LARGE

    def warmup_input(self) -> NDArray[np.float64]:
        values: NDArray[np.float64] = 2.0 + np.sin(np.arange(200) * (np.pi / 12))
        return values

    def from_tensors(self, arrays: Mapping[str, NDArray[Any]], limits: Limits) -> list[Any]:
        values = arrays["series"]
        if values.ndim not in (1, 2) or not holds_numbers(values) or not values.size:
            raise InputError("series must be numbers of the shape [steps] or [series, steps].")
        rows, steps = np.atleast_2d(values).shape
        table_files.check_size(rows, steps, limits.max_values, limits.max_columns)
        return [np.array(row, np.float64) for row in np.atleast_2d(values)]

    def from_bytes(self, data: bytes, limits: Limits) -> pd.DataFrame:
        return table_files.parse_csv(data, limits.max_values, limits.max_columns)

    def from_json(self, value: Any, limits: Limits) -> NDArray[np.float64] | pd.DataFrame:
        if isinstance(value, list):
            table_files.check_size(1, len(value), limits.max_values, limits.max_columns)
            return _array(value)
        is_object = isinstance(value, dict) and bool(value)
        if is_object and all(isinstance(column, list) for column in value.values()):
            rows = max(map(len, value.values()))
            table_files.check_size(len(value), rows, limits.max_values, limits.max_columns)
            return _frame(value)
        raise InputError(
            "A series is an array of numbers, or a table: an object of columns, such as "
            '{"timestamp": ["2024-01-01T00", …], "target": [1.5, …]}.'
        )

    def is_several_json(self, value: Any) -> bool:
        return isinstance(value, list) and any(
            isinstance(item, list | dict) for item in value[:FIRST]
        )


SERIES = SeriesKind()


def _each(values: Iterable[Any], layout: Layout, *, are_several: bool) -> Iterator[Item]:
    """The series of series, tables, and folders and patterns of tables.

    Where there are several, the names of series begin with those of their files, and a table that
    cannot be read is one unusable item.

    Raises:
        UsageError: the only table cannot be read as it is.
        MissingPackageError: a table needs pyarrow.
    """
    for number, value in enumerate(values, 1):
        if not is_table(value):
            name = value.item if isinstance(value, InputError) else name_of(value, number)
            yield Item(name, value)
            continue
        file = input_name(value) if isinstance(value, str | os.PathLike | IOBase) else None
        name = file or f"table {number}"
        try:
            if isinstance(value, str | os.PathLike) and not is_single(value):
                items = iter_items(value, suffixes=table_files.SUFFIXES, what="table")
                first = list(islice(items, 2))
                files = (item.value for item in chain(first, items))
                yield from _each(files, layout, are_several=are_several or len(first) > 1)
            elif are_several:
                prefix = f"{file}:" if file else ""
                for series_name, series in iter_table(value, layout, where=name, prefix=prefix):
                    yield Item(series_name, series)
            else:
                yield from _table_items(value, layout)
        except MissingPackageError:
            raise
        except InputError as error:
            yield Item(error.item or name, error)
        except UsageError as error:
            if not are_several:
                raise
            unusable = InputError(str(error), name)
            unusable.point_to(error.section)
            yield Item(name, unusable)


def _length(values: Iterable[Any]) -> int | None:
    """The number of values; None for an iterator."""
    return len(values) if isinstance(values, Sized) else None


def _table_items(table: Any, layout: Layout) -> Iterator[Item]:
    return (Item(name, series) for name, series in iter_table(table, layout))


def _refusal(value: Any) -> str:
    """Why a value is not one series, and what to do."""
    if hasattr(value, "ndim"):
        return (
            f"An array of {value.ndim} dimensions is not a series; pass a list of series: list(x)."
        )
    if isinstance(value, tuple | set | frozenset):
        return "Several series are a list: model(list(x))."
    if hasattr(value, "__iter__") and not isinstance(value, bytes):
        return (
            "An iterator contains several series; iterate over model.stream(x), or call "
            "model(list(x))."
        )
    return refusal(value)


def _array(values: list[Any]) -> NDArray[np.float64]:
    """float64 (T,) from the numbers of JSON; null is NaN."""
    if not values or not set(map(type, values)) <= {int, float, NoneType}:
        raise InputError("A series is an array of numbers, at least one; null is a missing one.")
    try:
        return np.array(values, np.float64)
    except OverflowError:
        raise InputError("A number of the series is too large.") from None


def _frame(columns: dict[str, list[Any]]) -> pd.DataFrame:
    """A table from the columns of a JSON object."""
    import pandas as pd

    lengths = {len(column) for column in columns.values()}
    if len(lengths) != 1 or 0 in lengths:
        raise InputError("The columns of a table have the same number of values, at least one.")
    types = set(chain.from_iterable(map(type, column) for column in columns.values()))
    if not types <= {int, float, bool, str, NoneType}:
        raise InputError("The values of a table are numbers, strings or null.")
    return pd.DataFrame(columns)
