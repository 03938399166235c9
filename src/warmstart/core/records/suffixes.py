"""Which files are tables of inputs or labelled data."""

from warmstart.core.reading import is_file_name

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet", ".pq")


def names_table(text: str) -> bool:
    """Whether this names a table: it has the suffix of one, and is not a text that ends with it."""
    return text.lower().endswith(SUFFIXES) and is_file_name(text)
