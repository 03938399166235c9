"""The values of a repository's JSON files: each check returns one, or says which key of which file
is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from warmstart.catalog.entry import Entry, Label
from warmstart.errors import UsageError

Described: TypeAlias = tuple[Entry, tuple[Label, ...]]
"""What the files of a repository say: its entry without weights, and its classes."""


@dataclass(frozen=True)
class Values:
    """The values of one file; all checks raise `UsageError`."""

    config: Mapping[str, Any]
    path: Path

    def get(self, key: str, default: Any = None) -> Any:
        """As of a dict."""
        return self.config.get(key, default)

    def integer(self, key: str, default: int, least: int, most: int) -> int:
        """A whole number within bounds."""
        value = self.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise UsageError(
                f"{self.path}: {key} must be a whole number from {least} to {most}, not {value!r}."
            )
        return value

    def integers(
        self, key: str, default: Sequence[int], least: int, most: int, count: int
    ) -> list[int]:
        """That many whole numbers within bounds."""
        values = self.get(key, default)
        if (
            not isinstance(values, list | tuple)
            or len(values) != count
            or not all(
                isinstance(v, int) and not isinstance(v, bool) and least <= v <= most
                for v in values
            )
        ):
            raise UsageError(
                f"{self.path}: {key} must be {count} whole numbers from {least} to {most}, not "
                f"{values!r}."
            )
        return list(values)

    def number(self, key: str, default: float, least: float, most: float) -> float:
        """A number within bounds."""
        value = self.get(key, default)
        if (
            not isinstance(value, int | float)
            or isinstance(value, bool)
            or not least <= value <= most
        ):
            raise UsageError(
                f"{self.path}: {key} must be a number from {least:g} to {most:g}, not {value!r}."
            )
        return float(value)

    def one_of(self, key: str, allowed: Sequence[Any], default: Any = ...) -> Any:
        """One of a few values; the first, unless another is the default."""
        value = self.get(key, allowed[0] if default is ... else default)
        if value not in allowed:
            raise UsageError(
                f"{self.path}: {key} {value!r} is not supported; supported: "
                f"{', '.join(map(str, allowed))}."
            )
        return value


@dataclass(frozen=True)
class Repository(Values):
    """The `config.json` of a repository.

    Attributes:
        task: what the model shall do; None: what it was made for.
    """

    task: str | None = None

    @property
    def folder(self) -> Path:
        """The folder of its files."""
        return self.path.parent

    def check_task(self, own: str) -> None:
        """Raise `UsageError` where another task is asked for."""
        if self.task not in (None, own):
            raise UsageError(f"{self.folder} is a model for {own}, not {self.task}.")
