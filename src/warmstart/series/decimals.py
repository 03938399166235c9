"""Columns of numbers as people write them: decimal commas, separators of thousands, units, and
signs for missing values.

One reading for the whole column; a column with only `1,234` can be read in two ways and is refused.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from warmstart.core.records.values import MISSING_WORDS, UNCLEAR_WORDS
from warmstart.errors import InputError, documented_in
from warmstart.series.column_types import has_type
from warmstart.series.layout import Layout

if TYPE_CHECKING:
    import pandas as pd

SPACES = re.compile(r"(?<=\d)[\s\u00a0\u202f'’](?=\d{3})")
NUMBER = re.compile(r"[-+]?[\d.,]*\d[.,]?(?:[eE][-+]?\d+)?")
GROUPED = re.compile(r"[-+]?[1-9]\d{0,2}(?:[.,]\d{3})+")
PROPER = {
    decimal: re.compile(
        rf"[-+]?(?:\d+|\d{{1,3}}(?:{group}\d{{2,3}})*{group}\d{{3}})?(?:{re.escape(decimal)}\d*)?"
        r"(?:[eE][-+]?\d+)?"
    )
    for decimal, group in ((".", ","), (",", r"\."))
}
"""Decimal sign -> numbers with it; groups of two are those of India."""
UNIT = re.compile("[$€£¥₹₩₽₺%]")
"""The units that may precede or follow each number of a column."""
MISSING = frozenset(
    {"", "-", "--", "—", "–", ".", "..", "...", "…", "?", "*", ":", "n.a.", "n.a", "nil", "missing"}
    | {"unknown", "#div/0!", "#value!", "#ref!", "#num!", "#null!", "#name?"}
    | {word.lower() for word in MISSING_WORDS | UNCLEAR_WORDS}
)
"""Signs for a missing value, in lower case."""


@dataclass(frozen=True)
class Numbers:
    """A column of numbers.

    Attributes:
        values: float64 (N,); NaN where they are missing or not numbers.
        wrong: index of a row -> the text in it that is not a number.
        covariate: the column, where it is not the target; else "".
        note: how the column was read, where that was a decision; else "".
    """

    values: NDArray[np.float64]
    wrong: Mapping[int, str] = field(default_factory=dict)
    note: str = ""
    covariate: str = ""

    def rows(self, rows: Any, name: str) -> NDArray[np.float64]:
        """The values of some rows.

        Args:
            rows: indices, or a slice of all.
            name: of the series, for messages.

        Raises:
            InputError: one of them is not a number.
        """
        if self.wrong:
            indices = np.arange(len(self.values))[rows]
            index = next((int(index) for index in indices if int(index) in self.wrong), None)
            if index is not None:
                where, way = (
                    "",
                    (
                        "leave the cell empty if the value is missing, or pass another "
                        "column as target="
                    ),
                )
                if self.covariate:
                    where = f" of the column {self.covariate!r}"
                    way = "or train without it in known_covariates="
                raise InputError(
                    f"{name}: {self.wrong[index]!r} in row {index + 1}{where} is not a number; correct "
                    f"it, {way}.",
                    name,
                )
        values: NDArray[np.float64] = self.values[rows]
        return values


def check_texts(table: pd.DataFrame, columns: Iterable[Any], where: str) -> None:
    """Refuse columns of text that may be meant as numbers: their cells have digits.

    Raises:
        InputError: the first such cell, with its row and column.
    """
    for column in columns:
        cells = table[column].map(_plain, na_action="ignore")
        is_text = (cells.notna() & ~cells.str.lower().isin(MISSING)).to_numpy(bool)
        row = int(is_text.argmax())
        if is_text.any() and re.search(r"\d", cells.iloc[row]):
            raise InputError(
                f"{where}: {table[column].iloc[row]!r} in row {row + 1} of the column "
                f"{str(column)!r} is not a number; write its numbers as 100, -100 or 1000.5, "
                "leave the cells of missing values empty, or pass another column as target=.",
                where,
            )


def is_number(text: str) -> bool:
    """Whether a text is a number, without a unit."""
    return NUMBER.fullmatch(_plain(text)) is not None


def is_numeric(column: pd.Series) -> bool:
    """Whether the column holds numbers, maybe as text, among its first values."""
    if has_type(column, "iufb"):
        return True
    values = [_plain(value) for value in column.dropna().head(20)]
    values = [value for value in values if value.lower() not in MISSING]
    unit = _unit(values)
    return not values or any(NUMBER.fullmatch(_without(value, unit)) for value in values)


@documented_in("forecasting.md#dates-and-numbers")
def numbers(values: Any, name: str, decimal: str | None = None) -> Numbers:
    """A column of numbers.

    Args:
        values: (N,), numbers or text.
        name: of the column, for messages.
        decimal: "." or ","; default: inferred from all values.

    Raises:
        InputError: they can be read in two ways, or are complex numbers, dates or durations.
    """
    import pandas as pd

    if isinstance(values, np.ndarray) and has_type(values, "iufb"):
        return Numbers(values.astype(np.float64))
    column = pd.Series(values)
    if column.dtype == object:
        column = column.map(_without_overflow)
        if has_type(column, "iufb"):
            return Numbers(column.to_numpy(np.float64))
    if has_type(column, "cMm"):
        raise InputError(
            f"{name}: its values are of the type {column.dtype}, not real numbers; convert them, or "
            "pass another column as target=.",
            name,
        )
    if decimal != ",":
        try:
            if decimal == "." or not _may_be_grouped(column):
                return Numbers(np.asarray(pd.to_numeric(column), np.float64))
        except (ValueError, TypeError):
            pass
    texts = column.map(_plain, na_action="ignore").astype("object")
    is_missing = texts.isna() | texts.str.lower().isin(MISSING)
    signs = sorted({str(text) for text in texts[is_missing].dropna()} - {""})
    texts = texts.mask(is_missing)
    unit = _unit(texts.dropna().tolist())
    if unit:
        texts = texts.map(lambda text: _without(text, unit), na_action="ignore")
    is_number = texts.str.fullmatch(NUMBER.pattern).eq(True)
    decimal = decimal or _decimal(texts[is_number], name)
    is_number &= texts.str.fullmatch(PROPER[decimal].pattern).eq(True)
    group = "," if decimal == "." else "."
    written = texts.where(is_number).astype("object")
    written = written.str.replace(group, "", regex=False).str.replace(decimal, ".", regex=False)
    result = np.asarray(pd.to_numeric(written, errors="coerce"), np.float64)
    bad = np.flatnonzero(np.isnan(result) & ~is_missing.to_numpy(bool))
    wrong = {int(index): str(column.iloc[index]) for index in bad}
    notes = [f"{unit!r} is the unit of {name!r}"] if unit else []
    notes += [f"{sign!r} is a missing value" for sign in signs[:3]]
    return Numbers(result, wrong, "; ".join(notes))


def _without_overflow(value: Any) -> Any:
    """The value; infinity for an integer beyond the range of float64."""
    if isinstance(value, int) and abs(value) > sys.float_info.max:
        return math.inf if value > 0 else -math.inf
    return value


def numbers_of(table: pd.DataFrame, column: Any, name: str, decimal: str | None) -> Numbers:
    """A column of a table; if its decimal sign is ambiguous, that of the other columns is used.

    Raises:
        InputError: the column can be read in two ways, and so can the others.
    """
    values = table[column].to_numpy()
    try:
        return numbers(values, name, decimal)
    except InputError:
        if decimal is not None:
            raise
        signs = {sign for other in table.columns for sign in _signs(table[other])}
        if len(signs) != 1:
            raise
        return numbers(values, name, signs.pop())


def _signs(column: pd.Series) -> set[str]:
    """The decimal signs that the numbers of a column must have."""
    if has_type(column, "f"):
        return {"."} if (column.dropna() % 1 != 0).any() else set()
    texts = [_plain(value) for value in column.dropna() if isinstance(value, str)]
    return set(_votes(text for text in texts if NUMBER.fullmatch(text)))


def _unit(texts: list[str]) -> str:
    """The unit that precedes or follows all of the numbers; "" if it is not the same for all."""
    if not texts:
        return ""
    bare = re.sub(r"[-+\d.,\s\u00a0\u202f'’]", "", texts[0])
    if not bare or not UNIT.fullmatch(bare):
        return ""
    return bare if all(_without(text, bare) != text for text in texts) else ""


def _without(text: str, unit: str) -> str:
    """The text without a unit at its beginning, after its sign, or at its end."""
    if not unit:
        return text
    match = re.fullmatch(rf"([-+]?)\s*{re.escape(unit)}\s*([-+]?\d.*)", text)
    if match:
        return match[1] + match[2]
    return text.removesuffix(unit).rstrip() if text.endswith(unit) else text


def _may_be_grouped(column: pd.Series) -> bool:
    """Whether the points in texts may separate thousands."""
    if column.dtype != object and not str(column.dtype).startswith("str"):
        return False
    present = [value for value in column if isinstance(value, str)]
    return (
        bool(present)
        and any("." in value for value in present)
        and all(
            GROUPED.fullmatch(_plain(value)) or re.fullmatch(r"[-+]?\d{1,3}", _plain(value))
            for value in present
        )
    )


def _plain(value: Any) -> str:
    return SPACES.sub("", str(value).strip()).replace("\N{MINUS SIGN}", "-")


def _decimal(texts: pd.Series, name: str) -> str:
    """The decimal sign of a column of texts.

    Raises:
        InputError: it can be either.
    """
    signed = [text for text in texts if "," in text or "." in text]
    votes = _votes(signed)
    if len(votes) > 1:
        raise InputError(
            f"{name}: it mixes decimal separators ({votes[',']!r} and {votes['.']!r}); use "
            "one for all numbers, or pass decimal=',' or '.'.",
            name,
        )
    grouped = [text for text in signed if GROUPED.fullmatch(text)]
    if votes or not grouped:
        return next(iter(votes), ".")
    text = grouped[0]
    sign = "," if "," in text else "."
    decimals, thousands = text.replace(sign, "."), text.replace(sign, "")
    raise InputError(
        f"{name}: {text!r} can be {decimals} (decimal={sign!r}) or {thousands} "
        f"(decimal={',' if sign == '.' else '.'!r}); pass one of them.",
        name,
    )


def _votes(texts: Iterable[str]) -> dict[str, str]:
    """Decimal sign -> the first number that can only be read with this sign."""
    votes: dict[str, str] = {}
    for text in texts:
        comma, point = text.rfind(","), text.rfind(".")
        if comma == point:
            continue
        last = "," if comma > point else "."
        other = "." if last == "," else ","
        if comma >= 0 and point >= 0:
            if PROPER[last].fullmatch(text):
                votes.setdefault(last, text)
        elif text.count(last) > 1:
            if PROPER[other].fullmatch(text):
                votes.setdefault(other, text)
        elif not GROUPED.fullmatch(text):
            votes.setdefault(last, text)
    return votes


class TableNumbers:
    """The target and the covariates of a table, each read in one way for all of its rows."""

    def __init__(self, table: pd.DataFrame, target: Any, name: str, layout: Layout):
        self.columns: dict[str, Numbers] = {}
        self.error: InputError | None = None
        try:
            for key, column in (("", target), *((key, key) for key in layout.known)):
                label = str(column) if key else name
                read = numbers_of(table, column, label, layout.decimal)
                self.columns[key] = replace(read, covariate=str(key))
        except InputError as error:
            self.error = error

    def rows(self, rows: Any, name: str) -> dict[str, NDArray[np.float64]]:
        """The numbers of some rows, by column.

        Raises:
            InputError: one is not a number, or the column can be read in two ways.
        """
        if self.error is not None:
            raise self.error
        return {key: column.rows(rows, name) for key, column in self.columns.items()}

    @property
    def notes(self) -> tuple[str, ...]:
        return tuple(column.note for column in self.columns.values() if column.note)
