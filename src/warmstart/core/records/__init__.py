"""Reads labelled data: files, tables, datasets, mappings and tuples become records.

    read_table                a `Table` of records, from any of these
    read_photos, read_texts   examples with labels: photos or texts with their classes

`columns` has the usual names of columns, `values` and `labels` say what a cell means. `encodings`,
`dialects`, `json_lines` and `parquet` read the files of any table, also those of series and of batch
runs. Whatever is ambiguous is an error that names both readings and the option.
"""

from typing import TYPE_CHECKING

from warmstart.core.records.suffixes import SUFFIXES
from warmstart.lazy import names_of

if TYPE_CHECKING:
    from warmstart.core.records.columns import LABEL, PAIR, PHOTO, TEXT, Field
    from warmstart.core.records.labels import Label
    from warmstart.core.records.readers import (
        Labelled,
        abbreviated,
        evaluation_split,
        is_table,
        read_photos,
        read_table,
        read_texts,
        text_column,
    )
    from warmstart.core.records.reading import Reading
    from warmstart.core.records.record import Record
    from warmstart.core.records.table import Table
    from warmstart.core.records.usable import report, require_most, require_usable, usable_results
    from warmstart.errors import RecordError
else:
    _COLUMNS = ("LABEL", "PAIR", "PHOTO", "TEXT", "Field")
    _READERS = (
        "Labelled",
        "abbreviated",
        "is_table",
        "evaluation_split",
        "read_photos",
        "read_table",
        "read_texts",
        "text_column",
    )
    _TABLE = ("RecordError", "Table")
    _USABLE = ("usable_results", "report", "require_most", "require_usable")
    __getattr__ = names_of(
        __name__,
        {
            "Label": "labels",
            "Reading": "reading",
            "Record": "record",
            **dict.fromkeys(_COLUMNS, "columns"),
            **dict.fromkeys(_READERS, "readers"),
            **dict.fromkeys(_TABLE, "table"),
            **dict.fromkeys(_USABLE, "usable"),
        },
    )

__all__ = [
    "LABEL", "PAIR", "PHOTO", "SUFFIXES", "TEXT", "Field", "Label", "Labelled", "Reading",
    "Record", "RecordError", "Table", "usable_results", "abbreviated", "is_table", "evaluation_split", "read_photos",
    "read_table", "read_texts", "report", "require_most", "require_usable", "text_column",
]  # fmt: skip
