"""Tables of any length: the offsets of rows, and reading from an offset. Lines, JSON lines, CSV
and Parquet.
"""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any, BinaryIO

from warmstart.bulk import storage
from warmstart.bulk.plan import ListedRow, Part
from warmstart.core.records.columns import PHOTO, RECORDING, TEXT
from warmstart.core.records.dialects import Dialect, detect_dialect
from warmstart.core.records.encodings import detect_encoding
from warmstart.core.records.json_lines import json_value
from warmstart.core.records.parquet import open_parquet
from warmstart.counts import counted
from warmstart.errors import InputError, UsageError

if TYPE_CHECKING:
    from hashlib import _Hash

SUFFIXES = (".txt", ".jsonl", ".ndjson", ".csv", ".tsv", ".parquet", ".pq")
SAMPLE = 2**18  # bytes at the start of a CSV file that show its delimiter
USUAL_NAMES = TEXT.usual_names | PHOTO.usual_names | RECORDING.usual_names
TAIL = 2**16  # bytes at the end of a Parquet file, which contain all offsets
BOM = b"\xef\xbb\xbf"

NumberedRow = tuple[int, Any]
"""(number of the row, or of the line in a text file, from 1; the row)."""


def format_of(path: str) -> str:
    suffix = os.path.splitext(path)[1].lower()
    return {".ndjson": "jsonl", ".tsv": "csv", ".pq": "parquet"}.get(suffix, suffix[1:])


def scan(path: str, content: _Hash) -> Iterator[ListedRow]:
    """The offset of each row.

    Args:
        path: with a suffix of `SUFFIXES`.
        content: a hash that is updated with the content of the file.

    Raises:
        MissingPackageError: Parquet without pyarrow.
        InputError: the file cannot be read.
    """
    format = format_of(path)
    with closing(storage.open_input(path)) as file:
        if format == "parquet":
            size = file.seek(0, os.SEEK_END)
            file.seek(max(size - TAIL, 0))
            content.update(f"{size} ".encode() + file.read())
            for number in range(open_parquet(file, path).metadata.num_rows):
                yield ListedRow(format, path, number)
        elif format == "csv":
            dialect = _dialect(file, path)
            lines = _Lines(file, content)
            for number, (_, offset) in enumerate(_records(lines, path, dialect, header=True)):
                yield ListedRow(format, path, number, offset)
        else:
            _check_encoding(file.read(4), path)
            file.seek(0)
            offset = 0
            for number, line in enumerate(file):
                content.update(line)
                if line.strip():
                    yield ListedRow(format, path, number, offset)
                offset += len(line)


def first(path: str) -> Any:
    """The first row: a mapping if the table has columns, else text; None if there is no readable row."""
    format = format_of(path)
    if format == "parquet":
        with closing(storage.open_input(path)) as file:
            return dict.fromkeys(open_parquet(file, path).schema_arrow.names, "")
    row = next(scan(path, hashlib.sha256()), None)
    if row is None:
        return None
    for _, value in rows(Part(row.format, path, row.start, row.offset, 1), ()):
        return None if isinstance(value, InputError) else value
    return None


def rows(part: Part, columns: tuple[str, ...]) -> Iterator[NumberedRow]:
    """The rows of a part; a line that cannot be read is an `InputError`.

    Args:
        part: from a plan.
        columns: of Parquet files, to read nothing else; empty: all.

    Raises:
        InputError: the file does not exist any more, or has fewer rows than when it was listed.
    """
    count = 0
    with closing(storage.open_input(part.path)) as file:
        reader = {"parquet": _parquet_rows, "csv": _csv_rows}.get(part.format, _line_rows)
        for count, row in enumerate(reader(file, part, columns), 1):
            yield row
            if count == part.count:
                return
    raise InputError(
        f"{part.path}: has {counted(part.count - count, 'fewer row')} than when it was listed",
        part.path,
    )


