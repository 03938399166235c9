"""Labelled texts from files: TSV, CSV and JSON lines, or pairs that the caller gives."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from warmstart.core.inputs import Item
from warmstart.errors import InputError, UsageError
from warmstart.text.inputs import Pair, text_of

TEXTS = ("text", "sentence", "sentence1", "text1", "premise", "question1", "review", "content")
PAIRS = ("text_pair", "sentence2", "text2", "hypothesis", "question2", "pair")
LABELS = ("label", "labels", "class", "score", "target", "sentiment")
SEPARATOR = "|"
"""Between several labels of one text in a table."""


@dataclass(frozen=True)
class Example:
    """A text or pair with its label, or labels; `name` says where it stands."""

    name: str
    text: str | Pair
    labels: tuple[str, ...]


def examples(data: Any) -> list[Example]:
    """Labelled texts.

    Args:
        data: the path of a `.tsv`, `.csv` or `.jsonl` file, or (text, label) pairs. A table has named columns (`text`,
            `label`, for pairs `text_pair`; the names of GLUE's files are known, too), or none: then the last column is
            the label and the ones before it are the text, or the pair. Several labels of a text are a list in JSON,
            and are separated by `|` in a table whose column is called `labels`.

    Raises:
        UsageError: the file is of another kind, holds no examples, or lacks a column.
        InputError: a line is damaged, its text empty or its label missing.
    """
    if isinstance(data, str | Path):
        path = Path(data)
        rows = _rows(path)
        what = str(path)
    else:
        rows, what = ((f"item {n}", row) for n, row in enumerate(data, 1)), "the data"
    found = [_example(name, row) for name, row in rows]
    if not found:
        raise UsageError(f"{what} holds no labelled texts.")
    return found


def _example(name: str, row: Any) -> Example:
    if isinstance(row, Mapping):
        text, label = _first(row, TEXTS, name), _first(row, LABELS, name)
        pair = next((row[key] for key in PAIRS if row.get(key)), None)
        text = text if pair is None else (text, pair)
    else:
        try:
            text, label = row
        except (TypeError, ValueError):
            raise InputError(f"{name}: must be a pair of a text and its label", name) from None
    labels = label if isinstance(label, list | tuple | set) else [label]
    if any(one is None or str(one).strip() == "" for one in labels):
        raise InputError(f"{name}: has no label", name)
    return Example(name, text_of(Item(name, text)), tuple(_plain(one) for one in labels))


def _plain(label: Any) -> str:
    return str(label).strip() if not isinstance(label, float) or not label.is_integer() else str(int(label))


def _first(row: Mapping[str, Any], keys: Sequence[str], name: str) -> Any:
    for key in keys:
        if key in row:
            return row[key]
    raise InputError(f"{name}: has none of the columns {', '.join(keys)}", name)


def _rows(path: Path) -> Iterator[tuple[str, Any]]:
    readers = {".tsv": _table, ".csv": _table, ".jsonl": _json_lines, ".ndjson": _json_lines}
    if path.suffix.lower() not in readers:
        raise UsageError(f"{path} is no .tsv, .csv or .jsonl file of labelled texts.")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from readers[path.suffix.lower()](file, path)
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8",
                         str(path)) from error
    except OSError as error:
        raise UsageError(f"{path} cannot be opened: {error.strerror or error}.") from error


def _json_lines(file: Iterable[str], path: Path) -> Iterator[tuple[str, Any]]:
    for number, line in enumerate(file, 1):
        if line.strip():
            name = f"{path}:{number}"
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise InputError(f"{name}: is no JSON ({error})", name) from error
            if not isinstance(row, dict):
                raise InputError(f"{name}: is no JSON object", name)
            yield name, row


def _table(file: Iterable[str], path: Path) -> Iterator[tuple[str, Any]]:
    if path.suffix.lower() == ".tsv":
        rows = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)  # a quotation mark is one in GLUE's files
    else:
        rows = csv.reader(file)
    header: list[str] | None = None
    first = True
    while True:
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            raise InputError(f"{path}:{rows.line_num}: is no row of a table ({error})", str(path)) from error
        if not any(cell.strip() for cell in row):
            continue
        if first and (names := [cell.strip().lower() for cell in row]) and {*names} & {*TEXTS} and {*names} & {*LABELS}:
            header, first = names, False
            continue
        first = False
        name = f"{path}:{rows.line_num}"
        wanted = len(header) if header else 2
        if len(row) < wanted:
            raise InputError(f"{name}: has {len(row)} columns where {wanted} are needed", name)
        if header is None:
            yield name, (row[0] if len(row) == 2 else (row[0], row[1]), row[-1])
        else:
            cells: dict[str, Any] = dict(zip(header, row, strict=False))
            if "labels" in cells and "label" not in cells:
                cells["labels"] = [part for part in cells["labels"].split(SEPARATOR) if part.strip()]
            yield name, cells
