"""A column of timestamps, and the result of reading it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from warmstart.errors import InputError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Dates:
    """Timestamps, or numbers of steps.

    Attributes:
        times: a timestamp per row, NaT where it is empty; None if steps are counted.
        steps: the number of the step of each row, int64 (N,); None with timestamps.
        note: how the column was read, where that was a decision; else "".
    """

    times: pd.DatetimeIndex | None
    steps: NDArray[np.int64] | None = None
    note: str = ""


@dataclass(frozen=True, eq=False)
class DateColumn:
    """A column of timestamps.

    Attributes:
        values: texts or numbers.
        name: of the column.
        where: the table, for messages.
        date_format: how it is to be read; None: inferred.
    """

    values: pd.Series
    name: str
    where: str
    date_format: str | None = None

    def refuse(self, reason: str) -> InputError:
        """The error that the column cannot be read."""
        return InputError(f"{self.where}: the column {self.name!r} {reason}", self.where)

    def unreadable(self, text: str, first: str) -> InputError:
        """The error of one cell; `first` is the first cell, which may have another format."""
        row = int(np.argmax((self.values.astype(str).str.strip() == text).to_numpy())) + 1
        other = f", and {first!r} has another format" if text != first else ""
        return InputError(
            f"{self.where}: {text!r} in row {row} of the column {self.name!r} is not a "
            f"timestamp{other}; write dates as 2024-01-31, pass their format as date_format= "
            "(such as '%d/%m/%Y'), remove the row, or pass another column as timestamp=.",
            self.where,
        )
