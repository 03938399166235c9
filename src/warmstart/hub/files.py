"""Read, write and hash the files of the cache."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from warmstart.atomic import atomic_file
from warmstart.errors import CacheError

_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EFBIG}
_FORBIDDEN = {errno.EROFS, errno.EACCES, errno.EPERM}
_NOT_A_FOLDER = {errno.ENOTDIR, errno.EEXIST}
_BLOCK = 1 << 20


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn every failure to write below `folder` into a CacheError that says what to do."""
    try:
        yield
    except OSError as error:
        raise cache_error(error, folder) from error


def cache_error(error: OSError, folder: Path) -> CacheError:
    """The CacheError for an OSError that was raised while writing below `folder`."""
    elsewhere = "set WARMSTART_HOME to another folder"
    if error.errno in _FULL:
        return CacheError(
            f"no space is left for {folder}: free some (`warmstart cache ls` shows it), or {elsewhere}"
        )
    if error.errno in _FORBIDDEN:
        return CacheError(
            f"the cache folder {folder} cannot be written ({error.strerror}): {elsewhere}"
        )
    if error.errno in _NOT_A_FOLDER:
        return CacheError(
            f"{error.filename or folder} is not a folder, but the cache needs one there: "
            f"remove it, or {elsewhere}"
        )
    return CacheError(f"the cache folder {folder} cannot be written ({error}): {elsewhere}")


def is_full(error: BaseException) -> bool:
    """Whether an error or one of its causes means that the disk, a quota or a limit is used up.

    Other libraries raise types of their own, with the system's message.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in _FULL:
            return True
        if any(os.strerror(number) in str(cause) for number in _FULL):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def write_all(descriptor: int, data: bytes) -> None:
    """Write all bytes; a single `os.write` may write only a part."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def write_json(path: Path, value: Mapping[str, Any], *, sync: bool = False) -> None:
    """Write a small JSON file atomically. Raises OSError.

    Args:
        sync: whether it must survive a power cut; else it may then be empty, which reads as absent.
    """
    with atomic_file(path, sync=sync) as file:
        file.write((json.dumps(value, indent=1) + "\n").encode())


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in a JSON file; None if it is absent or unreadable."""
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


class Digests:
    """Running hashes of one stream of bytes: always sha256, the others on request.

    Args:
        md5: also md5.
        git_size: also the sha1 that git gives a file, which needs the size in bytes beforehand.
    """

    def __init__(self, *, md5: bool = False, git_size: int | None = None):
        import hashlib

        self._hashes = {"sha256": hashlib.sha256()}
        if md5:
            self._hashes["md5"] = hashlib.md5(usedforsecurity=False)
        if git_size is not None:
            self._hashes["git"] = hashlib.sha1(b"blob %d\0" % git_size, usedforsecurity=False)

    def update_from(self, path: Path) -> None:
        """Add the content of a file. Raises OSError."""
        with path.open("rb", buffering=0) as file:
            while block := file.read(_BLOCK):
                for running in self._hashes.values():
                    running.update(block)

    def hex(self) -> dict[str, str]:
        """{"sha256": hexadecimal digest, ...}"""
        return {name: running.hexdigest() for name, running in self._hashes.items()}


def digests_of(path: Path, *, md5: bool = False) -> dict[str, str]:
    """The sha256 (and md5) of a file, in hexadecimal. Raises OSError."""
    digests = Digests(md5=md5)
    digests.update_from(path)
    return digests.hex()
