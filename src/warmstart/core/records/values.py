"""Cells of a table: what is missing, names of classes, texts, files."""

from __future__ import annotations

import json
import mimetypes
import os
import re
from ast import literal_eval as literal
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, time
from functools import lru_cache
from pathlib import Path
from typing import Any

from warmstart.core.reading import printable, scheme
from warmstart.errors import UsageError

_BETWEEN = re.compile(r"\s*[|;]\s*")
_SEVERAL = re.compile(r"[^\s|;]\s*[|;]\s*[^\s|;]")
_NO_COMMA = re.compile(r"(?<![\[,:{\s])(['\"])\s+\1(?![\],:}\s])")
_WHOLE_FLOAT = re.compile(r"(-?(?:0|[1-9][0-9]*))\.0+")
_INDEX = re.compile(r"0|[1-9][0-9]{0,8}")
_NUMERIC = re.compile(r"[+-]?[.,]?\d")
_NO_VALUE = ("NAType", "NaTType")  # of pandas
MISSING_WORDS = frozenset(
    ("nan", "NaN", "-nan", "-NaN", "null", "NULL", "None", "<NA>", "NaT", "#N/A", "#NA", "#N/A N/A",
     "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN")
)  # fmt: skip
"""Texts that programs write for a missing value."""
UNCLEAR_WORDS = frozenset(("NA", "N/A", "n/a"))
"""Missing values, or names: North America."""


def is_missing(value: Any) -> bool:
    """Whether there is nothing in a cell: None, not a number, pandas' NA, or nothing but spaces."""
    if value is None or type(value).__name__ in _NO_VALUE:
        return True
    if isinstance(value, str | bytes):
        return not value.strip()
    if isinstance(value, float) or getattr(value, "shape", None) == ():
        return bool(value != value)  # NaN is not itself
    return False


def missing_word(name: str, class_names: Collection[str] | None) -> str | None:
    """Why a label is a missing value and not the name of a class; None if it is a name.

    Args:
        name: the label.
        class_names: the classes, if they are known: a word among them is a name.

    Raises:
        UsageError: it may be both; the message completes "FILE:3: ".
    """
    if class_names is not None and name in class_names:
        return None
    if name in MISSING_WORDS:
        return f"has no label: {name!r} is a missing value, unless class_names lists it"
    if name in UNCLEAR_WORDS and class_names is None:
        raise UsageError(
            f"the label {name!r} is a missing value, or a class of this name: empty such cells, or list "
            "all classes with class_names."
        )
    return None


def as_list(value: Any) -> list[Any] | None:
    """The elements of a list, tuple, set or array of one dimension; None for everything else."""
    if value is None or isinstance(value, str):  # most cells
        return None
    if isinstance(value, set | frozenset):
        return sorted(value, key=str)
    if isinstance(value, list | tuple):
        return list(value)
    if len(getattr(value, "shape", ())) == 1 or hasattr(
        value, "to_pylist"
    ):  # arrays; columns of pyarrow and polars
        return list(value.to_list() if hasattr(value, "to_list") else value.tolist())
    return None


