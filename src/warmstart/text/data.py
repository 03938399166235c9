"""Labelled texts, from files and tables or in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from warmstart.core import records
from warmstart.core.inputs import Item
from warmstart.errors import InputError, RecordError
from warmstart.text.inputs import Pair, text_of


@dataclass(frozen=True)
class Example:
    """A text or pair with its label, or labels.

    Attributes:
        name: of its record: `FILE:LINE` or `row 3`.
        text, labels: what is learned.
        part: what a column of splits says ("train", "test", …); None without one. Equal examples
            may differ in it.
    """

    name: str
    text: str | Pair
    labels: tuple[str, ...]
    part: str | None = field(default=None, repr=False, compare=False)


def examples(
    data: Any,
    *,
    text_column: str | None = None,
    pair_column: str | None = None,
    label_column: str | None = None,
    multi_label: bool | None = None,
    problems: list[str] | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
) -> list[Example]:
    """Labelled texts.

    Args:
        data: a TSV, CSV, JSONL, JSON or Parquet file, a table or dataset, or (text, label) pairs;
            see `core.records.read_table`. The columns are recognised by their usual names (`text`
            and `label`, for pairs `text_pair`; those of GLUE's files and others); a CSV or TSV
            file without a header has the text first and the label last. Several labels of a text
            are a list, or are separated by `|` in a column called `labels`, or have a column of 0
            and 1 each.
        text_column, pair_column, label_column: of a table, where their names are not the usual
            ones.
        multi_label: whether a text may have several labels; default: what the data looks like.
        problems: takes what is wrong with unusable records, which are left out; default: the
            first one is raised.
        encoding, delimiter: of a file, where they are not recognised.

    Raises:
        UsageError: the source holds no examples, lacks a column, or can be read in two ways.
        InputError: a record is damaged, its text empty or its label missing.
    """
    columns = {"text_column": text_column, "pair_column": pair_column, "label_column": label_column}
    labelled = records.read_texts(
        data,
        **columns,
        multi_label=multi_label,
        problems=problems,
        encoding=encoding,
        delimiter=delimiter,
    )
    usable: list[Example] = []
    for one in labelled:
        labels = one.label if isinstance(one.label, tuple) else (one.label,)
        try:
            usable.append(Example(one.name, text_of(Item(one.name, one.value)), labels, one.part))
        except InputError as error:
            records.report(RecordError(str(error), one.name), problems)
    return usable
