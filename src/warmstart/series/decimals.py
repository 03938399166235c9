"""Columns of numbers as people write them: decimal commas, separators of thousands.

One reading for the whole column; a column with only `1,234` can be read in two ways and is refused.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from warmstart.errors import InputError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

SPACES = re.compile(r"(?<=\d)[\s\u00a0\u202f'’](?=\d{3})")
NUMBER = re.compile(r"[-+]?[\d.,]*\d[.,]?(?:[eE][-+]?\d+)?")
GROUPED = re.compile(r"[-+]?[1-9]\d{0,2}(?:[.,]\d{3})+")


def is_numeric(column: pd.Series) -> bool:
    """Whether the column holds numbers, maybe as text, among its first values."""
    if column.dtype.kind in "iufb":
        return True
    values = [_plain(value) for value in column.dropna().head(20)]
    return not values or any(NUMBER.fullmatch(value) for value in values)


def numbers(values: Any, name: str, decimal: str | None = None) -> NDArray[np.float64]:
    """float64, missing ones as NaN.

    Args:
        values: (T,), numbers or text.
        name: of the series, for messages.
        decimal: "." or ","; default: inferred from all values.

    Raises:
        InputError: they are not numbers, or can be read in two ways.
    """
    import pandas as pd

    if isinstance(values, np.ndarray) and values.dtype.kind in "iufb":
        return values.astype(np.float64)
    column = pd.Series(values)
    if decimal != ",":
        try:
            if decimal == "." or not _may_be_grouped(column):
                return np.asarray(pd.to_numeric(column), np.float64)
        except (ValueError, TypeError):
            pass
    texts = column.map(_plain, na_action="ignore")
    decimal = decimal or _decimal(texts, name)
    group = "," if decimal == "." else "."
    texts = texts.str.replace(group, "", regex=False).str.replace(decimal, ".", regex=False)
    try:
        return np.asarray(pd.to_numeric(texts), np.float64)
    except (ValueError, TypeError) as error:
        raise InputError(
            f"{name}: it holds something that is not a number ({str(error).splitlines()[0]}); remove "
            "it or name the right column as target=.",
            name,
        ) from error


def _may_be_grouped(column: pd.Series) -> bool:
    """Whether points in texts may separate thousands."""
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
    return SPACES.sub("", str(value).strip())


def _decimal(texts: pd.Series, name: str) -> str:
    """The decimal sign of a column of texts.

    Raises:
        InputError: it can be either.
    """
    signed = [text for text in texts.dropna() if "," in text or "." in text]
    votes: dict[str, str] = {}
    for text in signed:
        comma, point = text.rfind(","), text.rfind(".")
        last = "," if comma > point else "."
        other = "." if last == "," else ","
        if comma >= 0 and point >= 0:
            votes.setdefault(last, text)
        elif text.count(last) > 1:
            votes.setdefault(other, text)
        elif not GROUPED.fullmatch(text):
            votes.setdefault(last, text)
    if len(votes) > 1:
        raise InputError(
            f"{name}: it mixes decimal signs ({votes[',']!r} and {votes['.']!r}); write all numbers "
            "alike, or say decimal=',' or '.'.",
            name,
        )
    if votes or not signed:
        return next(iter(votes), ".")
    text = signed[0]
    sign = "," if "," in text else "."
    one, thousands = text.replace(sign, "."), text.replace(sign, "")
    raise InputError(
        f"{name}: {text!r} can be {one} (decimal={sign!r}) or {thousands} "
        f"(decimal={',' if sign == '.' else '.'!r}); say which.",
        name,
    )
