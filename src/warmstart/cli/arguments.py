"""The inputs that a command names: which are files and which texts, and which task takes them."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING

from warmstart.core.reading import looks_like_path
from warmstart.core.task import TASKS, Task
from warmstart.errors import UsageError

if TYPE_CHECKING:
    from warmstart.core.input_kind import InputKind

STDIN = "-"
TEXT_SUFFIX = ".txt"
"""Of files with a text a line."""
_URL = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_WILD = re.compile(r"[*?\[]")


class Arguments:
    """The inputs of a command, lazily: "-" stands for the non-empty lines of standard input.

    Args:
        typed: as on the command line.
    """

    def __init__(self, typed: Sequence[str]):
        self.typed = tuple(typed)
        self._lines = self._read()
        self._first: list[str] = []

    def __iter__(self) -> Iterator[str]:
        for text in self.typed:
            if text != STDIN:
                yield text
                continue
            while self._first:
                yield self._first.pop()
            yield from self._lines

    def samples(self) -> list[str]:
        """What was typed, and of standard input the first line."""
        if STDIN in self.typed and not self._first:
            self._first += [line for line in [next(self._lines, None)] if line is not None]
        return [*(text for text in self.typed if text != STDIN), *self._first]

    @staticmethod
    def _read() -> Iterator[str]:
        for line in sys.stdin:
            if line.strip():
                yield line.rstrip("\r\n")


def is_text(argument: str) -> bool:
    """Whether an argument that begins with "-" is a text, such as "-5" or "- 5 degrees"; "--x" is
    an option.
    """
    if not argument.startswith("-") or argument in (STDIN, "--"):
        return False
    rest = argument[1:]
    if rest.startswith("-"):
        rest = rest[1:]
        return bool(rest) and not (rest[0].isalnum() or rest[0] == "_")
    return not (rest[0].isalpha() or rest[0] == "_")


def suffix_of(argument: str) -> str:
    """The suffix of a path or URL whose files some task takes, such as ".jpg"; else ""."""
    if any(map(str.isspace, argument)) and not exists(argument):
        return ""  # a sentence
    if _URL.match(argument):
        argument = re.split(r"[?#]", argument, maxsplit=1)[0]
    name = PurePath(argument).name.lower()
    known = {TEXT_SUFFIX}.union(*(task.input_kind().suffixes for task in TASKS.values()))
    return max((suffix for suffix in known if name.endswith(suffix)), key=len, default="")


def exists(argument: str) -> bool:
    """Whether a path exists; False for what no path can be."""
    try:
        return os.path.lexists(os.path.expanduser(argument))
    except ValueError:  # a NUL
        return False


def check_texts(arguments: Arguments, kind: InputKind, command: str) -> None:
    """Refuse texts that look like files, where the input kind does not do so itself.

    Args:
        arguments: those that were typed are checked, not the lines of standard input.
        kind: of the task.
        command: for the message.

    Raises:
        UsageError: one exists as a file or folder, or has the suffix of files that a task takes.
    """
    from warmstart.core.input_kind import InputKind

    reads_files = type(kind).from_arguments is not InputKind.from_arguments
    if kind.is_file or kind.suffixes or reads_files:
        return
    for text in arguments.typed:
        if text != STDIN and (suffix_of(text) or exists(text) or looks_like_path(text)):
            reason = "is a file or folder" if exists(text) else "looks like a file"
            raise UsageError(
                f"{text!r} {reason}, and {command} takes {kind.plural} as they are. "
                f"To use the name itself, pipe it: `echo {text!r} | {command} -`."
            )


def route(arguments: Arguments, tasks: Sequence[Task]) -> Task:
    """The task that answers inputs where no model is named: the first whose kind of input they are.

    What exists, or has the suffix of files that one of the tasks takes, is a file; else it is text.

    Args:
        arguments: the inputs.
        tasks: in the order of preference.

    Raises:
        UsageError: the inputs are of different kinds.
    """
    readings: dict[Task, str] = {}
    for text in arguments.samples():
        readings.setdefault(_reader(text, tasks), text)
    if len(readings) > 1:
        parts = (f"{text!r} is a {task.input_kind().noun}" for task, text in readings.items())
        raise UsageError(
            f"The inputs are of different kinds: {', '.join(parts)}. Give one kind at a time, or "
            "a --model."
        )
    return next(iter(readings), tasks[0])


def _reader(text: str, tasks: Sequence[Task]) -> Task:
    """The first task that takes an input."""
    suffix = suffix_of(text)
    for task in tasks:
        if suffix and suffix in task.input_kind().suffixes:
            return task
    files = [task for task in tasks if task.input_kind().is_file]
    texts = [
        task for task in tasks if not (task.input_kind().is_file or task.input_kind().suffixes)
    ]
    is_file = not suffix and (
        _URL.match(text) or exists(text) or _matches(text) or looks_like_path(text)
    )
    preferred = files or texts if is_file else texts or files
    return (preferred or list(tasks))[0]


def _matches(text: str) -> bool:
    """Whether a text is a pattern of file names that some file matches."""
    from glob import iglob

    is_pattern = _WILD.search(text) is not None
    return is_pattern and next(iglob(os.path.expanduser(text), recursive=True), None) is not None
