"""The column of a table that names the split of each example: train, validation or test."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from warmstart.core.records.columns import LABEL, SPLIT, choose_column
from warmstart.core.records.split_names import split_and_rest, split_of_name
from warmstart.core.records.values import is_missing
from warmstart.errors import UsageError

LONGEST = 40
"""Characters of a cell that names a split."""
TRUE, FALSE = {"1", "1.0", "true", "yes"}, {"0", "0.0", "false", "no"}
"""Cells of a column such as `is_train`, in lower case."""


def find_split_column(
    cells: Mapping[str, Sequence[Any]],
    named: str | None,
    name: str,
    *,
    taken: Collection[str | None] = (),
    whole: bool,
) -> str | None:
    """The column of splits: the named one; one called `split`; one with another usual name whose
    cells are all splits; one whose cells are two or more splits; or one such as `is_train`, of 0
    and 1.

    Args:
        cells: of the first records, by column.
        named: by the caller.
        name: of the table, for messages.
        taken: columns that the caller names for something else.
        whole: whether these are all records.

    Raises:
        UsageError: the named column is not there, or two columns disagree.
    """
    if named is not None:
        return choose_column([*cells], SPLIT, named, name)
    splits = {c: _splits_in(c, values) for c, values in cells.items() if c not in taken}
    filled = {column for column, values in splits.items() if values or not whole}
    tiers = [[c for c in splits if c.casefold() in tier and c in filled] for tier in SPLIT.tiers]
    plain, *others = tiers
    unlike = LABEL.usual_names - SPLIT.usual_names
    by_content = [
        column for column, values in splits.items() if None not in values and len(values) > 1
    ]
    flags = [c for c in splits if split_of_flag(c) and splits[c] and None not in splits[c]]
    for candidates in (
        plain,
        *([c for c in tier if splits[c] and None not in splits[c]] for tier in others),
        [c for c in by_content if c.casefold() not in unlike and c not in flags],
        [c for c in by_content if c not in flags],
        flags,
    ):
        if candidates:
            return _only(candidates, cells, name)
    return None


def constant_splits(
    cells: Mapping[str, Sequence[Any]], taken: Collection[str | None]
) -> dict[str, str]:
    """The columns whose first cells are all the same split, as in a table that is sorted by splits.

    Args:
        cells: of the first records, by column.
        taken: columns that the caller names for something else.
    """
    splits = {c: _splits_in(c, values) for c, values in cells.items() if c not in taken}
    usual = LABEL.usual_names
    return {
        column: split
        for column, values in splits.items()
        if len(values) == 1 and column.casefold() not in usual and (split := next(iter(values)))
    }


def split_of_cell(column: str, value: Any) -> str | None:
    """The split that a cell names: "train", "validation" or "test"; None for another value."""
    if hasattr(value, "__len__") and not isinstance(value, str):  # bytes, an array, a list
        return None
    text = str(value).strip()
    if len(text) > LONGEST:
        return None
    flag = split_of_flag(column)
    if flag is None or text.lower() not in TRUE | FALSE:
        return split_of_name(text)
    if text.lower() in TRUE:
        return flag
    return "test" if flag == "train" else "train"


def split_of_flag(column: str) -> str | None:
    """The split that a column of 0 and 1 is about: `is_train`, `isTestImage`; None for others."""
    split, rest = split_and_rest(column)
    return split if rest in (("is",), ("in",)) else None


def _splits_in(column: str, cells: Iterable[Any]) -> set[str | None]:
    """The splits that cells name, up to the first cell that names none, which adds None."""
    splits: set[str | None] = set()
    for cell in cells:
        if not is_missing(cell):
            splits.add(split_of_cell(column, cell))
            if None in splits:
                break
    return splits


def _only(candidates: Sequence[str], cells: Mapping[str, Sequence[Any]], name: str) -> str:
    """The first of these columns, if all of them assign each record to the same split.

    Raises:
        UsageError: they disagree.
    """
    first, *others = candidates
    for other in others:
        pairs = zip(cells[first], cells[other], strict=True)
        if any(split_of_cell(first, one) != split_of_cell(other, two) for one, two in pairs):
            raise UsageError(
                f"{name}: the columns {first!r} and {other!r} both assign splits and "
                f"disagree; name one with {SPLIT.option}."
            )
    return first
