"""One item as an open binary file: a path, an `http(s)` URL, bytes, or a file object.

Every fault is an `InputError` that names the item, so that it can be identified among many.
"""

from __future__ import annotations

import io
import os
import re
import stat
from collections.abc import Callable
from typing import Any, BinaryIO

from warmstart.errors import InputError, UsageError

MAX_DOWNLOAD = 64 * 2**20
"""Largest body of a URL, in bytes."""
MAX_STREAM = 512 * 2**20
"""Most bytes read from a file object or a pipe, whose size is not known before."""
TIMEOUT = 10.0
"""Seconds after which a server that sends nothing has failed."""
DEADLINE = 60.0
"""Seconds for all attempts of one download."""
ATTEMPTS = 3
PAUSE = 0.3
"""Seconds before the second attempt, doubled before each further one; with a random factor of 0.5
to 1.5.
"""

FILE_SUFFIXES = frozenset(
    (
        *(".txt", ".md", ".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".parquet", ".pq"),
        *(".html", ".xml", ".pdf", ".docx", ".xlsx", ".zip", ".gz", ".npy", ".npz"),
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".dib", ".tif"),
        *(
            ".tiff",
            ".heic",
            ".heif",
            ".hif",
            ".avif",
            ".wav",
            ".flac",
            ".ogg",
            ".oga",
            ".opus",
            ".mp3",
            ".m4a",
            ".aiff",
        ),
        *(".aif", ".au", ".w64", ".caf", ".mp4", ".webm", ".aac", ".m4b", ".mka"),
    )
)
"""Suffixes by which a text is the name of a file, whether or not it exists."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_PATH = re.compile(
    r"(~|\.{0,2})/\S+|\S+/|\S*\*\.\w+"
    r"|[A-Za-z]:[\\/]\S*|\w\S*\\\w\S*"  # Windows
    r"|(?:[^\s./\\]+\.)+(?:[a-z]{2,5}|[A-Z]{2,5})"  # a word, and what may be a suffix
)
_WORDS = re.compile(r"(?:[^\W\d_]{1,3}/)+[^\W\d_]{1,3}|(?:n?either|and|w)/[^\W\d_]+|[\d/.]+")
"""Alternatives and fractions, such as and/or and 24/7."""


def scheme(item: Any) -> str | None:
    """`"https"` for `"https://…"`; None for everything that is not a string with a scheme."""
    match = _SCHEME.match(item) if isinstance(item, str) else None
    return match[1].lower() if match else None


def input_name(item: Any) -> str | None:
    """How the user knows this item: its path or URL, a file object's or a PIL image's file name;
    None without one.
    """
    if isinstance(item, str):
        return printable(item)
    if isinstance(item, os.PathLike):
        return printable(os.fsdecode(item))
    # A PIL image keeps the path it was opened from as `filename`, file objects theirs as `name` (an
    # int for pipes).
    for attribute in ("filename", "name"):
        path = getattr(item, attribute, None)
        if isinstance(path, (str, os.PathLike)) and os.fspath(path):
            return printable(os.fsdecode(path))
    return None


def looks_like_path(text: str) -> bool:
    """Whether a text without spaces has the form of a path or of a pattern of files, whether or not
    it exists: a separator other than in "and/or" and "24/7", a drive, or two to five letters behind
    a word and a dot.
    """
    if scheme(text) is not None:
        return False
    is_relative = "/" in text and not any(map(str.isspace, text)) and not _WORDS.fullmatch(text)
    return is_relative or _PATH.fullmatch(text) is not None


class Line(str):
    """A line of standard input, which is a text even if it could name a file of texts."""

    __slots__ = ()


def file_suffix(text: str) -> str:
    """The suffix, in lower case, by which a text names a file, also as a URL; "" if it has none
    of `FILE_SUFFIXES`, or is a sentence and not the name of a file that exists.
    """
    if any(map(str.isspace, text)) and not exists(text):
        return ""
    if scheme(text) is not None:
        text = re.split(r"[?#]", text, maxsplit=1)[0]
    suffix = os.path.splitext(text)[1].lower()
    return suffix if suffix in FILE_SUFFIXES else ""


def exists(text: str) -> bool:
    """Whether a path exists; False for what cannot be a path."""
    try:
        return os.path.lexists(os.path.expanduser(text))
    except ValueError:  # a NUL
        return False


def check_exists(data: Any) -> None:
    """Refuse the path of data that does not exist.

    Raises:
        UsageError: the file or folder does not exist.
    """
    if isinstance(data, str | os.PathLike) and scheme(data) is None:
        path = os.path.expanduser(os.fsdecode(data))
        if not os.path.exists(path):
            raise UsageError(f"The file or folder {printable(path)} does not exist.")


def is_file_name(text: str) -> bool:
    """Whether a text names a file: it exists, or has the form of a path or a suffix of files."""
    return exists(text) or looks_like_path(text) or bool(file_suffix(text))


def printable(path: str) -> str:
    """The path with bytes that are not UTF-8 as escapes, so that it can be printed."""
    return path.encode("utf-8", "backslashreplace").decode("utf-8")


def opened(item: Any, name: str, fetch: Callable[[str], bytes] | None = None) -> BinaryIO:
    """Open the item for reading, positioned at its start and seekable; the caller closes it.

    `fetch` replaces the download of URLs. A file object is read to its end and left open. Raises
    InputError.
    """
    if isinstance(item, (bytes, bytearray, memoryview)):
        return io.BytesIO(item)
    if (protocol := scheme(item)) is not None:
        if protocol not in ("http", "https"):
            raise InputError(
                f"{name}: {protocol}:// URLs cannot be read; pass a path or an http(s) URL", name
            )
        return io.BytesIO((fetch or (lambda url: download(url, name=name)))(item))
    if isinstance(item, (str, os.PathLike)):
        return _open_path(os.fsdecode(item), name)
    if hasattr(item, "read"):
        return io.BytesIO(_read_all(item, name))
    raise InputError(f"{name}: cannot read an object of type {type(item).__name__} as a file", name)


def _open_path(path: str, name: str) -> BinaryIO:
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISREG(mode):
            return open(path, "rb")
        if stat.S_ISFIFO(mode):  # predict <(curl …)
            with open(path, "rb") as pipe:
                return io.BytesIO(_read_all(pipe, name))
    except FileNotFoundError:
        reason = "there is no such file"
        if os.path.islink(path):
            reason = f"the link leads to {printable(os.path.realpath(path))}, which does not exist"
        raise InputError(f"{name or repr(name)}: {reason}", name) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise InputError(
            f"{name}: cannot be opened ({getattr(error, 'strerror', None) or error})", name
        ) from error
    what = "a folder" if stat.S_ISDIR(mode) else "a device or socket"
    raise InputError(f"{name}: is {what}, not a file", name)


def _read_all(file: Any, name: str) -> bytes:
    """All bytes of a file object; refuses text files, non-blocking ones without data, and endless
    ones.
    """
    parts: list[bytes] = []
    size = 0
    while True:
        try:
            part = file.read(2**20)
        except (
            Exception
        ) as error:  # a file object is the caller's code: a closed one, a socket, a zip member, …
            raise InputError(f"{name}: cannot be read ({error})", name) from error
        if isinstance(part, str):
            raise InputError(
                f"{name}: the file object returns text; open it in binary mode ('rb')", name
            )
        if not part:
            return b"".join(parts)
        parts.append(bytes(part))
        size += len(part)
        if size > MAX_STREAM:
            raise InputError(
                f"{name}: has more than {MAX_STREAM >> 20} MiB; save it to a file first", name
            )


def download(url: str, *, name: str = "") -> bytes:
    """The body of an http or https address, in memory, at most `MAX_DOWNLOAD` bytes.

    Time-outs, cut connections and the status codes 429 and 5xx are tried again, `ATTEMPTS` times in
    all.

    Raises:
        InputError: it cannot be fetched, or going online is not allowed (`WARMSTART_OFFLINE`,
        `HF_HUB_OFFLINE`).
    """
    name = name or url
    from warmstart.core import cancellation
    from warmstart.errors import SourceError
    from warmstart.hub import offline_reason, transport, urls
    from warmstart.hub.retries import RetryPolicy

    if reason := offline_reason():
        raise InputError(f"{name}: {reason} forbids going online; pass a local file", name)
    policy = RetryPolicy(
        timeout=TIMEOUT,
        attempts=ATTEMPTS,
        first_attempts=ATTEMPTS,
        first_wait=PAUSE,
        retry_after=DEADLINE,
        deadline=DEADLINE,
    )
    try:
        address = urls.normalized_url(url)
        check = cancellation.check
        return transport.get_bytes(address, limit=MAX_DOWNLOAD, policy=policy, check=check)
    except ValueError as error:
        raise InputError(f"{name}: is not a valid address ({error})", name) from error
    except SourceError as error:
        message = str(error)
        raise InputError(
            message if message.startswith(name) else f"{name}: {message}", name
        ) from error
