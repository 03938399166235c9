"""The files that a command writes next to its results: drawings, masks, sounds, tables, plots."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from warmstart.atomic import atomic_file
from warmstart.core.terminal import say
from warmstart.errors import UsageError


@dataclass(frozen=True)
class Output:
    """The output of a command-line flag: a file, or a folder of files.

    Attributes:
        noun: of the files, in the plural, for messages.
        suffixes: of the files; those in a folder have the first one.
        folder: whether a folder may hold a file for each input.
        collects: whether one file holds the results of all inputs.
    """

    noun: str
    suffixes: tuple[str, ...]
    folder: bool = True
    collects: bool = False

    def is_file(self, target: Path) -> bool:
        """Whether a target is one file and not a folder."""
        return target.suffix.lower() in self.suffixes and not target.is_dir()

    def check(self, target: str, flag: str, inputs: Sequence[str]) -> None:
        """Refuse a target that cannot be written, before anything is read.

        Args:
            target: as typed.
            flag: such as "--draw".
            inputs: the arguments as typed.

        Raises:
            UsageError: its suffix is another, it is an input, it is one file although there are
                several inputs, or a folder where a file is needed.
        """
        path = Path(target).expanduser()
        for name in inputs:
            refuse_same_file(path, name)
        *first, last = self.suffixes
        suffixes = f"{', '.join(first)} or {last}" if first else last
        if not self.is_file(path):
            has_suffix = re.fullmatch(r"\.[A-Za-z]\w{0,5}", path.suffix) and not target.endswith(
                "/"
            )
            if not self.folder or (has_suffix and not path.is_dir()):
                ending = " or into a folder, whose name has no suffix" if self.folder else ""
                raise UsageError(f"{flag} {target}: {self.noun} are written as {suffixes}{ending}.")
        elif len(inputs) > 1 and not self.collects:
            raise UsageError(
                f"{flag} {target} is one file, but there are several inputs; choose a folder."
            )
        for parent in (path, *path.parents) if not self.is_file(path) else path.parents:
            if parent.exists():
                if not parent.is_dir():
                    raise UsageError(f"{flag} {target}: {parent} is not a folder.")
                break


class OutputFiles:
    """The files of one run; in a folder none overwrites another, also not one of an earlier run.

    Args:
        target: a file, or a folder, which is made.
        output: what is written.

    Raises:
        UsageError: the folder cannot be made.
    """

    def __init__(self, target: str, output: Output):
        self.target, self.output = Path(target).expanduser(), output
        self.is_file = output.is_file(self.target)
        self.count = 0
        folder = self.target.parent if self.is_file else self.target
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            reason = error.strerror or error
            raise UsageError(f"The folder {folder} cannot be made: {reason}.") from error

    def save(self, stem: str, content: Callable[[str], bytes], source: str = "") -> Path:
        """Write one file, whole or not at all.

        Args:
            stem: of its name in a folder.
            content: from the suffix to the bytes.
            source: the input, which is not overwritten.

        Raises:
            UsageError: the target is one file and this is the second, it is the input, or it
                cannot be written.
        """
        refuse_same_file(self._unnumbered(stem), source)
        path = self._path(stem)
        with self._opened(path) as file:
            file.write(content(path.suffix.lower()))
        if not self.is_file and path.stem != stem:
            say(f"written: {path}, of {source}")
        return path

    @contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """The one file, to write to; it appears when the block ends without an error."""
        with self._opened(self._path("")) as file:
            yield file

    def report(self) -> None:
        """Print on standard error what was written."""
        if self.count:
            noun = self.output.noun.removesuffix("s") if self.count == 1 else self.output.noun
            what = "" if self.is_file else f"{self.count:,} {noun} in "
            say(f"written: {what}{self.target}")

    @contextmanager
    def _opened(self, path: Path) -> Iterator[BinaryIO]:
        with opened_whole(path) as file:
            yield file
        self.count += 1

    def _path(self, stem: str) -> Path:
        if self.is_file:
            if self.count:
                raise UsageError(
                    f"{self.target} is one file, but there are several inputs; choose a "
                    f"folder for the {self.output.noun}."
                )
            return self.target
        path, number = self._unnumbered(stem), 1
        while path.exists():
            number += 1
            path = self.target / f"{stem}-{number}{path.suffix}"
        return path

    def _unnumbered(self, stem: str) -> Path:
        return self.target if self.is_file else self.target / f"{stem}{self.output.suffixes[0]}"


@contextmanager
def opened_whole(path: Path) -> Iterator[BinaryIO]:
    """A file to write to; it appears when the block ends without an error.

    Raises:
        UsageError: it cannot be written.
    """
    try:
        with atomic_file(path) as file:
            yield file
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written ({error.strerror or error}); free some space, or choose another path."
        ) from error


def write_whole(path: Path, content: bytes) -> None:
    """Write a file, whole or not at all.

    Raises:
        UsageError: it cannot be written.
    """
    with opened_whole(path) as file:
        file.write(content)


def refuse_same_file(output: Path, name: str) -> None:
    """Raise `UsageError` if an output is the file of an input.

    Args:
        output: a file to be written.
        name: an input: a path, or anything else.
    """
    try:
        same = output.is_file() and output.samefile(Path(name).expanduser())
    except (OSError, ValueError, RuntimeError):  # the input is not a path
        return
    if same:
        raise UsageError(
            f"{output} is an input, which would be overwritten; choose another output."
        )
