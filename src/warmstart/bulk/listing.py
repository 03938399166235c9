"""List the rows of a run: files of folders and patterns, rows of tables, texts of a list."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from warmstart.bulk import storage, tables
from warmstart.bulk.plan import IN_MEMORY, ListedRow
from warmstart.core import inputs as items
from warmstart.core.input_kind import InputKind
from warmstart.core.reading import printable, scheme
from warmstart.core.table_rows import input_columns
from warmstart.digests import sha256_of
from warmstart.errors import InputError, UsageError

if TYPE_CHECKING:
    from warmstart.bulk.rows import RowReader


def list_rows(inputs: Any, reader: RowReader) -> Iterator[ListedRow | bytes]:
    """The rows of `inputs` in order; those of a table are followed by the hash of its content.

    Args:
        inputs: a path, folder, pattern or URL; a text; or an iterable of these.
        reader: converts rows to inputs.

    Raises:
        UsageError: an input cannot be listed, or a table has no such column.
        InputError: a table cannot be read.
    """
    is_pair = isinstance(inputs, tuple) and _is_texts(inputs)
    if isinstance(inputs, str | os.PathLike | bytes | Mapping) or is_pair:
        inputs = [inputs]
    if (
        isinstance(inputs, str | bytes)
        or not isinstance(inputs, Iterable)
        or hasattr(inputs, "__array__")
    ):
        raise UsageError(
            "A batch is listed before it is run, so it takes paths, URLs, texts and lists of "
            f"them, not an object of type {type(inputs).__name__}; call the model with it "
            "instead."
        )
    folder, has_texts = "", False
    for value in inputs:
        for row in _one(value, reader):
            has_texts |= isinstance(row, ListedRow) and row.format == IN_MEMORY
            yield row
        if isinstance(value, str) and os.path.basename(value) == value and os.path.isdir(value):
            folder = folder or value
        if folder and has_texts:
            raise UsageError(
                f"{folder!r} may be a text, and is a folder; pass ./{folder} if it is the folder, or "
                "write the texts to a file."
            )


def _one(value: Any, reader: RowReader) -> Iterator[ListedRow | bytes]:
    input_kind = reader.input_kind
    is_text = not input_kind.is_file and not input_kind.table_suffixes
    if isinstance(value, os.PathLike) or (
        isinstance(value, str) and (not is_text or _names_files(value))
    ):
        path = os.fsdecode(value)
        if input_kind.is_file and not path.lower().endswith(tables.SUFFIXES):
            yield from _files(path, input_kind)
            return
        for table in _tables(path):
            yield from _rows(table, reader)
    elif is_text and (isinstance(value, str) or _is_texts(value)):
        yield ListedRow(IN_MEMORY, value=value if isinstance(value, str | Mapping) else list(value))
    else:
        what = "texts, pairs of texts" if is_text else f"paths and URLs of {input_kind.plural}"
        raise UsageError(
            f"A batch of this model takes {what} and files of them, not an object of type "
            f"{type(value).__name__}; call the model with it instead."
        )


def _names_files(text: str) -> bool:
    """Whether this is a table, a folder or a pattern of tables, and not a text itself."""
    if text.lower().endswith(tables.SUFFIXES) and not any(c.isspace() for c in text.strip()):
        return True
    if storage.is_remote(text):
        return True
    return (
        len(text) < 4096
        and "\0" not in text
        and "\n" not in text
        and (
            os.path.isdir(text) or (text.lower().endswith(tables.SUFFIXES) and os.path.isfile(text))
        )
    )


def _is_texts(value: Any) -> bool:
    """Whether this is a pair of texts, or a mapping of texts."""
    if isinstance(value, Mapping):
        return all(isinstance(text, str) for pair in value.items() for text in pair)
    return (
        isinstance(value, list | tuple)
        and len(value) == 2
        and all(isinstance(text, str) for text in value)
    )


def _files(path: str, input_kind: InputKind) -> Iterator[ListedRow]:
    if storage.is_remote(path):
        empty = True
        for url in storage.find(path, input_kind.suffixes):
            empty = False
            yield ListedRow("files", value=url)
        if empty:
            raise UsageError(
                f"{path} contains no {input_kind.noun} ({', '.join(sorted(input_kind.suffixes))})."
            )
    elif items.is_single(path):
        yield ListedRow("files", value=path)
    else:
        for item in items.iter_items(path, suffixes=input_kind.suffixes, what=input_kind.noun):
            # A folder that cannot be read is listed as a row, which fails.
            yield ListedRow(
                "files", value=item.name if isinstance(item.value, InputError) else item.value
            )


def _tables(path: str) -> Iterator[str]:
    """The tables that a path, folder, pattern or URL stands for."""
    suffixes = frozenset(tables.SUFFIXES)
    if storage.is_remote(path):
        paths = list(storage.find(path, suffixes))
    elif scheme(path):
        raise UsageError(
            f"{path}: tables are read from files or from a store that fsspec supports, not "
            "from the web."
        )
    elif items.is_single(path):
        if not os.path.isfile(path):
            raise UsageError(f"The file {printable(path)} does not exist.")
        paths = [path]
    else:
        paths = [
            item.value
            for item in items.iter_items(path, suffixes=suffixes, what="table")
            if isinstance(item.value, str)
        ]
    if not paths:
        raise UsageError(f"{path} contains no table ({', '.join(tables.SUFFIXES)}).")
    yield from paths


def _rows(path: str, reader: RowReader) -> Iterator[ListedRow | bytes]:
    suffix = os.path.splitext(path)[1].lower()
    if suffix in reader.input_kind.table_suffixes:
        yield from _whole_table(path, reader)
        return
    if not reader.input_kind.table_suffixes or reader.columns:
        _check(path, reader)
    content = hashlib.sha256()
    yield from tables.scan(path, content)
    yield content.digest()


def _whole_table(path: str, reader: RowReader) -> Iterator[ListedRow | bytes]:
    plural = reader.input_kind.plural
    if storage.is_remote(path):
        raise UsageError(
            f"{path}: tables of {plural} are read from this machine's files; JSONL files with one in each "
            "line from anywhere."
        )
    for index, _ in enumerate(reader.table(path)):
        yield ListedRow("series", path, index)
    yield bytes.fromhex(sha256_of(path))


def _check(path: str, reader: RowReader) -> None:
    """Refuse a table without the input column before its rows are predicted."""
    first, columns = tables.first(path), reader.columns
    if isinstance(first, Mapping):
        input_columns(first, reader.input_kind, columns, path)
    elif first is not None and columns:
        raise UsageError(f"{path} has no columns, so column={'+'.join(columns)} does not apply.")
