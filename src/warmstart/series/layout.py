"""How a table of series is to be read, where the caller says it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from warmstart.errors import UsageError
from warmstart.series import frequency

DUPLICATES = ("error", "first", "last", "sum", "mean")


@dataclass(frozen=True)
class Layout:
    """How to read tables; None: found out.

    Attributes:
        freq: pandas alias; default: inferred, else `expected`.
        target, item, timestamp: names of columns.
        known: columns of covariates known in advance.
        static: columns of categories that stay the same within a series.
        duplicates: of two rows at one time: `"error"`, `"first"`, `"last"`, `"sum"` or `"mean"`.
        expected: the frequency that a model was trained for: taken where a series is too short to
            tell.
    """

    freq: str | None = None
    target: str | None = None
    item: str | None = None
    timestamp: str | None = None
    known: Sequence[str] = ()
    static: Sequence[str] = ()
    duplicates: str = "error"
    expected: str | None = None

    def __post_init__(self) -> None:
        if self.duplicates not in DUPLICATES:
            raise UsageError(
                f"duplicates is one of {', '.join(DUPLICATES)}, not {self.duplicates!r}."
            )
        for key in ("known", "static"):
            if isinstance(getattr(self, key), str):
                raise UsageError(f"{key} is a list of column names, not {getattr(self, key)!r}.")
        if self.freq is not None:
            object.__setattr__(self, "freq", frequency.normal(self.freq))
