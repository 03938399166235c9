"""The inputs of a command: which are files and which are texts, and the task for them."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from typing import TYPE_CHECKING, BinaryIO

from warmstart.core.reading import Line, exists, file_suffix, is_file_name, scheme
from warmstart.core.records.suffixes import names_table
from warmstart.core.task import Task
from warmstart.errors import UsageError

if TYPE_CHECKING:
    from warmstart.core.input_kind import Argument, InputKind

STDIN = "-"
_WILD = re.compile(r"[*?\[]")


class Arguments:
    """The inputs of a command, read lazily.

    "-" stands for standard input. Each of its non-empty lines is an input. It is a single input if it is
    binary, such as a photo, or if `input_kind` recognises the content of a file, such as a table of
    series.

    Args:
        raw: as on the command line.

    Attributes:
        input_kind: of the task, once it is known.
    """

    def __init__(self, raw: Sequence[str]):
        self.raw = tuple(raw)
        self.input_kind: InputKind | None = None
        self._stdin = _StandardInputReader()
        self._lines = self._stdin.lines() if STDIN in self.raw else iter(())
        self._first: list[Argument] = []

    def __iter__(self) -> Iterator[Argument]:
        for text in self.raw:
            if text != STDIN:
                yield text
                continue
            self.samples()
            while self._first:
                first, reader = self._first.pop(), self.input_kind
                if reader and isinstance(first, Line) and reader.is_content(first):
                    yield self._stdin.whole()
                else:
                    yield first
            yield from self._lines

    def samples(self) -> list[Argument]:
        """The arguments, with the first line of standard input instead of "-".

        Raises:
            UsageError: standard input is empty.
        """
        if STDIN in self.raw and not self._first:
            self._first += [line for line in [next(self._lines, None)] if line is not None]
        return [*(text for text in self.raw if text != STDIN), *self._first]


class StandardInputFile(BytesIO):
    """The content of standard input if it is a file, such as a photo; or a line that is not UTF-8."""

    def __init__(self, content: bytes, name: str = "standard input"):
        super().__init__(content)
        self.name = name


class _StandardInputReader:
    """Standard input, as lines or as one file."""

    def __init__(self) -> None:
        self._file: BinaryIO = getattr(sys.stdin, "buffer", BytesIO())
        self._head = b""
        """What was read up to the first line that is not blank."""

    def lines(self) -> Iterator[Argument]:
        """The non-empty lines, or the whole content if it is not text.

        Raises:
            UsageError: it is empty, or its first line is neither UTF-8 nor the beginning of a file.
        """
        empty = True
        for number, line in enumerate(self._file, 1):
            if empty:
                self._head += line
            if number == 1 and _is_binary(line, self._file):
                yield self.whole()
                return
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
            except UnicodeDecodeError as error:
                if empty:
                    raise UsageError(
                        f"Line {number} of standard input is not UTF-8 at byte {error.start}."
                    ) from None
                yield StandardInputFile(line, f"line {number} of standard input")
                continue
            if text.strip():
                empty = False
                yield Line(text)
        if empty:
            raise UsageError("Standard input is empty; `-` reads inputs from it, one per line.")

    def whole(self) -> StandardInputFile:
        """The whole content, unless a line after the first one was read."""
        return StandardInputFile(self._head + self._file.read())


def _is_binary(line: bytes, file: BinaryIO) -> bool:
    """Whether a stream starts like a binary file: it has zero bytes, unlike text in single-byte
    encodings.
    """
    peek = getattr(file, "peek", lambda size: b"")
    return b"\0" in line + peek(512)[:512]


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


def check_texts(arguments: Arguments, input_kind: InputKind, command: str) -> None:
    """Refuse texts that look like files, unless reading the inputs does so.

    Args:
        arguments: the lines of standard input are not checked.
        input_kind: of the task.
        command: for the message.

    Raises:
        UsageError: a text is the name of a file or folder, or has a suffix of files that a task takes.
    """
    from warmstart.core.input_kind import InputKind

    reads_files = type(input_kind).from_arguments is not InputKind.from_arguments
    if input_kind.is_file or input_kind.suffixes or reads_files:
        return
    for text in arguments.raw:
        if text != STDIN and is_file_name(text):
            reason = "is a file or folder" if exists(text) else "looks like a file"
            raise UsageError(
                f"{text!r} {reason}, and {command} takes {input_kind.plural} as they are. "
                f"{piping(text, command)}"
            )


def piping(text: str, command: str) -> str:
    """How to pass a text that looks like the name of a file to a command."""
    return f"To use the name itself as a text, pipe it: `echo {shlex.quote(text)} | {command} -`."


def possible_text(arguments: Arguments) -> str | None:
    """The first argument that looks like a file name but may be a text, such as Node.js: there is no
    such file, and no task takes files with its suffix.
    """
    names = (text for text in arguments.raw if text != STDIN and scheme(text) is None)
    return next((name for name in names if not exists(name) and not file_suffix(name)), None)


def route(
    arguments: Arguments,
    tasks: Sequence[Task],
    columns: Sequence[str] = (),
    reading: Mapping[str, str | None] | None = None,
) -> Task:
    """The task for inputs if no model is named: the first that takes such inputs.

    An argument is a file if it exists, or has a suffix that one of the tasks takes; else it is a text.

    Args:
        arguments: the inputs.
        tasks: in the order of preference.
        columns: that hold the inputs of a table, if they are named.
        reading: the encoding and the delimiter of a table, as far as they are named.

    Raises:
        UsageError: the inputs are of different types, or those of a table may be.
    """
    arguments_by_task: dict[Task, Argument] = {}
    for text in arguments.samples():
        task = _task_of_argument(text, tasks)
        if isinstance(text, str) and names_table(text):
            task = _task_of_table(text, tasks, columns, reading or {}) or task
        arguments_by_task.setdefault(task, text)
    if len(arguments_by_task) > 1:
        names = {
            task: text if isinstance(text, str) else STDIN
            for task, text in arguments_by_task.items()
        }
        parts = (f"{text!r} is a {task.input_kind().noun}" for task, text in names.items())
        raise UsageError(
            f"The inputs are of different types: {', '.join(parts)}. Pass one type at a "
            "time, or choose a --model."
        )
    return next(iter(arguments_by_task), tasks[0])


def _task_of_argument(text: Argument, tasks: Sequence[Task]) -> Task:
    """The first task that takes an input."""
    if not isinstance(text, str):
        return next((task for task in tasks if task.input_kind().is_file), tasks[0])
    suffix = file_suffix(text)
    for task in tasks:
        if suffix and suffix in task.input_kind().suffixes:
            return task
    files = [task for task in tasks if task.input_kind().is_file]
    texts = [
        task for task in tasks if not (task.input_kind().is_file or task.input_kind().suffixes)
    ]
    is_name = exists(text) if isinstance(text, Line) else is_file_name(text)
    is_file = not suffix and (scheme(text) is not None or is_name or _matches(text))
    preferred = files or texts if is_file else texts or files
    return (preferred or list(tasks))[0]


def _task_of_table(
    path: str, tasks: Sequence[Task], columns: Sequence[str], reading: Mapping[str, str | None]
) -> Task | None:
    """The first task whose files a table names; None if it names none.

    Raises:
        UsageError: the table may also be one of texts.
    """
    from warmstart.core.records import Reading
    from warmstart.core.table_rows import names_files

    options = Reading(encoding=reading.get("encoding"), delimiter=reading.get("delimiter"))
    for task in tasks:
        input_kind = task.input_kind()
        is_file = input_kind.is_file and bool(input_kind.suffixes)
        if is_file and names_files(path, input_kind, columns, options, "--column"):
            return task
    return None


def _matches(text: str) -> bool:
    """Whether a text is a pattern of file names that some file matches."""
    from glob import iglob

    is_pattern = _WILD.search(text) is not None
    return is_pattern and next(iglob(os.path.expanduser(text), recursive=True), None) is not None
