"""Recognising columns by the content of their cells: texts, labels, or names of files.

Names of columns decide first. If no column has a usual name, the content decides, provided that
exactly one column fits; the chosen columns are reported.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from warmstart.core.records.columns import ROW_NAMES
from warmstart.core.records.dialects import is_number
from warmstart.core.records.values import as_list, class_name, is_missing

FEWEST = 6
"""Minimum number of cells for recognising a column by its content."""
MOST_CLASSES = 50
WORDS, CHARACTERS = 3, 20
"""Minimum averages of texts; reaching one of them is enough, as not all scripts have spaces."""
UNNAMED = re.compile(r"column \d+|unnamed: ?\d+")
_NAMED = re.compile(r"[\W_]+")
_FILE = re.compile(r"[^\n]{0,300}\.[A-Za-z][A-Za-z0-9]{1,4}")
_NAME = re.compile(r"[^\W\d][\w.#/ -]{0,39}")


def names_records(column: str, cells: Sequence[Any]) -> bool:
    """Whether a column numbers or names the records: by its name, or by a name such as `comment_id`
    if all cells are different.
    """
    name = column.casefold()
    if name in ROW_NAMES or UNNAMED.fullmatch(name) is not None:
        return True
    is_id = _NAMED.split(name)[-1] in ROW_NAMES
    return is_id and len({str(cell) for cell in cells}) == len(cells)


def are_texts(cells: Sequence[Any]) -> bool:
    """Whether cells are sentences: strings of several words, most of them different."""
    strings = [cell for cell in cells if isinstance(cell, str) and not is_number(cell)]
    if len(cells) < FEWEST or len(strings) < 0.9 * len(cells) or are_files(cells):
        return False
    words = sum(len(cell.split()) for cell in strings) / len(strings)
    characters = sum(map(len, strings)) / len(strings)
    different = len(set(strings)) >= 0.5 * len(strings)
    return different and (words >= WORDS or characters >= CHARACTERS)


def may_be_texts(cells: Sequence[Any]) -> bool:
    """Whether cells may be texts in a column with a usual name of texts: most are different, and of
    several words.
    """
    strings = [cell for cell in cells if isinstance(cell, str) and " " in cell.strip()]
    return len(strings) > 0.5 * len(cells) and len(set(strings)) > 0.5 * len(strings)


def are_labels(cells: Sequence[Any]) -> bool:
    """Whether cells are classes: few different values, of which most occur again and again."""
    if len(cells) < FEWEST or are_texts(cells) or are_files(cells):
        return False
    try:
        counts = Counter(
            class_name(cell) for cell in cells if as_list(cell) is None and not is_missing(cell)
        )
    except ValueError:
        return False
    return 2 <= len(counts) <= min(MOST_CLASSES, len(cells) // 3)


def has_fewer_and_shorter(first: Sequence[Any], second: Sequence[Any]) -> int | None:
    """The index of the column that holds classes, if the other holds texts: it has fewer different
    cells and fewer words. A column of numbers never holds texts.

    Returns:
        0 or 1; None if the two criteria disagree.
    """
    columns = [[str(cell).strip() for cell in cells] for cells in (first, second)]
    different = [len(set(cells)) for cells in columns]
    words = [sum(len(cell.split()) for cell in cells) for cells in columns]
    numeric = [all(map(is_number, cells)) for cells in columns]
    if numeric[0] != numeric[1]:
        index = 0 if numeric[0] else 1
        # Many different numbers may as well number the rows.
        return index if different[index] <= different[1 - index] else None
    if different[0] < different[1] and words[0] < words[1]:
        return 0
    return 1 if different[1] <= different[0] and words[1] <= words[0] else None


def are_files(cells: Sequence[Any]) -> bool:
    """Whether cells are names of files of one or two types."""
    if len(cells) < FEWEST or not all(isinstance(cell, str) for cell in cells):
        return False
    if not all(_FILE.fullmatch(cell.strip()) for cell in cells):
        return False
    return len({cell.strip().rpartition(".")[2].lower() for cell in cells}) <= 2


def may_be_addresses(cells: Sequence[Any]) -> bool:
    """Whether cells may be URLs or paths: not all are plain words."""
    strings = [cell for cell in cells if isinstance(cell, str)]
    return len(strings) < len(cells) or any(set(cell) & {"/", ".", "\\"} for cell in strings)


def columns_that(
    satisfy: Callable[[list[Any]], bool],
    cells: Mapping[str, list[Any]],
    taken: Collection[str | None],
) -> list[str]:
    """The columns whose cells satisfy a condition, without those that are taken or name the records."""
    return [
        column
        for column, values in cells.items()
        if column not in taken
        and not names_records(column, values)
        and satisfy([value for value in values if not is_missing(value)])
    ]


def is_header(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first record of a file names its columns, as the others show.

    It does if its cells are short names and some column has numbers, classes or files below a
    cell that is none of them. The numbers of the rows, which pandas writes, have no name.
    """
    first, others = rows[0], [row for row in rows[1:] if len(row) == len(rows[0])]
    if len(first) > 1 and not first[0].strip() and _count_rows([row[0] for row in others]):
        first, others = first[1:], [row[1:] for row in others]
    if len(others) < FEWEST or not all(_NAME.fullmatch(cell.strip()) for cell in first):
        return False
    columns = list(zip(*others, strict=True))
    for name, cells in zip(first, columns, strict=True):
        if are_texts(cells) and len(name.split()) > 2:
            return False
        if (are_labels(cells) and _occurs(name, cells)) or are_files([name, *cells]):
            return False
    return any(
        are_files(cells)
        or all(is_number(cell) for cell in cells if cell.strip())
        or are_labels(cells)
        for cells in columns
    )


def _count_rows(cells: Sequence[str]) -> bool:
    """Whether cells are different whole numbers."""
    return all(map(str.isdecimal, cells)) and len({*cells}) == len(cells)


def _occurs(name: str, cells: Iterable[str]) -> bool:
    return name.strip() in {cell.strip() for cell in cells}
