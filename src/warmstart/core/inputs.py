"""The inputs of a call as single items, lazily, from lists, generators, folders and glob patterns;
and an item that is prepared for the engine.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, TypeAlias

from warmstart.core.reading import input_name, printable, scheme
from warmstart.errors import InputError, UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

Row: TypeAlias = "Mapping[str, NDArray[Any]]"
"""The arrays of one input by name, without the dimension of the batch."""

_WILD = re.compile(r"[*?\[]")
_NUMBER = re.compile("[0-9]+")


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """One input: `name` is its path or URL, or "item 3" (counted from 1); `value` is what the task
    decodes.

    The value of an input that cannot be read, such as an unreadable folder, is an `InputError`, so that
    the other inputs are still processed. `index` counts the inputs of a call from 0; random seeds
    depend on it.
    """

    name: str
    value: Any
    index: int = 0


@dataclass(frozen=True, eq=False)
class Prepared:
    """An input on its way to the engine.

    Attributes:
        name: of the input.
        rows: the arrays of the program, for each window of the input; most inputs are one window.
        context: what else `decode` needs: the text, the size of the photo.
        index: of the input in the call.
    """

    name: str
    rows: Sequence[Row] = ()
    context: Any = None
    index: int = 0


def is_single(inputs: Any) -> bool:
    """Whether the argument is one input, whose result is not a list.

    One input is a path or URL, bytes, a file object, a PIL image, or an array of at most three
    dimensions. Folders and glob patterns are several, even if they match one file; so are lists,
    generators and arrays of four dimensions.
    """
    if isinstance(inputs, (str, os.PathLike)):
        if scheme(inputs) is not None:
            return True
        path = os.fsdecode(inputs)
        return not os.path.isdir(path) and not _is_pattern(path)
    if hasattr(inputs, "__array__") and hasattr(inputs, "shape"):
        texts = getattr(getattr(inputs, "dtype", None), "kind", "") in (
            "O",
            "U",
            "S",
        )  # a column of paths
        return len(inputs.shape) < 4 and not (texts and len(inputs.shape) == 1)
    return (
        isinstance(inputs, (bytes, bytearray, memoryview))
        or hasattr(inputs, "read")
        or _is_pil(inputs)
    )


def iter_items(inputs: Any, *, suffixes: Collection[str] | None, what: str) -> Iterator[Item]:
    """The single items of `inputs`, one at a time; the next element of a generator is taken only when
    it is needed.

    Folders are searched recursively, without hidden files and folders, in natural order (img2 before
    img10), the files of a folder before its folders. Each folder is visited once, even if several
    links lead to it. Patterns are those of `glob` with "**"; a file whose name is the pattern itself
    comes first. Folders and patterns in a list are expanded, too.

    Args:
        inputs: an input, a folder, a pattern, or an iterable of these.
        suffixes: of the files in folders, in lower case, with the dot; None: all files.
        what: the noun for an item, for messages.

    Raises:
        UsageError: at once, if `inputs` is not an input; when it is searched, if a folder or pattern
            has no file.
    """
    if is_single(inputs):
        return iter([Item(input_name(inputs) or "item 1", inputs)])
    if isinstance(inputs, (str, os.PathLike)):
        return _expanded(os.fsdecode(inputs), suffixes, what)
    if isinstance(inputs, Mapping) or not hasattr(inputs, "__iter__"):
        raise UsageError(
            f"cannot take {what}s from {type_text(inputs)}; pass a path, URL, folder, pattern, "
            f"array, {'PIL image, ' if what == 'picture' else ''}or a list of these"
        )
    return _elements(inputs, suffixes, what)


def single_items(values: Iterable[Any]) -> Iterator[Item]:
    """An item for each value, such as those of labelled data; names of folders and patterns are not
    expanded, so each is an unusable input.
    """
    for index, value in enumerate(values):
        yield Item(input_name(value) or f"item {index + 1}", value, index)


def type_text(inputs: Any) -> str:
    """What a value is, for the message that refuses it."""
    return "None" if inputs is None else f"an object of type {type(inputs).__name__}"


def _is_pil(inputs: Any) -> bool:
    return hasattr(inputs, "getbands") and hasattr(
        inputs, "convert"
    )  # duck typing: text inputs import no Pillow


def _is_pattern(path: str) -> bool:
    return _WILD.search(path) is not None and not os.path.lexists(path)


def _elements(inputs: Any, suffixes: Collection[str] | None, what: str) -> Iterator[Item]:
    for index, value in enumerate(inputs, 1):
        if isinstance(value, (str, os.PathLike)) and not is_single(value):
            try:
                yield from _expanded(os.fsdecode(value), suffixes, what)
            except UsageError as error:
                name = input_name(value) or ""
                yield Item(name, InputError(str(error), name))
        else:
            yield Item(input_name(value) or f"item {index}", value)


def _expanded(path: str, suffixes: Collection[str] | None, what: str) -> Iterator[Item]:
    """The files of a folder or glob pattern."""
    if os.path.isdir(path):
        paths = _search(path, ("**", "*"), suffixes)
        names = "" if suffixes is None else f" ({', '.join(sorted(suffixes))})"
        message = f"the folder {printable(path)} contains no {what}{names}"
    else:
        parts = PurePath(path).parts
        anchor = PurePath(path).anchor
        parts = parts[1:] if anchor else parts
        # "photos/*" matches files with one of the suffixes, "photos/*.dat" all that it names.
        named = PurePath(parts[-1]).suffix.strip(".*") != ""
        paths = _search(
            anchor, (*parts, "*") if parts[-1] == "**" else parts, None if named else suffixes
        )
        message = f"no {what} matches the pattern {printable(path)}"
    empty = True
    for item in paths:
        empty = False
        yield item
    if empty:
        raise UsageError(message)


def _search(
    root: str, pattern: tuple[str, ...], suffixes: Collection[str] | None
) -> Iterator[Item]:
    """Files below `root` that match the pattern, folder by folder; the names of one folder are in
    memory at a time.

    The state of the search is a folder and the parts of the pattern still to match. No state is
    entered twice, so cycles of links end, and "**/**" finds no file twice.
    """
    seen: set[tuple[int, int, int]] = set()
    stack = [(root, pattern)]
    while stack:
        folder, parts = stack.pop()
        head, rest = parts[0], parts[1:]
        try:
            state = os.stat(folder or os.curdir)
            key = (state.st_dev, state.st_ino, len(parts))
            if key in seen:
                continue
            seen.add(key)
            if rest and not (head == "**" or _WILD.search(head)):
                stack.append((os.path.join(folder, head), rest))
                continue
            recursive = head == "**" and len(rest) == 1
            files = rest[0] if recursive else None if rest else head
            folders = "*" if head == "**" else head if rest else None
            file_names, folder_names = _listing(folder, files, folders, suffixes)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            name = printable(folder)
            reason = InputError(f"{name}: the folder cannot be read ({error.strerror})", name)
            yield Item(name, reason)
            continue
        for file in file_names:
            path = os.path.join(folder, file)
            yield Item(printable(path), path)
        next_parts = parts if head == "**" else rest
        stack += [(os.path.join(folder, below), next_parts) for below in reversed(folder_names)]
        if head == "**" and not recursive:  # "**" may also stand for no folder at all
            stack.append((folder, rest))


def _listing(
    folder: str, files: str | None, folders: str | None, suffixes: Collection[str] | None
) -> tuple[list[str], list[str]]:
    """The names of files and folders in `folder` that match the two patterns (None: none do), in
    natural order.
    """
    file_names, folder_names = [], []
    with os.scandir(folder or os.curdir) as entries:
        for entry in entries:
            name = entry.name
            if files is not None and _matches(name, files):
                is_suitable = suffixes is None or os.path.splitext(name)[1].lower() in suffixes
                # A broken link is an input that fails, with its name; it must not just be missing.
                if is_suitable and (entry.is_file() or _is_broken(entry)):
                    file_names.append(name)
            if folders is not None and _matches(name, folders) and entry.is_dir():
                folder_names.append(name)
    return sorted(file_names, key=natural), sorted(folder_names, key=natural)


def _is_broken(entry: os.DirEntry[str]) -> bool:
    """Whether this is a link whose target is missing."""
    return entry.is_symlink() and not os.path.exists(entry.path)


def _matches(name: str, pattern: str) -> bool:
    return (pattern[0] == "." or name[0] != ".") and (pattern == "*" or fnmatch(name, pattern))


def natural(name: str) -> tuple[str, str]:
    """The key that sorts img2 before img10 and ignores case; the name itself decides among equals."""
    return _NUMBER.sub(_number_key, name.casefold()), name


def _number_key(match: re.Match[str]) -> str:
    digits = match[0].lstrip("0")
    return f"{len(digits):03}{digits}"  # more digits sort later; file names have at most 255


def stacked(arrays: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Arrays of equal shapes as one, with a new first dimension; a single one is not copied."""
    if len(arrays) == 1:
        return arrays[0][None]
    import numpy as np

    return np.stack(arrays)
