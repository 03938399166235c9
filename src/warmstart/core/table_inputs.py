"""Columns and tables in memory as inputs: of pandas, polars and pyarrow, none of which is imported."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from warmstart.core.reading import printable
from warmstart.core.records.columns import listed
from warmstart.core.records.values import is_missing
from warmstart.errors import InputError, UsageError

if TYPE_CHECKING:
    from warmstart.core.input_kind import InputKind

SINGLE = frozenset({str, bytes, bytearray, tuple, dict, type(Path())})
"""Common types that are not columns."""


def is_table(value: Any) -> bool:
    """Whether this is a table, whose elements are its columns."""
    is_readable = any(hasattr(value, name) for name in ("iloc", "iter_rows", "to_pylist"))
    return is_readable and hasattr(value, "columns")


def is_column(value: Any) -> bool:
    """Whether this is a column of a table: a Series of pandas or polars, an array of pyarrow, or an
    array of numpy (N,) whose elements are strings or objects.
    """
    if is_table(value) or isinstance(value, type):
        return False
    if isinstance(value, np.ndarray):
        return value.ndim == 1 and issubclass(value.dtype.type, str | bytes | np.object_)
    return hasattr(value, "to_pylist") or (hasattr(value, "to_frame") and hasattr(value, "dtype"))


def is_numeric(column: Any) -> bool:
    """Whether the cells of a column are numbers."""
    name = str(getattr(column, "dtype", getattr(column, "type", ""))).lower()
    return name.startswith(("int", "uint", "float", "double"))


def cells(column: Any) -> Iterator[Any]:
    """The cells of a column as Python's own objects; an empty one is an `InputError`."""
    for method in ("to_pylist", "to_list", "tolist"):
        if hasattr(column, method):
            values = getattr(column, method)()
            break
    for number, value in enumerate(values, 1):
        name = f"item {number}"
        is_empty = not isinstance(value, str | bytes) and is_missing(value)
        yield InputError(f"{name}: the cell is empty", name) if is_empty else value


def row_labels(inputs: Any, input_kind: InputKind) -> Any:
    """The index of a table or column of pandas whose rows are inputs; None for all else."""
    return inputs.index if input_kind.row_is_input and hasattr(inputs, "iloc") else None


def selected(table: Any, column: str | Sequence[str], input_kind: InputKind) -> Any:
    """The inputs in one column of a table, or in two for pairs.

    Raises:
        UsageError: this is not a table, or has no such column.
    """
    if not is_table(table):
        is_lazy = hasattr(table, "collect")
        advice = "call its .collect() first" if is_lazy else "leave it out"
        raise UsageError(
            f"column= names a column of a table, and this is {type(table).__name__}; {advice}."
        )
    names = [column] if isinstance(column, str) else list(column)
    known = _names(table)
    for name in names:
        if name not in known:
            raise UsageError(f"The table has no column {name!r}; it has {_listed(known)}.")
    if len(names) == 1:
        return table[names[0]]
    if len(names) != 2 or not input_kind.pairs:
        most = "one or two columns" if input_kind.pairs else "one column"
        raise UsageError(
            f"The {input_kind.plural} are in {most} of a table; column= names {len(names)}."
        )
    pairs = zip(*(cells(table[name]) for name in names), strict=True)
    return [
        next((cell for cell in pair if isinstance(cell, InputError)), tuple(pair)) for pair in pairs
    ]


def refusal(table: Any, input_kind: InputKind) -> str:
    """Why a table is not an input, and what to do."""
    known = _names(table)
    texts = [name for name in known if not is_numeric(table[name])]
    example = next(iter([*texts, *known]), input_kind.noun)
    return (
        f"A table has several columns ({_listed(known)}); name the one with the {input_kind.plural}: "
        f"model(table, column={example!r}), or model(table[{example!r}])."
    )


def _names(table: Any) -> list[str]:
    return list(getattr(table, "column_names", None) or table.columns)


def _listed(names: Sequence[Any]) -> str:
    return listed(map(printable, map(str, names)))
