"""The labels of records: one, several, or a column of 0 and 1 for each class."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from warmstart.core.records import content, values
from warmstart.core.records.columns import LABEL, SEVERAL, Field, choose_column, listed
from warmstart.core.records.record import Record
from warmstart.core.records.table import Table
from warmstart.errors import UsageError

Label = str | tuple[str, ...]
"""The name of a class, or of several if an example may have several."""
TRUE, FALSE = {"1", "1.0", "True", "true"}, {"0", "0.0", "False", "false"}
NO_CONSENSUS = {"gold_label": "-"}
"""Column -> the value that means "no label" (Bowman et al. 2015, arXiv:1508.05326, for SNLI)."""


@dataclass(frozen=True)
class LabelReader:
    """Reads the label of a record.

    Attributes:
        table: that the records are of.
        column: of labels; None: there is a column of 0 and 1 for each class.
        flags: these columns.
        several: whether strings with `|` or `;` are several labels; None: they are refused.
        class_names: all classes, in order; None: those of the data.
        model_classes: of the model that is evaluated: words for missing values among them are
            classes.
    """

    table: Table
    column: str | None
    flags: tuple[str, ...] = ()
    several: bool | None = None
    class_names: tuple[str, ...] | None = None
    model_classes: Collection[str] | None = None

    def describe(self) -> str:
        """The source of the labels, for reports."""
        if self.column is None:
            return f"labels: {listed(self.flags, 8)} (columns of 0 and 1)"
        return f"label: {self.table.column_name(self.column)}"

    def __call__(self, record: Record) -> Label:
        """The label of a record.

        Raises:
            RecordError: it is missing, or is not a label.
            UsageError: it may be several.
        """
        if self.column is None:
            return tuple(flag for flag in self.flags if self._flag(record, flag))
        value = record.values.get(self.column)
        elements = values.as_list(value)
        if elements is None:
            elements = self._written(record, value)
        if elements is not None:
            if any(map(values.is_missing, elements)):
                raise record.error(f"a label in {self._where} is missing")
            return tuple(self._name(record, element) for element in elements)
        if self.several and values.is_missing(value) and self.column in record.values:
            return ()
        value = self.table.cell(record, self.column, "label")
        if self._is_unlabelled(value):
            raise record.error(f"has no label ({value} in {self._where}); remove the row")
        if not isinstance(value, str):
            return self._name(record, value)
        if self.several:
            return tuple(self._name(record, name) for name in values.separated(value))
        if self.several is None and values.holds_separator(value):
            raise UsageError(
                f"{record.name}: the label {value!r:.60} is one name or several; say which with multi_label=True or "
                "False."
            )
        return self._name(record, value)

    def _written(self, record: Record, value: Any) -> list[Any] | None:
        """The labels in a cell that contains a list."""
        if not isinstance(value, str) or self.several is False:
            return None
        try:
            return values.as_list(values.structure(value))
        except ValueError as error:
            raise record.error(f"the label {error}") from None

    def _name(self, record: Record, value: Any) -> str:
        names = None if self.column is None else self.table.class_names.get(self.column)
        if self.column in self.table.single_precision and isinstance(value, float):
            import numpy as np

            value = np.float32(value)
        try:
            name = values.class_name(value, names)
        except ValueError as error:
            raise record.error(f"has a label that {error}") from None
        known = self.model_classes if self.class_names is None else self.class_names
        record.require_name(name, known)
        try:
            return name if self.class_names is None else values.one_of(name, self.class_names)
        except ValueError as error:
            raise record.error(f"has a label that {error}") from None
        except IndexError as error:  # then the others are indices of another list, too
            raise UsageError(f"{record.name}: has a label that {error}.") from None

    def _is_unlabelled(self, value: Any) -> bool:
        if isinstance(value, str | bytes):
            return value == NO_CONSENSUS.get(str(self.column).casefold())
        return self.column in self.table.class_names and bool(value == -1)

    def _flag(self, record: Record, flag: str) -> bool:
        value = self.table.cell(record, flag, f"0 or 1 for {flag!r}")
        if (written := str(value).strip()) not in TRUE | FALSE:
            raise record.error(f"{value!r:.40} in the column {flag!r} is neither 0 nor 1")
        return written in TRUE

    @property
    def _where(self) -> str:
        return "the list" if self.table.positional else f"the column {self.column!r}"


def label_reader(table: Table, field: Field, inputs: Collection[str | None]) -> LabelReader:
    """How the labels of a table are read.

    A column whose name is a plural (`labels`, `classes`, `tags`) holds any number of labels, with
    `|` or `;` between them or as a list, unless every cell has just one. Several columns of 0 and
    1 are a class each, if the caller names them, with commas between them; or where
    `multi_label` is true or the classes are known, and all columns but the inputs and those that
    number the records are of 0 and 1. Without a column with a usual name of labels, the only
    column whose cells look like classes is used.

    Args:
        table: the records.
        field: the label.
        inputs: columns that hold something else.

    Raises:
        UsageError: there is no column of labels, or several could be meant.
    """
    reading, column = table.reading, table.reading.column(field)
    names = unique_names(reading.class_names)
    made = partial(LabelReader, table, class_names=names, model_classes=reading.model_classes)
    if table.positional:
        table.check_names(field)
        return made(field.name, several=False)
    if flags := _named_flags(table, column):
        return _of_flags(table, flags, names)
    chosen = table.optional_column(field)
    if chosen is None or (column is None and chosen in inputs):
        flags = _flags(table, inputs, fewest=1 if reading.multi_label else 2)
        known = reading.model_classes if names is None else names
        if flags and (reading.multi_label or (known is not None and {*flags} <= {*known})):
            return _of_flags(table, flags, names)
        chosen = _by_content(table, field, inputs, chosen)
    plural = True if chosen.casefold() in SEVERAL and _holds_several(table, chosen) else None
    return made(chosen, several=plural if reading.multi_label is None else reading.multi_label)


def _holds_several(table: Table, column: str) -> bool:
    """Whether some of the first cells of a column are empty, a list, or several labels."""
    return any(
        values.is_missing(cell)
        or values.as_list(cell) is not None
        or (isinstance(cell, str) and (values.holds_separator(cell) or cell.strip()[:1] in "[("))
        for cell in table.cells()[column]
    )


def unique_names(class_names: Sequence[str] | None) -> tuple[str, ...] | None:
    """The option `class_names`.

    Raises:
        UsageError: there are fewer than two names, or one occurs twice.
    """
    if class_names is None:
        return None
    names = tuple(class_names)
    twice = [name for name in names if names.count(name) > 1]
    if twice or len(names) < 2:
        reason = f"{twice[0]!r} occurs twice" if twice else f"there is only {listed(names)}"
        raise UsageError(f"class_names must be two or more different names; {reason}.")
    return names


def _of_flags(table: Table, flags: tuple[str, ...], names: tuple[str, ...] | None) -> LabelReader:
    if names is not None and set(names) != set(flags):
        raise UsageError(
            f"{table.name}: class_names are {listed(names)}, but the columns of 0 and 1 are "
            f"{listed(flags)}."
        )
    return LabelReader(table, None, names or flags)


def _by_content(
    table: Table, field: Field, inputs: Collection[str | None], taken: str | None
) -> str:
    """The one column whose cells look like classes.

    Args:
        table: the records.
        field: the label.
        inputs: columns that hold something else.
        taken: the one of them with a usual name of labels, for messages.

    Raises:
        UsageError: there is none, or several could be meant.
    """
    candidates = content.columns_that(content.are_labels, table.cells(), inputs)
    if len(candidates) == 1:
        return candidates[0]
    free = _free(table, inputs)
    flags = [column for column in free if _is_flag(table, column)]
    if len(flags) > 1:
        others = [repr(column) for column in free if column not in flags]
        verb = "does" if len(others) == 1 else "do"
        but = f", and {listed(others, 5)} {verb} not" if others else ""
        raise UsageError(
            f"{table.name} has no column of labels, but {' and '.join(map(repr, flags))} hold 0 and 1{but}; "
            f"if each is a class, name them: {field.option}={','.join(flags)!r}; else name the column of labels."
        )
    if candidates:
        raise UsageError(
            f"{table.name}: the {field.name} may be in the column "
            f"{' or '.join(map(repr, candidates))}; name one with {field.option}."
        )
    if taken is not None:
        raise UsageError(
            f"{table.name}: the column {taken!r} is used for something else, and there is no other "
            f"column of labels; name it with {field.option} (the columns are {listed(table.columns)})."
        )
    raise UsageError(
        f"{table.name} has no column of labels, and its other columns are not all 0 and 1; name it with "
        f"{field.option} (the columns are {listed(table.columns)})."
    )


def _named_flags(table: Table, column: str | None) -> tuple[str, ...]:
    """The columns that the caller names with commas between them; empty for a single one."""
    if column is None or column in table.columns or "," not in column:
        return ()
    names = (name.strip() for name in column.split(","))
    return tuple(choose_column(table.columns, LABEL, name, table.name) or "" for name in names)


def _flags(table: Table, inputs: Collection[str | None], *, fewest: int) -> tuple[str, ...]:
    """The columns of 0 and 1, if all that are not inputs are such; empty for fewer than `fewest`,
    because a single one may as well be the labels.
    """
    columns = _free(table, inputs)
    if len(columns) < fewest:
        return ()
    return tuple(columns) if all(_is_flag(table, column) for column in columns) else ()


def _free(table: Table, inputs: Collection[str | None]) -> list[str]:
    return [
        column
        for column, cells in table.cells().items()
        if column not in inputs and not content.names_records(column, cells)
    ]


def _is_flag(table: Table, column: str) -> bool:
    known = TRUE | FALSE
    cells = (record.values.get(column) for record in table.peek())
    return all(values.is_missing(cell) or str(cell).strip() in known for cell in cells)
