"""Write a file or a folder completely or not at all."""

import contextlib
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

LOCK = ".lock"
"""The suffix of the lock file of a scratch folder, which is hidden."""
UNLOCKED_SECONDS = 86_400.0
"""Age in seconds up to which a scratch folder without a lock file may be in use."""


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
        prefix: of the temporary name, in the same parent folder; see `scratch_folder`.

    Raises:
        OSError: the disk is full, the parent folder read-only, `folder` not empty, ...
    """
    with scratch_folder(folder.parent, prefix) as temporary:
        yield temporary
        with contextlib.suppress(FileNotFoundError):
            folder.rmdir()
        temporary.replace(folder)


@contextlib.contextmanager
def scratch_folder(parent: Path, prefix: str, *, mode: int = 0o777) -> Iterator[Path]:
    """A new folder that is removed when the block ends; folders that killed processes left are
    removed first.

    The process holds a lock file next to the folder. However the process ends, the system releases
    the lock.

    Args:
        parent: of the folder; created if necessary.
        prefix: of the folder's name; nothing else in `parent` begins with it.
        mode: of the folder, before the umask.

    Raises:
        OSError: the disk is full, `parent` read-only, ...
    """
    from filelock import FileLock  # takes 40 ms to import

    parent.mkdir(parents=True, exist_ok=True)
    remove_abandoned(parent, prefix)
    folder = parent / f"{prefix}{secrets.token_hex(6)}"
    folder.mkdir(mode)
    lock = FileLock(_lock_file(folder), timeout=0)
    try:
        with contextlib.suppress(NotImplementedError):  # by file systems without locks
            lock.acquire()
        yield folder
    finally:
        lock.release()
        shutil.rmtree(folder, ignore_errors=True)
        with contextlib.suppress(OSError):
            _lock_file(folder).unlink(missing_ok=True)


def remove_abandoned(parent: Path, prefix: str) -> None:
    """Remove scratch folders that no process uses, and their lock files."""
    visible = prefix.lstrip(".")
    dot = prefix.removesuffix(visible)
    names = {path.name for path in parent.glob(f"{prefix}*") if path.suffix != LOCK}
    names |= {dot + path.name[1 : -len(LOCK)] for path in parent.glob(f".{visible}*{LOCK}")}
    for name in names:
        _remove_unless_used(parent / name)


def _remove_unless_used(folder: Path) -> None:
    from filelock import FileLock, Timeout

    lock_file = _lock_file(folder)
    with contextlib.suppress(OSError, Timeout, NotImplementedError):
        if folder.is_symlink() or lock_file.is_symlink():
            return
        if not lock_file.exists() and time.time() - folder.stat().st_mtime < UNLOCKED_SECONDS:
            return
        if folder.exists() and not os.access(folder, os.W_OK):
            return
        with FileLock(lock_file, timeout=0):
            shutil.rmtree(folder, ignore_errors=True)
            lock_file.unlink()


def _lock_file(folder: Path) -> Path:
    return folder.with_name(f".{folder.name.lstrip('.')}{LOCK}")


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
