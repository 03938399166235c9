"""The suffixes of files that are tables of inputs or labelled data."""

from warmstart.core.reading import is_file_name

DELIMITED = (".csv", ".tsv")
JSON_LINES = (".jsonl", ".ndjson")
PARQUET = (".parquet", ".pq")
SUFFIXES = (*DELIMITED, *JSON_LINES, ".json", *PARQUET)
SPREADSHEETS = (".xlsx", ".xls", ".xlsm", ".ods")
FROM_SPREADSHEET = "; save the sheet as CSV, or pass pandas.read_excel(path)"
"""How a spreadsheet becomes a table; completes an error message."""


def names_table(text: str) -> bool:
    """Whether this names a table: it has the suffix of one, and is not a text that ends with it."""
    return text.lower().endswith(SUFFIXES) and is_file_name(text)
