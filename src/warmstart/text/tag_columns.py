"""Columns of tags in CoNLL files that can be read in two ways."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from warmstart.errors import UsageError
from warmstart.text.tags import OUTSIDE

_TAG = re.compile(f"{OUTSIDE}|[BIESLUM]-.+")


def check_order(rows: Sequence[Sequence[Sequence[str]]], path: Path) -> None:
    """Refuse files with the tags in the first column.

    Raises:
        UsageError: the first column contains only tags, and the last column none.
    """
    first, last = ([row[column] for sentence in rows for row in sentence] for column in (0, -1))
    if all(map(_TAG.fullmatch, first)) and not any(map(_TAG.fullmatch, last)):
        raise UsageError(
            f"{path}: the tags seem to be in the first column ({first[0]}), and the words in the "
            f"last one ({last[0]}); write the word first and the tag last."
        )


def check_single(rows: Sequence[Sequence[Sequence[str]]], path: Path) -> None:
    """Refuse files with two columns of tags of the same entities, such as outer and inner ones.

    Chunks, as in CoNLL-2003, have tags of other types.

    Raises:
        UsageError: there are two such columns.
    """
    all_rows = [row for sentence in rows for row in sentence]
    width = len(all_rows[0])
    if any(len(row) != width for row in all_rows):
        return
    columns = [[row[index] for row in all_rows] for index in range(width)]
    tagged = [index for index in range(1, width) if all(map(_TAG.fullmatch, columns[index]))]
    if len(tagged) < 2 or tagged[-1] != width - 1:
        return
    last = _types(columns[-1])
    for index in tagged[:-1]:
        types = _types(columns[index])
        if types and (types & last or not last):
            raise UsageError(
                f"{path}: the tags may be in column {index + 1} or in column {width}, both "
                f"with the entities ({', '.join(sorted(types)[:3])}); remove one of the two "
                "columns."
            )


def _types(tags: Sequence[str]) -> set[str]:
    return {tag[2:] for tag in tags if tag != OUTSIDE}
