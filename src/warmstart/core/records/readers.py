"""Labelled examples: photos and texts with their classes, from any source of records."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from warmstart.core.reading import scheme
from warmstart.core.records import content
from warmstart.core.records.columns import (
    COLA,
    COMPANIONS,
    LABEL,
    PAIR,
    PHOTO,
    PHOTO_ID,
    TEXT,
    Field,
    choose_texts,
    listed,
)
from warmstart.core.records.file_columns import file_column
from warmstart.core.records.files import read_file
from warmstart.core.records.labels import Label, LabelReader, label_reader
from warmstart.core.records.objects import read_object
from warmstart.core.records.reading import Reading
from warmstart.core.records.record import Record
from warmstart.core.records.suffixes import SUFFIXES
from warmstart.core.records.table import Table
from warmstart.core.records.values import is_missing
from warmstart.errors import UsageError, documented_in


@dataclass(frozen=True, slots=True)
class Labelled:
    """One labelled example.

    Attributes:
        name: of its record, for messages.
        value: the photo or text; a tuple of two texts is a pair.
        label: the name of its class; a tuple of names if it may have several.
        split: "train", "validation" or "test", from the split column; None without one.
        group: examples of the same group stay together; None: it has none.
    """

    name: str
    value: Any
    label: Label
    split: str | None = None
    group: str | None = None


class HasSplit(Protocol):
    """An example that may belong to a split: "train", "validation" or "test", else None."""

    @property
    def split(self) -> str | None: ...


SplitT = TypeVar("SplitT", bound=HasSplit)


@documented_in("fine-tuning.md#tables")
def read_table(
    data: Any,
    *layouts: Sequence[Field],
    reading: Reading | None = None,
    optional: Sequence[Field] = (),
    named: Sequence[str] = (),
    example_rank: int = 0,
) -> Table:
    """The records of any source.

    Args:
        data: the path of a CSV, TSV, JSONL, NDJSON, JSON or Parquet file; a `Table`, or one of pandas,
            polars or pyarrow; a `datasets.Dataset`; a `tf.data.Dataset`; a mapping of columns; an
            iterable of mappings or tuples.
        layouts: what the elements of a tuple are; further ones: of a file without a header that
            has more columns.
        reading: the caller's options for the table.
        optional: further fields, by whose names a header is recognised, too.
        named: further columns that the caller names; with any, the first line of a file is a
            header.
        example_rank: the rank of the first element of an example, by which a batched
            `tf.data.Dataset` is recognised: 0 for a text, 1 for samples, 3 for a photo.

    Raises:
        UsageError: the source cannot be opened, holds no records, or can be read in two ways.
        RecordError: the file is not text in its encoding, or none of the first records can be read.
    """
    reading = reading or Reading()
    if isinstance(data, Table):
        table = data
    elif isinstance(data, str | os.PathLike):
        if scheme(data) is not None:
            raise UsageError(f"{data} is a URL; download the table, and pass its path.")
        fields = [field for layout in layouts for field in layout] + list(optional)
        usual_names = frozenset(name for field in fields for name in field.usual_names)
        every = [*reading.named.values(), *named]
        path = Path(os.fsdecode(data))
        table = read_file(path, layouts, usual_names, every, reading.encoding, reading.delimiter)
    else:
        table = read_object(data, layouts[0], example_rank)
    table.reading = reading
    return table


def read_photos(data: Any, **keywords: Any) -> Iterator[Labelled]:
    """Photos with their labels.

    Args:
        data: see `read_table`; tuples are (photo, label). Paths are relative to the file.
        **keywords: see `Reading`.

    Raises:
        UsageError: see `read_table`; a column is missing, or ambiguous.
        RecordError: a record is unusable.
    """
    reading = Reading(**keywords)
    table = read_table(data, (PHOTO, LABEL), reading=reading, optional=(PHOTO_ID,), example_rank=3)
    photo = file_column(table, PHOTO)
    table.find_split()
    label_of = label_reader(table, LABEL, (photo, *table.split_columns))
    _understood(table, {"photo": photo}, label_of)

    def example(record: Record) -> Labelled:
        value = table.file(record, photo, "photo")
        return Labelled(record.name, value, label_of(record), *table.membership(record))

    yield from table.map(example)


def read_texts(data: Any, **keywords: Any) -> Iterator[Labelled]:
    """Texts, or pairs of texts, with their labels; arguments and errors as for `read_photos`.

    Tuples are (text, label), where the text may itself be a pair. A tab-separated file without a
    header may have three columns (text, second text, label), or the four of CoLA.
    """
    reading = Reading(**keywords)
    table = read_table(data, (TEXT, LABEL), (TEXT, PAIR, LABEL), COLA, reading=reading)
    table.find_split()
    if table.positional:
        table.check_names(TEXT, PAIR)
        text, pair = TEXT.name, PAIR.name if PAIR.name in table.columns else None
    else:
        text, pair = _text_columns(table)
    if table.positional and pair is None:
        _check_order(table)
    label_of = label_reader(table, LABEL, (text, pair, *table.split_columns))
    texts = {"text": text} if pair is None else {"text": text, "second text": pair}
    _understood(table, texts, label_of)

    def example(record: Record) -> Labelled:
        value: Any = _text_or_pair(table, record, text)
        if pair is not None:
            value = (value, table.text(record, pair, "second text"))
        return Labelled(record.name, value, label_of(record), *table.membership(record))

    yield from table.map(example)


def _text_columns(table: Table) -> tuple[str, str | None]:
    """The columns of text and second text: by name, else the one whose cells are texts.

    Raises:
        UsageError: there is none, or several could be meant.
    """
    text, pair = table.reading.text_column, table.reading.pair_column
    others = (table.reading.label_column, *table.split_columns)
    taken = [column for column in others if column]
    usual = {name for field in (TEXT, PAIR) for name in field.usual_names}
    if text is None and pair is None and not {c.casefold() for c in table.columns} & usual:
        candidates = content.columns_that(content.are_texts, table.cells(), taken)
        if len(candidates) == 1:
            return candidates[0], None
    chosen = choose_texts(table.columns, text, pair, table.name, taken=taken)
    if text is None and pair is None:
        _refuse_other_texts(table, chosen, taken, "name one with text_column, or two with text_column "
                            "and pair_column")  # fmt: skip
    return chosen


def text_column(table: Table) -> str:
    """The column of texts, if there are no second ones.

    Raises:
        UsageError: there is none, or several could be meant.
    """
    column = table.column(TEXT)
    if table.reading.text_column is None and not table.positional:
        taken = [column for column in table.split_columns if column]
        _refuse_other_texts(table, (column, None), taken, "name one with text_column")
    return column


def _refuse_other_texts(
    table: Table, chosen: Sequence[str | None], taken: Sequence[str], advice: str
) -> None:
    """Refuse a table with further columns of texts, by their names and their content."""
    usual = TEXT.usual_names | PAIR.usual_names | COMPANIONS
    free = [c for c in table.columns if c.casefold() in usual and c not in (*chosen, *taken)]
    if not free:
        return
    cells = table.cells()
    others = [
        column
        for column in free
        if content.may_be_texts([cell for cell in cells[column] if not is_missing(cell)])
    ]
    if others:
        columns = " or ".join(repr(column) for column in (*chosen, *others) if column)
        raise UsageError(f"{table.name}: the text may be in the column {columns}; {advice}.")


def _check_order(table: Table) -> None:
    """Refuse (label, text) pairs: few labels first, and sentences as labels."""
    pairs = [(record.values[TEXT.name], record.values[LABEL.name]) for record in table.peek()]
    if len(pairs) < content.FEWEST or not all(
        isinstance(cell, str) for pair in pairs for cell in pair
    ):
        return
    if content.has_fewer_and_shorter(*zip(*pairs, strict=True)) == 0:
        label, text = pairs[0]
        raise UsageError(
            f"{table.name}: pairs are (text, label), but {label!r:.40} looks like the label, "
            f"and {text!r:.40} like the text; swap the two, or pass a table with the columns "
            "text and label."
        )


def _understood(table: Table, inputs: Mapping[str, str], label_of: LabelReader) -> None:
    """Note how each column of the table was interpreted."""
    split = table.split_columns.split
    table.require_distinct({**inputs, "label": label_of.column, "split": split})
    table.describe(inputs, label_of.describe())


def _text_or_pair(table: Table, record: Record, column: str) -> Any:
    value = record.values.get(column)
    return value if isinstance(value, tuple | list) else table.text(record, column)


def evaluation_split(examples: Iterable[SplitT]) -> list[SplitT]:
    """The test examples if the data has any, else the validation examples, else all."""
    all_examples = list(examples)
    splits = (
        [example for example in all_examples if example.split == split]
        for split in ("test", "validation")
    )
    return next(filter(None, splits), all_examples)


def is_table(data: Any) -> bool:
    """Whether this is a file of `SUFFIXES`, a table in memory, or a list of mappings."""
    if isinstance(data, str | os.PathLike):
        return os.fsdecode(data).lower().endswith(SUFFIXES)
    if isinstance(data, Mapping) or (
        isinstance(data, list) and data and isinstance(data[0], Mapping)
    ):
        return True
    return any(
        hasattr(data, name) for name in ("itertuples", "iter_rows", "to_pylist", "column_names")
    )


def abbreviated(names: Iterable[str], limit: int = 5) -> str:
    """The first names, quoted, and how many more there are."""
    return listed(map(repr, names), limit)
