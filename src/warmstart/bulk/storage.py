"""The files that a run reads and writes: on this machine, or on a file system of fsspec (`s3://`,
`gs://`, …).
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from warmstart.atomic import atomic_file
from warmstart.core.reading import printable, scheme
from warmstart.errors import BatchError, InputError, UsageError

ATOMIC_STORES = frozenset(
    {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oss", "oci", "r2", "memory"}
)
"""Stores in which an object appears only when it is complete, so that it needs no temporary name."""
TRIES = "_tries"
"""The folder with a file for each running shard on a cluster; it contains a dot for each start."""


def is_remote(path: Any) -> bool:
    """Whether fsspec opens this path: its scheme is neither http nor https."""
    return scheme(path) not in (None, "http", "https")


def file_system(url: str) -> tuple[Any, str]:
    """fsspec's file system of a URL, and the path in it.

    Raises:
        UsageError: there is none, or it needs a package that is not installed.
    """
    import fsspec

    try:
        opened: tuple[Any, str] = fsspec.core.url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise UsageError(f"{url} cannot be reached: {str(error).rstrip('.')}.") from error
    return opened


def open_input(path: str) -> BinaryIO:
    """An input to read, seekable.

    Raises:
        InputError: it is not there, or cannot be opened.
    """
    try:
        if is_remote(path):
            system, inside = file_system(path)
            file: BinaryIO = system.open(inside, "rb")
            return file
        return open(path, "rb")
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file", path) from None
    except Exception as error:  # every file system has errors of its own
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: cannot be opened ({reason})", path) from error


class RowFile:
    """The file of a row. It is opened by the first `read`, in the thread that decodes it. After its end
    it can be read again, since the rows of a batch that failed are predicted one by one.

    Args:
        name: for messages.
        opener: opens the file.
    """

    def __init__(self, name: str, opener: Callable[[], BinaryIO]):
        self.name, self._opener = name, opener
        self._file: BinaryIO | None = None

    def read(self, size: int = -1) -> bytes:
        if self._file is None:
            self._file = self._opener()
        data = self._file.read(size)
        if not data:
            self._file.close()
            self._file = None
        return data


def find(url: str, suffixes: frozenset[str]) -> Iterator[str]:
    """The URLs of the files in a remote folder, recursively, or of a pattern, sorted.

    Raises:
        UsageError: it cannot be listed.
    """
    system, inside = file_system(url)
    try:
        if any(sign in inside for sign in "*?["):
            paths = [path for path in system.glob(inside) if system.isfile(path)]
        elif system.isdir(inside):
            paths = [
                path
                for path in system.find(inside)
                if not any(p.startswith(".") for p in _parts_below(path, inside))
            ]
            paths = [path for path in paths if os.path.splitext(path)[1].lower() in suffixes]
        else:
            paths = [inside]
    except Exception as error:  # every file system has errors of its own
        raise UsageError(f"{url} cannot be listed: {error}") from error
    for path in sorted(paths):
        yield system.unstrip_protocol(path)


def _parts_below(path: str, folder: str) -> list[str]:
    return path.removeprefix(folder).strip("/").split("/")


class Folder:
    """The output folder; its files, such as `_failed/part-00000.jsonl`, are read and written as a whole.

    Args:
        path: a path, or a URL of a file system of fsspec.
    """

    def __init__(self, path: str | os.PathLike[str]):
        self.path = os.fsdecode(path).rstrip("/") or "/"
        self._remote = is_remote(self.path)
        if not self._remote:
            if scheme(self.path) is not None:
                raise UsageError(
                    f"{self.path} is a web address; results are written to a folder, or to a "
                    "store that fsspec supports (s3://, gs://, …)."
                )
            self.path = os.path.abspath(os.path.expanduser(self.path))
            if os.path.lexists(self.path) and not os.path.isdir(self.path):
                raise UsageError(f"{self.path} is a file; results are written to a folder.")

    def write(self, name: str, data: bytes) -> None:
        """Write a file atomically.

        Raises:
            BatchError: the file cannot be written.
        """
        with self._explained(name):
            if not self._remote:
                with atomic_file(Path(self.path, name)) as file:
                    file.write(data)
                return
            system, inside = file_system(f"{self.path}/{name}")
            if scheme(self.path) in ATOMIC_STORES:
                system.pipe_file(inside, data)
                return
            folder, _, last = inside.rpartition("/")
            temporary = f"{folder}/.{last}.{secrets.token_hex(6)}.part"
            system.makedirs(folder, exist_ok=True)
            try:
                system.pipe_file(temporary, data)
                system.mv(temporary, inside)
            finally:
                with contextlib.suppress(Exception):
                    system.rm_file(temporary)

    def read(self, name: str) -> bytes | None:
        """The content of a file; None if it does not exist."""
        with self._explained(name, "read"):
            try:
                if not self._remote:
                    return Path(self.path, name).read_bytes()
                system, inside = file_system(f"{self.path}/{name}")
                content: bytes = system.cat_file(inside)
                return content
            except (FileNotFoundError, NotADirectoryError):
                return None

    def names(self, folder: str = "") -> set[str]:
        """The names of the files and folders in it, or in a folder of it; empty if it does not exist."""
        with self._explained(folder, "listed"):
            try:
                if not self._remote:
                    return {printable(name) for name in os.listdir(os.path.join(self.path, folder))}
                system, inside = file_system(f"{self.path}/{folder}".rstrip("/"))
                system.invalidate_cache()
                return {
                    path.rstrip("/").rsplit("/", 1)[-1] for path in system.ls(inside, detail=False)
                }
            except (FileNotFoundError, NotADirectoryError):
                return set()

    def has(self, name: str) -> bool:
        """Whether a file exists."""
        with self._explained(name, "looked for"):
            if not self._remote:
                return os.path.isfile(os.path.join(self.path, name))
            system, inside = file_system(f"{self.path}/{name}")
            system.invalidate_cache()
            exists: bool = system.exists(inside)
            return exists

    def remove(self, name: str) -> None:
        """Delete a file, if it exists."""
        with self._explained(name, "removed"), contextlib.suppress(FileNotFoundError):
            if not self._remote:
                os.unlink(os.path.join(self.path, name))
                return
            system, inside = file_system(f"{self.path}/{name}")
            system.rm_file(inside)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the folder against other processes; remote stores are not locked.

        Raises:
            BatchError: another process has locked it, or it cannot be written.
        """
        if self._remote:
            yield
            return
        from filelock import FileLock, Timeout

        with self._explained():
            os.makedirs(self.path, exist_ok=True)
            lock = FileLock(os.path.join(self.path, ".lock"), timeout=0)
            try:
                lock.acquire()
            except Timeout:
                raise BatchError(
                    f"Another process is writing to {self.path}; wait for it, or choose "
                    "another folder."
                ) from None
        try:
            yield
        finally:
            lock.release()

    def sweep(self) -> None:
        """Remove the remains of killed processes: incomplete files, and counts of started shards."""
        for name in self.names(TRIES):
            self.remove(f"{TRIES}/{name}")
        if self._remote:
            return
        for folder in (Path(self.path), Path(self.path, "_failed")):
            for path in folder.glob(".*.part"):
                with contextlib.suppress(OSError):
                    path.unlink()

    @contextlib.contextmanager
    def _explained(self, name: str = "", action: str = "written") -> Iterator[None]:
        """Convert errors of an action on a file, or on the folder itself, to `BatchError`."""
        path = f"{self.path}/{name}" if name else self.path
        try:
            yield
        except (BatchError, UsageError):
            raise
        except Exception as error:  # every file system has errors of its own
            reason = getattr(error, "strerror", None) or error
            raise BatchError(
                f"{path} cannot be {action} ({reason}). Finished files are kept: free some space, or "
                "make the folder accessible, and run the same call again."
            ) from error
