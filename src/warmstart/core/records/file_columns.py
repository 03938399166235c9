"""The column of a table that names photos or recordings."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from warmstart.core.records import content, values
from warmstart.core.records.columns import (
    ADDRESSES,
    PHOTO_ID,
    Field,
    choose_column,
    require_column,
)
from warmstart.core.records.table import Table


def file_column(table: Table, field: Field) -> str:
    """Like `optional_file_column`, but the column must exist.

    Raises:
        UsageError: it is not there, or several columns could be meant.
    """
    column = optional_file_column(table, field)
    return require_column(table.columns, field, column, table.name)


def optional_file_column(table: Table, field: Field) -> str | None:
    """The column of a field of files: the one that the caller names, or the one with a usual name,
    or the one column of file names, or of ids; None if there is none.

    Raises:
        UsageError: several columns could be meant.
    """
    column = table.optional_column(field)
    if table.reading.column(field) is not None or table.positional:
        return column
    if column is not None and column.casefold() in ADDRESSES:
        column = column if content.may_be_addresses(table.cells()[column]) else None
    if column is None:
        candidates = [name for name, cells in table.cells().items() if _are_files(cells)]
        if len(candidates) == 1:
            return candidates[0]
    return column or _id_column(table)


def _are_files(cells: Sequence[Any]) -> bool:
    return content.are_files([cell for cell in cells if not values.is_missing(cell)])


def _id_column(table: Table) -> str | None:
    """The column of names of files without their suffix; one called `id` only if the first of them
    is there.
    """
    column = choose_column(table.columns, PHOTO_ID, None, table.name)
    if column is None or column.casefold() not in PHOTO_ID.tiers[1]:
        return column
    cells = [cell for cell in table.cells()[column][:1] if not values.is_missing(cell)]
    try:
        files = [values.resolved(str(cell), table.folder) for cell in cells]
    except ValueError:
        files = []
    return column if any(map(os.path.isfile, files)) else None
