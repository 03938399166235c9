"""Records of labelled data, wherever they come from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

from warmstart.core.records import values
from warmstart.core.records.columns import (
    GROUP,
    PART,
    Field,
    choose_column,
    require_column,
)
from warmstart.core.records.part_names import part_of_name
from warmstart.core.records.record import Record
from warmstart.core.records.usable import report, require_most
from warmstart.errors import RecordError, UsageError

PEEK = 1000
"""Records that are read ahead to learn the columns."""
MOST_DAMAGED = 0.05
"""Share of records without the columns of their table that may be left out."""


class SplitColumns(NamedTuple):
    """The columns that say to which part and to which group a record belongs; None: no column."""

    part: str | None
    group: str | None


class Split(NamedTuple):
    """The part and the group of a record.

    Attributes:
        part: "train", "validation" or "test"; None if not stated.
        group: records of the same group stay in the same part; None: no group.
    """

    part: str | None
    group: str | None


@dataclass(frozen=True, kw_only=True)
class Assigned:
    """An example with the part and the group of its record. Equal examples may differ in them.

    Attributes:
        part: "train", "validation" or "test", as a column of splits says; None without one.
        group: examples of the same group stay in one part; None: no group.
    """

    part: str | None = field(default=None, repr=False, compare=False)
    group: str | None = field(default=None, repr=False, compare=False)


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
        part_of_group: of the groups that were read.
        single_precision: columns of float32, whose cells are Python's floats.
    """

    name: str
    columns: tuple[str, ...]
    records: Iterator[Record | RecordError]
    folder: Path | None = None
    class_names: Mapping[str, Sequence[str]] = field(default_factory=dict)
    positional: bool = False
    part_of_group: dict[str, str] = field(default_factory=dict, init=False)
    single_precision: frozenset[str] = frozenset()

    def column(self, field: Field, named: str | None = None) -> str:
        """The column of a field: the one that the caller names, or the one with a usual name.

        Raises:
            UsageError: it is not there, or two columns could be meant.
        """
        self.check_names((field, named))
        return require_column(self.columns, field, named, self.name)

    def optional_column(self, field: Field, named: str | None = None) -> str | None:
        """As `column`; None where there is none."""
        self.check_names((field, named))
        return choose_column(self.columns, field, named, self.name)

    def check_names(self, *named: tuple[Field, str | None]) -> None:
        """Refuse names of columns where the records have none."""
        for field_, name in named:
            if name is not None and self.positional:
                raise UsageError(
                    f"{self.name} has no names of columns, so {field_.option}={name!r} cannot be found; "
                    f"its records are ({', '.join(self.columns)})."
                )

    def describe(
        self,
        columns: list[str] | None,
        fields: Mapping[str, str | None],
        split: SplitColumns = SplitColumns(None, None),  # noqa: B008 (it is immutable)
    ) -> None:
        """Add to `columns` which column was taken for what, such as "text: comment".

        Args:
            columns: None, where nobody asks.
            fields: columns by what they are; None: there is no such column.
            split: named after these.
        """
        if columns is not None and self.has_columns:
            every = {**fields, "split": split.part, "group": split.group}
            columns += [
                f"{name}: {self.column_name(column)}"
                for name, column in every.items()
                if column is not None
            ]

    @property
    def has_columns(self) -> bool:
        """Whether reports say which column is what: of all but tuples."""
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
        """By column: the cells of the first records."""
        first = self.peek()
        return {column: [one.values.get(column) for one in first] for column in self.columns}

    def split_columns(self, part: str | None = None, group: str | None = None) -> SplitColumns:
        """The columns of parts and groups; those of groups only where the caller names them.

        A column called `part`, `subset` or `set` counts only where it says train, validation or
        test.

        Raises:
            UsageError: a named column is not there.
        """
        return SplitColumns(
            self._part_column(part), None if group is None else self.column(GROUP, group)
        )

    def _part_column(self, named: str | None) -> str | None:
        if self.positional:
            self.check_names((PART, named))
            return None
        column = self.optional_column(PART, named)
        if column is None or named is not None or column.casefold() == PART.name:
            return column
        cells = [str(one) for one in self.cells()[column] if not values.is_missing(one)]
        return column if all(map(part_of_name, cells)) else None

    def read(self, problems: list[str] | None = None) -> Iterator[Record]:
        """The records.

        Args:
            problems: takes what is wrong with unusable records, which are left out; None: the first
                one is raised.

        Raises:
            RecordError: a record cannot be read.
            UsageError: so many cannot be read that the file must have another form.
        """
        count = damaged = 0
        first: RecordError | None = None
        for record in self.records:
            count += 1
            if isinstance(record, Record):
                yield record
            else:
                report(record, problems)
                damaged, first = damaged + 1, first or record
        if damaged > max(MOST_DAMAGED * count, 1):
            raise UsageError(
                f"{damaged:,} of {count:,} records cannot be read; the first: {first}."
            )

    def split(self, record: Record, columns: SplitColumns) -> Split:
        """The part and the group of a record.

        Raises:
            UsageError: its part is not one of train, validation and test, or its group is in two
                parts.
        """
        part, group = (None if column is None else record.values.get(column) for column in columns)
        name = None if values.is_missing(part) else str(part).strip()
        own = None if name is None else part_of_name(name)
        if name is not None and own is None:
            raise UsageError(
                f"{record.name}: {name!r} in the column {columns.part!r} must be train, "
                f"validation or test; name another column with {PART.option}."
            )
        if values.is_missing(group):
            return Split(own, None)
        before = self.part_of_group.setdefault(str(group), own or "train")
        if before != (own or "train"):
            raise UsageError(
                f"{record.name}: the group {str(group)!r:.60} of the column {columns.group!r} is in two "
                f"parts, {before} and {own or 'train'}, as the column {columns.part!r} says. Correct that "
                f"column, or leave out {GROUP.option}."
            )
        return Split(own, str(group))

    def map(
        self, make: Callable[[Record], Any], problems: list[str] | None = None
    ) -> Iterator[Any]:
        """What `make` returns for each record; its `RecordError`s are collected or raised.

        Raises:
            UsageError: more than half of the records cannot be used.
        """
        usable = 0
        unusable: list[str] = []
        for record in self.read(problems):
            try:
                value = make(record)
            except RecordError as error:
                report(error, problems)
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
            where = (
                "" if self.positional else f" (the column {column!r} is {_absence(record, column)})"
            )
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


def _absence(record: Record, column: str) -> str:
    return "empty" if column in record.values else "absent"


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
            UsageError(f"{name} holds no records."),
        )
    columns = tuple(dict.fromkeys(column for row in usable for column in row.values))
    return Table(name, columns, chain(first, rows), folder, class_names or {})
