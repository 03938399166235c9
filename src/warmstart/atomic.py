"""Write a file or a folder completely or not at all."""

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


@contextlib.contextmanager
def atomic_file(path: Path, *, sync: bool = True) -> Iterator[BinaryIO]:
    """A file to write, renamed to `path` when the block ends without an error.

    It is written in the folder of `path`, which is created if necessary, so a crash or a full disk
    leaves the old file, or none.

    Args:
        path: of the file.
        sync: whether it must survive a power cut; otherwise it may be empty afterwards.

    Raises:
        OSError: the disk is full, the folder read-only, ...
    """
    temporary = path.with_name(f".{path.name[:100]}.{secrets.token_hex(6)}.part")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with temporary.open("xb") as file:
            yield file
            if sync:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
    if sync:
        sync_folder(path.parent)


@contextlib.contextmanager
def new_folder(folder: Path, prefix: str) -> Iterator[Path]:
    """A folder to fill, renamed to `folder` when the block ends without an error.

    Args:
        folder: absent or empty.
        prefix: of the temporary name, in the same parent folder, which is created if necessary.

    Raises:
        OSError: the disk is full, the parent folder read-only, `folder` not empty, ...
    """
    temporary = folder.with_name(f"{prefix}{secrets.token_hex(6)}")
    temporary.mkdir(parents=True)
    try:
        yield temporary
        with contextlib.suppress(FileNotFoundError):
            folder.rmdir()
        temporary.replace(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` survive a power cut, if the system supports it: Windows cannot open
    folders, and some file systems cannot sync them.
    """
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
