"""One record of labelled data."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from warmstart.core.records import values
from warmstart.errors import RecordError, UsageError


@dataclass(frozen=True, slots=True)
class Record:
    """One record.

    Attributes:
        name: `FILE:LINE`, `FILE: row 3` or `row 3`, from 1; for messages.
        values: by column.
    """

    name: str
    values: Mapping[str, Any]

    def error(self, message: str) -> RecordError:
        """An error of this record."""
        return RecordError(f"{self.name}: {message}", self.name)

    def require_name(self, label: str, class_names: Collection[str] | None) -> None:
        """Refuse a label that is a missing value; see `values.missing_word`.

        Raises:
            RecordError: it is.
            UsageError: it is, or it is a class.
        """
        try:
            reason = values.missing_word(label, class_names)
        except UsageError as error:
            raise UsageError(f"{self.name}: {error}") from None
        if reason is not None:
            raise self.error(reason)
