"""Small persistent values, such as measured times: a JSON object in the cache folder."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from warmstart.hub.files import read_json, write_json
from warmstart.hub.home import home


@dataclass(frozen=True)
class JsonFile:
    """A JSON object in a file of the cache; a missing or damaged file counts as empty."""

    name: str

    @property
    def path(self) -> Path:
        return home() / self.name

    def read(self) -> dict[str, Any]:
        return read_json(self.path) or {}

    def update(self, key: str, value: Any) -> None:
        """Set one key. If the cache cannot be written, the value is lost without an error."""
        self.change(lambda values: {**values, key: value})

    def filter(self, condition: Callable[[str], bool]) -> None:
        """Remove the keys that do not meet a condition. If the cache cannot be written, they stay."""
        if not all(map(condition, self.read())):
            self.change(lambda values: {key: values[key] for key in values if condition(key)})

    def change(self, make: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        """Replace the object by what `make` returns for it, if the cache can be written."""
        with contextlib.suppress(OSError):
            from filelock import FileLock

            path = self.path
            path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(path.with_suffix(".lock")):
                for partial in path.parent.glob(f".{path.name}.*.part"):  # of a killed process
                    partial.unlink(missing_ok=True)
                write_json(path, make(self.read()))