def structure(text: str) -> list[Any] | Mapping[str, Any] | None:
    """The list or mapping in a cell of a CSV file, in JSON or Python syntax; None for other text.

    Raises:
        ValueError: it is a list without commas, as NumPy writes arrays; the message completes
            "the label ".
    """
    text = text.strip()
    if not (text.startswith(("[", "{")) and text.endswith(("]", "}"))):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        if _NO_COMMA.search(text):  # Python would join the two
            raise ValueError(f"{text!r:.60} is a list without commas; write it as JSON") from None
        try:
            value = literal(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return None
    return value if isinstance(value, list | dict) else None


def class_name(value: Any, names: Sequence[str] | None = None) -> str:
    """A label as the name of a class.

    Strings keep their characters ("007" stays "007"); a whole number is the name of its decimals,
    also if a table made a float of it ("1.0" is "1"); a date has no time at midnight; with
    `names` a whole number is an index into them.

    Raises:
        ValueError: this is not a label; the message completes "has a label that ".
    """
    value = _plain_scalar(value)
    if isinstance(value, bytes):
        try:
            value = value.decode()
        except UnicodeDecodeError:
            raise ValueError("is not UTF-8") from None
    if isinstance(value, Mapping) or as_list(value) is not None or hasattr(value, "shape"):
        raise ValueError(f"is an object of type {type(value).__name__}{_shape(value)}")
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if names is not None and isinstance(value, int) and not isinstance(value, bool):
        if not 0 <= value < len(names):
            raise ValueError(f"is {value}, which is not an index of the {len(names)} class names")
        return names[value]
    name = str(value).strip()
    try:
        name.encode()
    except UnicodeEncodeError:
        raise ValueError(f"has an unpaired surrogate ({name!r})") from None
    return _whole(name)


def _whole(name: str) -> str:
    """A whole number without zeros after the decimal point."""
    match = _WHOLE_FLOAT.fullmatch(name)
    return name if match is None else match[1].replace("-0", "0")


def _plain_scalar(value: Any) -> Any:
    """NumPy's scalars as those of Python, and days as dates."""
    if getattr(value, "shape", None) == () and hasattr(value, "item"):
        dtype = getattr(value.dtype, "kind", "")
        if dtype == "f":
            return float(str(value))  # 0.1 of float32, and not 0.10000000149011612
        value = (value.astype("datetime64[us]") if dtype == "M" else value).item()
    if isinstance(value, datetime) and value.tzinfo is None and value.time() == time():
        return value.date()
    return value


def is_index(name: str) -> bool:
    """Whether a label is a whole number as programs write it: "1", and not "01" or "+1"."""
    return _INDEX.fullmatch(name) is not None


def looks_numeric(name: str) -> bool:
    """Whether a name begins with a number, such as "2.5" or "5 stars": an index may mean it."""
    return _NUMERIC.match(name) is not None


def label_key(name: str) -> str:
    """A key that all spellings of a label share: "1.0" and "1", "true" and "True"."""
    name = _whole(name)
    return name.lower() if name.lower() in ("true", "false") else name


def _shape(value: Any) -> str:
    shape = getattr(value, "shape", None)
    return f" of the shape {shape}" if shape else ""


def one_of(name: str, class_names: Sequence[str]) -> str:
    """A label as one of these classes; a whole number is an index, unless one of them looks like a
    number.

    Raises:
        IndexError: it is an index of another list; the message completes "has a label that ".
        ValueError: it is none of them; the message completes "has a label that ".
    """
    if name in class_names:
        return name
    equal = [known for known in class_names if label_key(known) == label_key(name)]
    if len(equal) == 1:
        return equal[0]
    if is_index(name) and not any(map(looks_numeric, class_names)):
        if int(name) < len(class_names):
            return class_names[int(name)]
        raise IndexError(f"is {name}, which is not an index of the {len(class_names)} class names")
    few = ", ".join(map(repr, class_names[:10])) + (", …" if len(class_names) > 10 else "")
    raise ValueError(f"is {name!r}, which is not one of the classes {few}")


def holds_separator(text: str) -> bool:
    """Whether a string may be several labels: names with `|` or `;` between them."""
    return _SEVERAL.search(text) is not None


def separated(text: str) -> list[str]:
    """The names between `|` and `;`."""
    return [name for name in _BETWEEN.split(text.strip()) if name]


def resolved(path: str | os.PathLike[str], folder: Path | None) -> str:
    """A path of a table, which is relative to the table's folder; URLs stay as they are.

    A bare file name may also be that of a file in a folder next to the table, such as `images/`, or
    in a folder of one. A path without a suffix may be that of a file with one. Backslashes separate
    folders if there is no file with them in its name.

    Raises:
        ValueError: it cannot be a path, or two files could be meant; the message completes "the
            photo in the column 'file' ".
    """
    text = os.fsdecode(path)
    if scheme(text) is not None:
        return text
    if "\0" in text:
        raise ValueError("has a NUL character in its name")
    if text.startswith("~"):
        text = os.path.expanduser(text)
    if "\\" in text and not os.path.exists(Path(folder or "", text)):  # as Windows writes it
        text = text.replace("\\", "/")
    if folder is None:
        return str(Path(text))
    path = folder / text
    if os.path.exists(path):
        return str(path)
    folders = _subfolders(folder) if os.path.basename(text) == text else ()
    files = sorted(filter(os.path.isfile, (sub / text for sub in folders)))
    if not files:
        nested = [inner for sub in folders for inner in _subfolders(sub)]
        files = sorted(filter(os.path.isfile, (sub / text for sub in nested)))
    if not files and mimetypes.guess_type(text)[0] is None:
        folders = (path.parent, *folders)
        files = sorted(sub / name for sub in folders for name in _files_by_stem(sub, path.name))
    if len(files) > 1:
        if len({file.parent for file in files}) == 1:
            raise ValueError(
                f"({printable(text)}) may be {files[0].name} or {files[1].name}; add the suffix"
            )
        names = " and ".join(file.parent.name + "/" for file in files[:2])
        raise ValueError(f"({printable(text)}) is in {names}; write its path")
    return str(files[0] if files else path)


def _files_by_stem(folder: Path, stem: str) -> list[str]:
    """The names of the files of a folder with this stem, without texts and documents."""
    try:
        return _stems(folder, folder.stat().st_mtime_ns).get(stem, [])
    except OSError:
        return []


@lru_cache(maxsize=64)
def _stems(folder: Path, changed: int) -> dict[str, list[str]]:
    """The names of files by stem; `changed`: when the folder was."""
    names: dict[str, list[str]] = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            type_ = mimetypes.guess_type(entry.name)[0] or ""
            if not type_.startswith(("text/", "application/")) and entry.is_file():
                names.setdefault(os.path.splitext(entry.name)[0], []).append(entry.name)
    return names


def _subfolders(folder: Path) -> tuple[Path, ...]:
    try:
        return _folders_in(folder, folder.stat().st_mtime_ns)
    except OSError:
        return ()


@lru_cache(maxsize=256)
def _folders_in(folder: Path, changed: int) -> tuple[Path, ...]:
    """The folders in a folder; `changed`: when it was."""
    with os.scandir(folder) as entries:
        return tuple(
            Path(entry) for entry in entries if entry.is_dir() and not entry.name.startswith(".")
        )


def file_value(value: Any, folder: Path | None) -> Any:
    """The photo or recording of a cell: a path, bytes, or an object that the model takes.

    Hugging Face's `{"bytes": …, "path": …}` becomes bytes or a path.

    Raises:
        ValueError: it is none of these; the message completes "names a file that ".
    """
    if isinstance(value, Mapping) and not value.keys() >= {"array", "sampling_rate"}:
        content, path = value.get("bytes"), value.get("path")
        if isinstance(content, bytes) and content:
            return content
        if not isinstance(path, str) or not path:
            raise ValueError("has neither a path nor bytes")
        value = path
    if isinstance(value, str) or (folder is not None and isinstance(value, os.PathLike)):
        return resolved(value, folder)
    if isinstance(value, bool | int | float):
        raise ValueError(f"is a number ({value})")
    return value
