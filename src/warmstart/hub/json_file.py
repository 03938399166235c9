"""Small persistent facts, such as measured times: a JSON object in the cache folder."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from warmstart.hub.home import home


@dataclass(frozen=True)
class JsonFile:
    """A JSON object in a file of the cache; a missing or damaged file counts as empty."""

    name: str

    @property
    def path(self) -> Path:
        return home() / self.name

    def read(self) -> dict[str, Any]:
        try:
            stored = json.loads(self.path.read_text("utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        return stored if isinstance(stored, dict) else {}

    def update(self, key: str, value: Any) -> None:
        """Set one key. If the cache cannot be written, the value is only lost."""
        with contextlib.suppress(OSError):
            from filelock import FileLock

            path = self.path
            path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(path.with_suffix(".lock")):
                temporary = path.with_suffix(f".{os.getpid()}")
                temporary.write_text(json.dumps({**self.read(), key: value}, indent=1), "utf-8")
                os.replace(temporary, path)
