"""Recordings whose channels are transcribed separately, so that they must be read several times."""

from __future__ import annotations

import os
import stat
from typing import Any

from warmstart.core.reading import opened, scheme
from warmstart.errors import InputError
from warmstart.speech.audio import parts_of


def count_channels(value: Any, name: str, array_rate: float | None) -> int:
    """The number of channels of a recording; arguments and errors as for `audio.parts_of`."""
    parts, _ = parts_of(value, name, array_rate)
    first = next((part for part in parts if len(part)), None)
    if first is None:
        raise InputError(f"{name}: has no samples", name)
    return int(first.shape[1]) if first.ndim == 2 else 1


def repeatable(value: Any, name: str) -> Any:
    """A recording that can be read several times; streams become bytes."""
    if scheme(value) is not None or hasattr(value, "read") or _is_pipe(value):
        with opened(value, name) as file:
            return file.read()
    return value


def _is_pipe(value: Any) -> bool:
    try:
        return isinstance(value, str | os.PathLike) and stat.S_ISFIFO(os.stat(value).st_mode)
    except (OSError, ValueError):
        return False
