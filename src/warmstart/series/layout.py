"""How a table of series is to be read, where the caller says it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from warmstart.errors import UsageError
from warmstart.series import frequency

ITEMS = ("item_id", "unique_id", "series_id", "item", "id", "series")
"""Names of columns that name series, in lower case."""
DUPLICATES = ("error", "first", "last", "sum", "mean")


@dataclass(frozen=True)
class Layout:
    """How to read tables; None: inferred.

    Attributes:
        freq: pandas alias; default: inferred, else `expected`, or `undated`.
        target, timestamp: names of columns.
        item: the column of the series' names, or several, whose values together are the name.
        date_format: of the timestamps: of strftime, or "excel", "unix" or "steps".
        decimal: the decimal sign of numbers in texts.
        known: columns of covariates known in advance.
        static: columns of categories that stay the same within a series.
        duplicates: of two rows at one time: `"error"`, `"first"`, `"last"`, `"sum"` or `"mean"`.
        expected: the frequency that a model was trained for: taken where a series is too short to
            tell.
        undated: the frequency of series without timestamps; default: `expected`.
        is_training: whether the series are to be trained on.
        remembered: columns of the tables that a model was trained on, by role: taken where a table
            has them and nothing else is asked for.
    """

    freq: str | None = None
    target: str | None = None
    item: str | Sequence[str] | None = None
    timestamp: str | None = None
    date_format: str | None = None
    decimal: str | None = None
    known: Sequence[str] = ()
    static: Sequence[str] = ()
    duplicates: str = "error"
    expected: str | None = None
    undated: str | None = None
    is_training: bool = False
    remembered: Mapping[str, Any] = field(default_factory=dict)

    @property
    def items(self) -> tuple[str, ...]:
        """The columns of `item`."""
        return (self.item,) if isinstance(self.item, str) else tuple(self.item or ())

    def holds_names(self, column: str) -> bool:
        """Whether the cells of this column are names, not numbers."""
        return column in (*self.items, *self.static)

    def for_columns(self, names: Sequence[Any]) -> Layout:
        """With the remembered columns where a table with these columns has them."""
        new = {}
        for role, value in self.remembered.items():
            columns = [value] if isinstance(value, str) else value
            is_column = role in ("target", "item", "timestamp")
            if getattr(self, role) is None and (not is_column or set(columns) <= set(names)):
                new[role] = value
        return replace(self, **new, remembered={})

    def __post_init__(self) -> None:
        if self.duplicates not in DUPLICATES:
            raise UsageError(
                f"duplicates must be one of {', '.join(DUPLICATES)}, not {self.duplicates!r}."
            )
        if self.decimal not in (None, ".", ","):
            raise UsageError(f"decimal must be '.' or ',', not {self.decimal!r}.")
        for name in ("known", "static"):
            if isinstance(getattr(self, name), str):
                raise UsageError(
                    f"{name}_covariates must be a list of column names, not {getattr(self, name)!r}."
                )
        if self.freq is not None:
            object.__setattr__(self, "freq", frequency.normal(self.freq))