def _line_rows(file: BinaryIO, part: Part, columns: tuple[str, ...]) -> Iterator[NumberedRow]:
    file.seek(part.offset)
    for number, line in enumerate(file, part.start + 1):
        if not line.strip():
            continue
        line = line.strip(b"\r\n").removeprefix(BOM)
        name = f"{part.path}:{number}"
        try:
            text = line.decode()
        except UnicodeDecodeError as error:
            reason = f"is not UTF-8 at byte {error.start}; save it as UTF-8"
            yield number, InputError(f"{name}: {reason}", name)
        else:
            yield number, json_value(text, name) if part.format == "jsonl" else text


class _Lines:
    """The lines of a file as text, counting the bytes that were read."""

    def __init__(self, file: BinaryIO, content: _Hash | None = None, offset: int = 0):
        self.file, self.content, self.offset = file, content, offset

    def __iter__(self) -> Iterator[str]:
        for line in self.file:
            if self.content is not None:
                self.content.update(line)
            text = line.removeprefix(BOM) if self.offset == 0 else line
            self.offset += len(line)
            yield text.decode("utf-8", "surrogateescape")


def _dialect(file: BinaryIO, path: str) -> Dialect:
    """The dialect of a CSV file, which is left at its start."""
    head = file.read(SAMPLE)
    file.seek(0)
    _check_encoding(head, path)
    lines = head.removeprefix(BOM).decode("utf-8", "surrogateescape").splitlines(keepends=True)
    complete = len(head) < SAMPLE
    return detect_dialect(
        lines if complete else lines[:-1],
        path,
        complete=complete,
        usual_names=USUAL_NAMES,
        one_column=True,
    )


def _check_encoding(head: bytes, path: str) -> None:
    encoding, _ = detect_encoding(head, path)
    if encoding != "utf-8":
        raise UsageError(f"{path} is {encoding.upper()}; save it as UTF-8.")


def _records(
    lines: _Lines, path: str, dialect: Dialect, *, header: bool
) -> Iterator[tuple[list[str], int]]:
    """(record, its offset) for the rows of a CSV file; the header is left out."""
    reader = dialect.reader(lines, strict=False)
    while True:
        offset = lines.offset
        try:
            record = next(reader, None)
        except csv.Error as error:
            raise InputError(f"{path}: is damaged after byte {offset} ({error})", path) from error
        if record is None:
            return
        if header and record:
            header = False
        elif record:
            yield record, offset


def _csv_rows(file: BinaryIO, part: Part, columns: tuple[str, ...]) -> Iterator[NumberedRow]:
    dialect = _dialect(file, part.path)
    names = next((record for record in dialect.reader(_Lines(file), strict=False) if record), [])
    file.seek(part.offset)
    lines = _Lines(file, offset=part.offset)
    for number, (record, _) in enumerate(
        _records(lines, part.path, dialect, header=False), part.start + 1
    ):
        name = f"{part.path}:{number}"
        if len(record) != len(names):
            yield (
                number,
                InputError(
                    f"{name}: has {counted(len(record), 'field')}, not {len(names)} as the header has",
                    name,
                ),
            )
        elif any("\udc80" <= character <= "\udcff" for field in record for character in field):
            yield number, InputError(f"{name}: is not UTF-8; save the table as UTF-8", name)
        else:
            yield number, dict(zip(names, record, strict=True))


def _parquet_rows(file: BinaryIO, part: Part, columns: tuple[str, ...]) -> Iterator[NumberedRow]:
    table = open_parquet(file, part.path)
    before, span = 0, range(part.start, part.start + part.count)
    for group in range(table.num_row_groups):
        count = table.metadata.row_group(group).num_rows
        if before < span.stop and before + count > span.start:
            read = table.read_row_group(group, columns=list(columns) or None, use_threads=False)
            begin = max(span.start - before, 0)
            read = read.slice(begin, min(span.stop - before, count) - begin)
            yield from enumerate(read.to_pylist(), before + begin + 1)
        before += count
