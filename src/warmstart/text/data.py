"""Labelled texts, from files and tables or in memory."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from warmstart.core import records
from warmstart.core.inputs import Item
from warmstart.core.records.membership import Assigned
from warmstart.core.records.options import EvaluateOptions, SplitTable, TextTable
from warmstart.errors import InputError, RecordError
from warmstart.text.inputs import Pair, text_of


@dataclass(frozen=True, kw_only=True)
class EvaluateTextsOptions(TextTable, SplitTable, EvaluateOptions):
    """Options of evaluating on labelled texts."""


@dataclass(frozen=True)
class Example(Assigned):
    """A text or pair with its label, or labels.

    Attributes:
        name: of its record: `FILE:LINE` or `row 3`.
        text: a string or a `Pair`.
        labels: one or several.
    """

    name: str
    text: str | Pair
    labels: tuple[str, ...]


def examples(
    data: Any,
    *,
    problems: list[str] | None = None,
    multi_label: bool | None = None,
    **reading: Any,
) -> list[Example]:
    """Labelled texts.

    Args:
        data: a TSV, CSV, JSONL, JSON or Parquet file, a table or dataset, or (text, label) pairs, see
            `core.records.read_table`; or a folder with a folder of `.txt` files for each class, see
            `folders`. The columns are recognised by their usual names (`text`
            and `label`, for pairs `text_pair`; those of GLUE's files and others), or by their
            content, if exactly one column fits; a CSV or TSV file without a header has the
            text first and the label last, unless the content shows the opposite. Several labels of
            a text are a list, or are separated by `|` in a column called `labels`, or have a column
            of 0 and 1 each, which `label_column="toxic,insult"` names.
        problems: collects the faults of unusable records, which are left out; default: the first
            fault is raised.
        multi_label: whether a text may have several labels; default: inferred from the data.
        **reading: other keywords of `core.records.read_texts`: `text_column`, `encoding`, ….

    Raises:
        UsageError: the source holds no examples, lacks a column, or can be read in two ways.
        InputError: a record is damaged, its text empty or its label missing.
    """
    if isinstance(data, str | os.PathLike) and os.path.isdir(data):
        from warmstart.text import folders

        data = folders.read(Path(data), problems, reading.get("encoding"))
    labelled = records.read_texts(data, multi_label=multi_label, problems=problems, **reading)
    usable: list[Example] = []
    unusable: list[str] = []
    for record in labelled:
        labels = record.label if isinstance(record.label, tuple) else (record.label,)
        try:
            text = text_of(Item(record.name, record.value))
        except InputError as error:
            records.report(RecordError(str(error), record.name), problems)
            unusable.append(str(error))
        else:
            usable.append(
                Example(record.name, text, labels, split=record.split, group=record.group)
            )
    records.require_usable("text", len(usable), problems or ())
    records.require_most("texts", len(usable), unusable)
    return usable
