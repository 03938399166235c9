"""Standard output and error: control characters, other encodings, and failed writes."""

from __future__ import annotations

import codecs
import contextlib
import errno
import json
import os
import re
import sys
from typing import Any, TextIO

from warmstart.core.terminal import say

_COLOURS = r"\x1b\[[0-9;]*m"
_CURSOR = r"\x1b\[[0-9;?]*[A-Za-z]"
_CONTROL = "[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]"
"""C0 and C1 except tab and newline, delete, and the characters that change the direction of text."""
UNWRITABLE = (errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EBADF, errno.EFBIG)


class TerminalStream:
    """A stream to a terminal that escapes control characters, so that a label or a file name cannot
    move the cursor, set the title or hide text.

    Args:
        stream: to write to.
        allowed: a pattern of the sequences that are not escaped.
    """

    def __init__(self, stream: TextIO, allowed: str):
        self._stream = stream
        self._pattern = re.compile(f"({allowed})|({_CONTROL})")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write a text; returns its length."""
        self._stream.write(self._pattern.sub(_escaped, text))
        return len(text)


class ErrorStream:
    """Standard error that ignores failed writes: a full disk or a closed pipe must not end a command
    whose results are complete.
    """

    def __init__(self, stream: TextIO | TerminalStream):
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write a text; returns its length."""
        with contextlib.suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Write what is in the buffer."""
        with contextlib.suppress(OSError):
            self._stream.flush()


def _escaped(match: re.Match[str]) -> str:
    return match[1] or match[2].encode("unicode_escape").decode()


def _json_escapes(error: UnicodeError) -> tuple[str, int]:
    """Characters that an encoding lacks, as JSON escapes, so that JSON stays valid."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end


codecs.register_error("warmstart.json", _json_escapes)


def prepare() -> None:
    """Prepare standard output and error for any text."""
    for name, allowed in (("stdout", _COLOURS), ("stderr", _CURSOR + r"|\r")):
        stream: Any = getattr(sys, name)
        if stream is None:  # the caller has closed it
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
            continue
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="warmstart.json")
        if stream.isatty():
            setattr(sys, name, TerminalStream(stream, allowed))
    if not isinstance(sys.stderr, ErrorStream):
        setattr(sys, "stderr", ErrorStream(sys.stderr))  # noqa: B010 (it has what is used of a TextIO)


def warn_of_escapes() -> None:
    """Warn if characters of CSV output will be escaped because its encoding lacks them."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    if not codecs.lookup(encoding).name.startswith("utf"):
        say(
            f"warning: standard output is {encoding}, so other characters are written as \\uXXXX; "
            "set PYTHONIOENCODING=utf-8."
        )


def abandon() -> None:
    """Discard all further standard output, and the content of its buffer."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
