"""Records of labelled data, wherever they come from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any

from warmstart.core.records import values
from warmstart.core.records.columns import (
    GROUP,
    SPLIT,
    Field,
    choose_column,
    listed,
    require_column,
)
from warmstart.core.records.membership import Membership, SplitColumns
from warmstart.core.records.reading import Reading
from warmstart.core.records.record import Record
from warmstart.core.records.split_columns import constant_splits, find_split_column, split_of_cell
from warmstart.core.records.usable import report, require_most
from warmstart.counts import counted
from warmstart.errors import RecordError, UsageError

PEEK = 1000
"""Records that are read ahead to learn the columns."""
MOST_DAMAGED = 0.05
"""Share of records without the columns of their table that may be left out."""


@dataclass
class Table:
    """Labelled data, to be read once.

    Attributes:
        name: of the file, or "the data"; for messages.
        columns: their names, in order.
        records: a record that cannot be read is a `RecordError`.
        folder: that paths are relative to; None: the working folder.
        class_names: of columns whose whole numbers are indices of classes.
        positional: whether the records are tuples, whose columns are named after the fields.
        reading: the caller's options for it.
        split_columns: those of splits and groups; see `find_split`.
        split_of_group: of the groups that were read.
        without: how many records have no "split" or no "group", if there is a column of them.
        constant_splits: columns that may name splits, though the first records have only one.
        single_precision: columns of float32, whose cells are Python's floats.
    """

    name: str
    columns: tuple[str, ...]
    records: Iterator[Record | RecordError]
    folder: Path | None = None
    class_names: Mapping[str, Sequence[str]] = field(default_factory=dict)
    positional: bool = False
    reading: Reading = Reading()  # noqa: RUF009 (it is immutable)
    split_columns: SplitColumns = SplitColumns(None, None)  # noqa: RUF009 (it is immutable)
    split_of_group: dict[str, str] = field(default_factory=dict, init=False)
    without: Counter[str] = field(default_factory=Counter, init=False)
    constant_splits: dict[str, str] = field(default_factory=dict, init=False)
    single_precision: frozenset[str] = frozenset()

    def column(self, field: Field) -> str:
        """The column of a field: the one that the caller names, or the one with a usual name.

        Raises:
            UsageError: it is not there, or two columns could be meant.
        """
        self.check_names(field)
        return require_column(self.columns, field, self.reading.column(field), self.name)

    def optional_column(self, field: Field) -> str | None:
        """Like `column`, but None if there is none."""
        self.check_names(field)
        return choose_column(self.columns, field, self.reading.column(field), self.name)

    def check_names(self, *fields: Field) -> None:
        """Refuse names of columns if the records have none."""
        for field_ in fields:
            name = self.reading.column(field_)
            if name is not None and self.positional:
                raise UsageError(
                    f"{self.name} has no column names, so {field_.option}={name!r} does not "
                    f"apply; its records are ({', '.join(self.columns)})."
                )

    def describe(self, fields: Mapping[str, str | None], labels: str | None = None) -> None:
        """Add to the caller's `columns` which column was taken for what, such as "text: comment".

        Args:
            fields: columns by what they are, besides those of the split; None: there is no such
                column.
            labels: the description of the labels.

        Raises:
            UsageError: a column was taken for two things.
        """
        split, group = self.split_columns
        self.require_distinct({**fields, "split": split})
        if (notes := self.reading.columns) is not None and self.has_columns:
            notes += self._notes(fields)
            notes += [] if labels is None else [labels]
            notes += self._notes({"split": split, "group": group})

    def _notes(self, fields: Mapping[str, str | None]) -> list[str]:
        return [f"{name}: {self.column_name(c)}" for name, c in fields.items() if c is not None]

    def require_distinct(self, fields: Mapping[str, str | None]) -> None:
        """Refuse a column that was taken for two things.

        Args:
            fields: columns by what they are; None: there is no such column.

        Raises:
            UsageError: there is one.
        """
        purposes: dict[str, str] = {}
        for purpose, column in fields.items():
            if column is not None and purposes.setdefault(column, purpose) != purpose:
                raise UsageError(
                    f"{self.name}: the column {column!r} cannot be both the {purposes[column]} and the "
                    f"{purpose}; name another one (the columns are {listed(self.columns)})."
                )

    @property
    def has_columns(self) -> bool:
        """Whether reports describe the columns; False for tuples."""
        return not self.positional or self.folder is not None

    def column_name(self, column: str) -> str:
        """How reports name a column: by its number in a file without a header."""
        return f"column {self.columns.index(column) + 1}" if self.positional else column

    def peek(self) -> list[Record]:
        """The first records, which are read again."""
        first = list(islice(self.records, PEEK))
        self.records = chain(first, self.records)
        return [record for record in first if isinstance(record, Record)]

    def cells(self) -> dict[str, list[Any]]:
        """Column -> the cells of the first records."""
        first = self.peek()
        return {column: [record.values.get(column) for record in first] for column in self.columns}

    def recognise(self, *fields: Field) -> list[str]:
        """The columns of fields; those of the split are recognised, too, and all are noted.

        Raises:
            UsageError: one is not there, two could be meant, or one was taken for two things.
        """
        columns = [self.column(field) for field in fields]
        self.find_split()
        self.describe({field.name: column for field, column in zip(fields, columns, strict=True)})
        return columns

    def find_split(self) -> None:
        """Find the columns with the split and with the group of each record; that of groups only if
        the caller names it.

        Raises:
            UsageError: a named column is not there, or two columns of splits disagree.
        """
        split = self._split_column()
        group = None if self.reading.group_column is None else self.column(GROUP)
        self.split_columns = SplitColumns(split, group)

    def _split_column(self) -> str | None:
        if self.positional:
            self.check_names(SPLIT)
            return None
        split = (SPLIT.option, GROUP.option)
        taken = [name for option, name in self.reading.named.items() if option not in split]
        cells = self.cells()
        whole = all(len(some) < PEEK for some in cells.values())
        named = self.reading.split_column
        column = find_split_column(cells, named, self.name, taken=taken, whole=whole)
        if column is None and not whole:
            self.constant_splits = constant_splits(cells, taken)
        return column

    def _refuse_splits(self, record: Record) -> None:
        """Refuse a further split in a column that had only one in the first records.

        Raises:
            UsageError: there is one.
        """
        for column, before in [*self.constant_splits.items()]:
            split = split_of_cell(column, record.values.get(column))
            if split is None:  # the column is about something else
                del self.constant_splits[column]
            elif split != before:
                raise UsageError(
                    f"{record.name}: the column {column!r} says {split} here, and {before} above. If "
                    f"it assigns rows to splits, pass it as {SPLIT.option}; if not, remove it."
                )

    def read(self) -> Iterator[Record]:
        """The records; unusable ones are left out, or raised.

        Raises:
            RecordError: a record cannot be read.
            UsageError: so many cannot be read that the file must have another form.
        """
        count = damaged = 0
        problems = self.reading.problems
        first: RecordError | None = None
        for record in self.records:
            count += 1
            if isinstance(record, Record):
                self._refuse_splits(record)
                yield record
            else:
                report(record, problems)
                damaged, first = damaged + 1, first or record
        for what, some in self.without.items():
            if some and problems is not None:
                use = "used for training" if what == "split" else "not grouped with others"
                problems.append(f"{self.name}: {counted(some, 'record')} with no {what}, {use}")
        if damaged > max(MOST_DAMAGED * count, 1):
            raise UsageError(
                f"{damaged:,} of {count:,} records cannot be read; the first: {first}."
            )

    def membership(self, record: Record) -> Membership:
        """The split and the group of a record.

        Raises:
            UsageError: its split is not one of train, validation and test, or its group is in two
                splits.
        """
        columns = self.split_columns
        own = None if columns.split is None else self._split(record, columns.split)
        group = None if columns.group is None else record.values.get(columns.group)
        if values.is_missing(group):
            self.without["group"] += columns.group is not None
            return Membership(own, None)
        before = self.split_of_group.setdefault(str(group), own or "train")
        if before != (own or "train"):
            raise UsageError(
                f"{record.name}: the group {str(group)!r:.60} of the column {columns.group!r} is in "
                f"two splits, {before} and {own or 'train'}, according to the column "
                f"{columns.split!r}. Correct that column, or leave out {GROUP.option}."
            )
        return Membership(own, str(group))

    def _split(self, record: Record, column: str) -> str | None:
        value = record.values.get(column)
        if values.is_missing(value):
            self.without["split"] += 1
            return None
        own = split_of_cell(column, value)
        if own is None:
            raise UsageError(
                f"{record.name}: {str(value).strip()!r} in the column {column!r} must be train, "
                f"validation or test; name another column with {SPLIT.option}."
            )
        return own

    def map(self, make: Callable[[Record], Any]) -> Iterator[Any]:
        """The result of `make` for each record; its `RecordError`s are collected or raised.

        Raises:
            UsageError: more than half of the records cannot be used.
        """
        usable = 0
        unusable: list[str] = []
        for record in self.read():
            try:
                value = make(record)
            except RecordError as error:
                report(error, self.reading.problems)
                unusable.append(str(error))
            else:
                usable += 1
                yield value
        require_most(f"records of {self.name}", usable, unusable)

    def cell(self, record: Record, column: str, what: str) -> Any:
        """A cell that may not be missing.

        Raises:
            RecordError: it is.
        """
        value = record.values.get(column)
        if values.is_missing(value):
            state = "empty" if column in record.values else "absent"
            where = "" if self.positional else f" (the column {column!r} is {state})"
            raise record.error(f"has no {what}{where}; fill it in, or remove the row")
        return value

    def text(self, record: Record, column: str, what: str = "text") -> str:
        """A cell of text.

        Raises:
            RecordError: it is missing, or is not a text.
        """
        value = self.cell(record, column, what)
        if isinstance(value, bytes):
            try:
                value = value.decode()
            except UnicodeDecodeError as error:
                raise record.error(
                    f"the {what} is not UTF-8 at byte {error.start}; save it as UTF-8"
                ) from None
        if not isinstance(value, str):
            raise record.error(f"the {what} is not a string but {value!r:.50}; write it as text")
        return value

    def file(self, record: Record, column: str, what: str) -> Any:
        """A cell that names or holds a photo or a recording; see `values.file_value`.

        Raises:
            RecordError: it is missing, or neither a path nor a file's content.
        """
        value = self.cell(record, column, "path" if self.folder else what)
        try:
            return values.file_value(value, self.folder)
        except ValueError as error:
            raise record.error(f"the {what} in the column {column!r} {error}") from None


def table_of_mappings(
    name: str,
    rows: Iterable[Record | RecordError],
    *,
    folder: Path | None = None,
    class_names: Mapping[str, Sequence[str]] | None = None,
) -> Table:
    """A table of records whose columns are the keys of the first thousand.

    Raises:
        UsageError: there are no records.
        RecordError: none of the first thousand can be read.
    """
    rows = iter(rows)
    first = list(islice(rows, PEEK))
    usable = [row for row in first if isinstance(row, Record)]
    if not usable:
        raise next(
            (row for row in first if isinstance(row, RecordError)),
            UsageError(f"{name} contains no records."),
        )
    columns = tuple(dict.fromkeys(column for row in usable for column in row.values))
    return Table(name, columns, chain(first, rows), folder, class_names or {})
