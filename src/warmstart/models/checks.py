"""Checked values of a repository's JSON files; errors name the file and the key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from warmstart.catalog.entry import Entry, Label
from warmstart.errors import UsageError
from warmstart.json_values import is_integer, is_number

Described: TypeAlias = tuple[Entry, tuple[Label, ...]]
"""(the entry of a repository without weights, its classes)."""


@dataclass(frozen=True)
class Values:
    """The values of one file; all checks raise `UsageError`."""

    config: Mapping[str, Any]
    path: Path

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a key, or the default."""
        return self.config.get(key, default)

    def integer(self, key: str, default: int, minimum: int, maximum: int) -> int:
        """A whole number within bounds."""
        value = self.get(key, default)
        if not is_integer(value, minimum, maximum):
            raise UsageError(
                f"{self.path}: {key} must be a whole number from {minimum} to {maximum}, not {value!r}."
            )
        return value

    def integers(
        self, key: str, default: Sequence[int], minimum: int, maximum: int, count: int
    ) -> list[int]:
        """A list of `count` whole numbers within bounds."""
        values = self.get(key, default)
        if (
            not isinstance(values, list | tuple)
            or len(values) != count
            or not all(is_integer(value, minimum, maximum) for value in values)
        ):
            raise UsageError(
                f"{self.path}: {key} must be {count} whole numbers from {minimum} to {maximum}, not "
                f"{values!r}."
            )
        return list(values)

    def number(self, key: str, default: float, minimum: float, maximum: float) -> float:
        """A number within bounds."""
        value = self.get(key, default)
        if not is_number(value, minimum, maximum):
            raise UsageError(
                f"{self.path}: {key} must be a number from {minimum:g} to {maximum:g}, not {value!r}."
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
        task: of the model; None: that of its head.
    """

    task: str | None = None

    @property
    def folder(self) -> Path:
        """The folder of its files."""
        return self.path.parent

    def check_task(self, own: str) -> None:
        """Raise `UsageError` if another task was requested."""
        if self.task not in (None, own):
            raise UsageError(f"{self.folder} is a model for {own}, not {self.task}.")
