"""The files that a command writes next to its results: drawings, masks, sounds, tables, plots."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from warmstart.atomic import atomic_file, new_folder
from warmstart.core.terminal import say
from warmstart.counts import counted, singular
from warmstart.errors import UsageError, WarmstartError

if TYPE_CHECKING:
    from warmstart.core.input_kind import InputKind


class CommandInputs:
    """The inputs of a command, before any is read.

    Args:
        names: as typed.
        input_kind: how they are read.
    """

    def __init__(self, names: Sequence[str], input_kind: InputKind):
        self.names, self.input_kind = tuple(names), input_kind

    @cached_property
    def are_several(self) -> bool:
        """Whether there are two or more; standard input counts as one, as it is not read."""
        if len(self.names) != 1:
            return len(self.names) > 1
        items = self.input_kind.stream(self.input_kind.from_arguments(self.names))
        return len(list(islice(items, 2))) > 1

    def input_containing(self, path: Path) -> str | None:
        """The input folder, or pattern with `**`, that is searched for inputs and contains a path."""
        for name in self.names:
            root = name.partition("**")[0] if "**" in name else name
            try:
                folder = Path(root).expanduser()
                if folder.is_dir() and path.resolve().is_relative_to(folder.resolve()):
                    return name
            except (OSError, ValueError, RuntimeError):  # the input is not a path
                continue
        return None


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

    def check(self, target: str, flag: str, inputs: CommandInputs, *, overwrite: bool) -> None:
        """Refuse a target that cannot be written, before anything is read.

        Args:
            target: as typed.
            flag: such as "--draw".
            inputs: of the command.
            overwrite: whether a file that exists is replaced.

        Raises:
            UsageError: its suffix is another; it is an input, or a folder in which inputs are
                searched for; it is one file although there are several inputs, or a folder where a
                file is needed; or the file exists.
        """
        path = Path(target).expanduser()
        for name in inputs.names:
            refuse_same_file(path, name)
        is_file = self.is_file(path)
        if not is_file:
            self._check_folder_name(path, target, flag)
        written = {path.suffix.lower()} if is_file else {*self.suffixes}
        source = inputs.input_containing(path) if inputs.input_kind.suffixes & written else None
        if source is not None:
            raise UsageError(
                f"{flag} {target} is in {source}, so the {self.noun} would be inputs, too; choose "
                "another folder."
            )
        if is_file and not self.collects and inputs.are_several:
            raise UsageError(
                f"{flag} {target} is one file, but there are several inputs; choose a folder."
            )
        for parent in path.parents if is_file else (path, *path.parents):
            if parent.exists():
                if not parent.is_dir():
                    raise UsageError(f"{flag} {target}: {parent} is not a folder.")
                break
        if is_file:
            refuse_existing(path, flag, overwrite=overwrite)

    def _check_folder_name(self, path: Path, target: str, flag: str) -> None:
        has_suffix = re.fullmatch(r"\.[A-Za-z]\w{0,5}", path.suffix) and not target.endswith("/")
        if not self.folder or (has_suffix and not path.is_dir()):
            *first, last = self.suffixes
            suffixes = f"{', '.join(first)} or {last}" if first else last
            ending = " or into a folder, whose name has no suffix" if self.folder else ""
            raise UsageError(f"{flag} {target}: {self.noun} are written as {suffixes}{ending}.")


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
            source: the input, which is never overwritten.

        Raises:
            UsageError: the target is one file and this is the second, it is the input, or it
                cannot be written.
        """
        if self.is_file:
            refuse_same_file(self.target, source)
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
            noun = self.output.noun
            count = counted(self.count, singular(noun), noun)
            what = "" if self.is_file else f"{count} in "
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
        suffix = self.output.suffixes[0]
        path, number = self.target / f"{stem}{suffix}", 1
        while path.exists():
            number += 1
            path = self.target / f"{stem}-{number}{suffix}"
        return path


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
        raise UsageError(_unwritable(path, error)) from error


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


def refuse_existing(path: Path, flag: str, *, overwrite: bool) -> None:
    """Raise `UsageError` where an output is a file that exists.

    Args:
        path: of the output.
        flag: that named it, for the message.
        overwrite: whether the file is replaced.
    """
    if path.exists() and not overwrite:
        raise UsageError(
            f"{flag} {path} exists; choose another name, or replace the file with --overwrite."
        )


def check_new_folder(folder: Path, error_class: type[WarmstartError] = UsageError) -> None:
    """Raise an error where an output folder is a file, or not empty."""
    if folder.is_file():
        raise error_class(f"{folder} is a file; choose a new folder; nothing was overwritten.")
    if folder.exists() and any(folder.iterdir()):
        raise error_class(f"{folder} is not empty; choose a new folder; nothing was overwritten.")


@contextmanager
def whole_folder(folder: Path, error_class: type[WarmstartError] = UsageError) -> Iterator[Path]:
    """A folder to fill; it appears when the block ends without an error.

    Args:
        folder: new or empty.
        error_class: of the error if it is not, or cannot be written.
    """
    try:
        check_new_folder(folder, error_class)
        with new_folder(folder, ".saving-") as temporary:
            yield temporary
    except OSError as error:
        raise error_class(_unwritable(folder, error)) from error


def _unwritable(path: Path, error: OSError) -> str:
    reason = error.strerror or error
    return f"{path} cannot be written ({reason}); free some space, or choose another path."
