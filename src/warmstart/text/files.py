"""Files of texts, one per line."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from warmstart.core.inputs import Item
from warmstart.core.reading import printable
from warmstart.errors import InputError

MAX_LINE = 16 * 2**20
"""Bytes of one line of a file."""


def lines(path: str) -> Iterator[Item]:
    """The lines of a UTF-8 file, without empty ones; each is named FILE:LINE.

    Raises:
        InputError: the file cannot be read, or is empty.
    """
    name = printable(path)
    number = 0
    try:
        with open(path, "rb") as file:
            while line := file.readline(MAX_LINE):
                number += 1
                if line.strip():
                    text = line.rstrip(b"\r\n").removeprefix(b"\xef\xbb\xbf")
                    yield Item(f"{name}:{number}", text)
    except IsADirectoryError as error:
        raise InputError(
            f"{name}: is a folder; pass a file with one text per line", name
        ) from error
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"{name}: cannot be opened ({reason})", name) from error
    if number == 0:
        raise InputError(f"{name}: is empty", name)


def unreadable(path: str) -> str:
    """Why the texts of a file cannot be read; "" if they can."""
    if not os.path.exists(path):
        return "there is no such file; to use the name itself as a text, pipe it to -"
    if os.path.isdir(path):
        return "is a folder; pass a .txt file with one text per line"
    if not path.lower().endswith(".txt"):
        return "is not a .txt file; texts are read from .txt files with one text per line"
    return ""


def split_at_tab(line: str | bytes) -> Any:
    """A line as a tuple of two texts, where a tab separates them."""
    parts: list[Any] = line.split("\t", 1) if isinstance(line, str) else line.split(b"\t", 1)
    return tuple(parts) if len(parts) == 2 else line
