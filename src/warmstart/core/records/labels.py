"""The labels of records: one, several, or a column of 0 and 1 for each class."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from warmstart.core.records import values
from warmstart.core.records.columns import ROW_NAMES, SEVERAL, Field, listed
from warmstart.core.records.table import Record, Table
from warmstart.errors import UsageError

Label = str | tuple[str, ...]
"""The name of a class, or of several where an example may have several."""
TRUE, FALSE = {"1", "1.0", "True", "true"}, {"0", "0.0", "False", "false"}
_UNNAMED = re.compile(r"column \d+|unnamed: ?\d+")


@dataclass(frozen=True)
class LabelReader:
    """Reads the label of a record.

    Attributes:
        table: that the records are of.
        column: of labels; None: there is a column of 0 and 1 for each class.
        flags: these columns.
        several: whether strings with `|` or `;` are several labels; None: they are refused.
    """

    table: Table
    column: str | None
    flags: tuple[str, ...] = ()
    several: bool | None = None

    def __call__(self, record: Record) -> Label:
        """The label of a record.

        Raises:
            RecordError: it is missing, or is no label.
            UsageError: it may be several.
        """
        if self.column is None:
            return tuple(flag for flag in self.flags if self._flag(record, flag))
        value = record.values.get(self.column)
        elements = values.as_list(value)
        if elements is not None:
            if any(map(values.is_missing, elements)):
                raise record.error(f"a label in {self._where} is missing")
            return tuple(self._name(record, element) for element in elements)
        if self.several and values.is_missing(value) and self.column in record.values:
            return ()
        value = self.table.cell(record, self.column, "label")
        if self._is_unlabelled(value):
            raise record.error("has no label (-1 in a column with class names); remove the row")
        if not isinstance(value, str):
            return self._name(record, value)
        if self.several:
            return tuple(self._name(record, name) for name in values.separated(value))
        if self.several is None and values.holds_separator(value):
            raise UsageError(
                f"{record.name}: the label {value!r:.60} is one name or several; say which with multi_label=True or "
                "False, or call the column 'labels'."
            )
        return self._name(record, value)

    def _name(self, record: Record, value: Any) -> str:
        names = None if self.column is None else self.table.class_names.get(self.column)
        try:
            return values.class_name(value, names)
        except ValueError as error:
            raise record.error(f"has a label that {error}") from None

    def _is_unlabelled(self, value: Any) -> bool:
        return (
            self.column in self.table.class_names
            and not isinstance(value, str | bytes)
            and value == -1
        )

    def _flag(self, record: Record, flag: str) -> bool:
        value = self.table.cell(record, flag, f"0 or 1 for {flag!r}")
        if str(value) not in TRUE | FALSE:
            raise record.error(f"{value!r:.40} in the column {flag!r} is neither 0 nor 1")
        return str(value) in TRUE

    @property
    def _where(self) -> str:
        return "the list" if self.table.positional else f"the column {self.column!r}"


def label_reader(
    table: Table,
    field: Field,
    column: str | None,
    inputs: Collection[str | None],
    multi_label: bool | None,
) -> LabelReader:
    """How the labels of a table are read.

    A column whose name is a plural (`labels`, `classes`, `tags`) holds any number of labels, with
    `|` or `;` between them or as a list. Without a column of labels all other columns but the
    ones that number the records are classes, where there are two or more and they hold 0 and 1
    only.

    Args:
        table: the records.
        field: the label.
        column: named by the caller.
        inputs: columns that hold something else.
        multi_label: whether a record may have several labels; None: what the data looks like.

    Raises:
        UsageError: there is no column of labels, or several could be meant.
    """
    if table.positional:
        table.check_names((field, column))
        return LabelReader(table, field.name, several=False)
    chosen = table.optional_column(field, column)
    if chosen is not None and (column is not None or chosen not in inputs):
        plural = True if chosen.casefold() in SEVERAL else None
        return LabelReader(table, chosen, several=plural if multi_label is None else multi_label)
    flags = _flags(table, inputs)
    if not flags:
        raise UsageError(
            f"{table.name} has no column of labels, and its other columns are not all 0 and 1; name it with "
            f"{field.option} (the columns are {listed(table.columns)})."
        )
    return LabelReader(table, None, flags)


def _flags(table: Table, inputs: Collection[str | None]) -> tuple[str, ...]:
    columns: Sequence[str] = [
        column
        for column in table.columns
        if column not in inputs
        and column.casefold() not in ROW_NAMES
        and not _UNNAMED.fullmatch(column.casefold())
    ]
    known = TRUE | FALSE
    first = table.peek()
    cells = (record.values.get(column) for record in first for column in columns)
    if len(columns) < 2:  # a single one may as well be the labels
        return ()
    return (
        tuple(columns)
        if all(values.is_missing(cell) or str(cell) in known for cell in cells)
        else ()
    )
