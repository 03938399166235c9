"""Reload bundles that change on disk while the server runs.

The engine maps a program's file into memory, so a file that is overwritten in place would change
under a running model. Therefore every bundle is copied, and served from the copy; weights are linked
and not copied if the bundle has a program, since predicting does not read them.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from warmstart.atomic import scratch_folder
from warmstart.core import bundle
from warmstart.core.model_files import model_files
from warmstart.engines import heap
from warmstart.errors import BundleError, UsageError
from warmstart.serve import garbage
from warmstart.serve.metrics import Metrics
from warmstart.serve.registry import Registry, ServedModel

if TYPE_CHECKING:
    from warmstart.core.model import Model

log = logging.getLogger("warmstart.serve")
Fingerprint = tuple[tuple[str, int, int, int], ...]
PREFIX = "warmstart-serve-"
DRAIN_SECONDS = 120.0
"""Seconds in which a replaced model may finish its queue, before its files are removed."""
STOP_SECONDS = 10.0
"""Seconds by which a running reload may delay the end of the server."""
MAX_SHARE_OF_FREE = 0.9
"""The share of the free space that a copy may take."""
BLOCK = 2**23  # bytes that are copied at a time
PROGRAM = Path("artifacts", "float32", "program.tflite")


class StoppedError(Exception):
    """The server stops, so a copy was abandoned."""


def fingerprint(folder: Path) -> Fingerprint | None:
    """(path, size, modification time, inode) of each file of a model; empty if there are none, None if
    a file was deleted meanwhile.
    """
    try:
        stats = [(path.relative_to(folder), path.stat()) for path in model_files(folder)]
    except FileNotFoundError:
        return None
    except OSError:
        return ()
    return tuple((str(name), stat.st_size, stat.st_mtime_ns, stat.st_ino) for name, stat in stats)


def snapshot(folder: Path, root: Path, stop: threading.Event | None = None) -> Path:
    """Copy a model's files to `root/RANDOM/NAME`, where NAME is that of the folder.

    Args:
        folder: of a bundle or a repository.
        root: the parent folder of the copies.
        stop: is set when the copy is no longer needed.

    Returns:
        The new folder.

    Raises:
        UsageError: there is not enough free space.
        StoppedError: `stop` was set meanwhile; the incomplete copy is removed.
        OSError: a file was deleted meanwhile, or cannot be read.
    """
    has_program = (folder / PROGRAM).is_file()
    sizes = {path: path.stat().st_size for path in model_files(folder)}
    linked = {path for path in sizes if has_program and path.suffix in (".safetensors", ".h5")}
    _check_room(folder, root, sum(size for path, size in sizes.items() if path not in linked))
    copy = Path(tempfile.mkdtemp(dir=root)) / (folder.resolve().name or "model")
    try:
        copy.mkdir()
        for path, size in sizes.items():
            target = copy / path.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            if path in linked:
                target.symlink_to(path.resolve())
            else:
                _copy(path, target, size, stop)
    except BaseException:
        shutil.rmtree(copy.parent, ignore_errors=True)
        raise
    return copy


def _check_room(folder: Path, root: Path, size: int) -> None:
    free = shutil.disk_usage(root).free
    if size > free * MAX_SHARE_OF_FREE:
        raise UsageError(
            f"The files of {folder} take {size / 1e6:,.0f} MB, and a copy may take "
            f"{free * MAX_SHARE_OF_FREE / 1e6:,.0f} MB of the free space in {root.parent}; set TMPDIR to a "
            "folder with more room, or --watch 0, which copies nothing."
        )


def _copy(source: Path, target: Path, size: int, stop: threading.Event | None) -> None:
    """Copy the first `size` bytes, since the file may still grow."""
    with source.open("rb", buffering=0) as reader, target.open("wb") as writer:
        while size > 0 and (block := reader.read(min(size, BLOCK))):
            if stop is not None and stop.is_set():
                raise StoppedError
            writer.write(block)
            size -= len(block)


@contextmanager
def copies() -> Iterator[Path]:
    """A folder for copies of bundles while the block runs; folders of killed servers are removed."""
    try:
        parent = Path(tempfile.gettempdir())
    except FileNotFoundError:
        raise UsageError(
            "No folder for temporary files can be written; set TMPDIR to one, which copies of the "
            "served models need."
        ) from None
    with scratch_folder(parent, PREFIX, mode=0o700) as root:
        yield root


def describe(error: Exception, copy: Path | None, folder: Path) -> str:
    """The message of an error, with the path of the original folder instead of that of the copy."""
    return str(error).replace(str(copy), str(folder)) if copy else str(error)


class Reloader:
    """Checks for changed bundles in a thread.

    Args:
        registry: the served models.
        folders: the original folders of models, by name.
        load: opens a folder.
        fingerprints: of the folders when they were loaded.
        root: the parent folder of the copies.
        copied: the copies that are served, by name.
        seconds: between checks.
        metrics: records each reload.
    """

    def __init__(
        self,
        registry: Registry,
        folders: Mapping[str, Path],
        load: Callable[[str], Model[Any, Any, Any]],
        fingerprints: Mapping[str, Fingerprint],
        root: Path,
        copied: Mapping[str, Path],
        seconds: float,
        metrics: Metrics,
    ):
        self._registry, self._folders, self._load, self._root = registry, dict(folders), load, root
        self._metrics, self._seconds = metrics, seconds
        self._known: dict[str, Fingerprint] = dict(fingerprints)
        self._last: dict[str, Fingerprint | None] = dict(fingerprints)
        self._copies = dict(copied)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="warmstart-reload", daemon=True)

    def start(self) -> None:
        if self._folders and self._seconds:
            self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(STOP_SECONDS)

    def check(self) -> None:
        """Load bundles that have changed. One that has changed since the last check is left to the next
        check, since its files may still be copied.
        """
        for name, folder in self._folders.items():
            now = fingerprint(folder)
            is_stable = now == self._last[name]
            self._last[name] = now
            if now is None or not is_stable or now == self._known[name]:
                continue
            self._known[name] = now
            if now:
                self._reload(name, folder, now)
            else:
                self._metrics.reload(name, "refused")
                log.error("%s %s; the previous version is still served", folder, _state_of(folder))

    def _run(self) -> None:
        while not self._stop.wait(self._seconds):
            try:
                self.check()
            except Exception:
                log.exception("looking for changed bundles failed; the server will try again")

    def _reload(self, name: str, folder: Path, seen: Fingerprint) -> None:
        copy: Path | None = None
        before: ServedModel | None = self._registry[name]
        assert before is not None
        try:
            copy = snapshot(folder, self._root, self._stop)
            if fingerprint(folder) != seen:
                raise OSError("it changed again while it was copied")
            if bundle.is_bundle(self._copies[name]) and not bundle.is_bundle(copy):
                raise BundleError(f"it was a bundle, and has no {bundle.MANIFEST} now")
            if self._stop.is_set():
                raise StoppedError
            model = self._load(str(copy))
            if model.task != before.task:
                raise UsageError(f"its task is now {model.task}, and was {before.task} before")
            if not model.is_compiled():
                raise UsageError("it has no complete compiled program (artifacts/float32)")
            after = self._registry.replace(name, model)
        except StoppedError:
            return
        except Exception as error:  # the previous version still works
            self._metrics.reload(name, "refused")
            log.error(
                "%s has changed and cannot be loaded; the previous version is still served: %s",
                folder,
                describe(error, copy, folder),
            )
            self._remove(copy)
        else:
            self._metrics.reload(name, "loaded")
            log.info("%s has changed and is served as version %d", folder, after.version)
            before.join(DRAIN_SECONDS)
            before = None
            garbage.freeze()  # an engine and its program refer to each other
            heap.trim()
            self._remove(self._copies.get(name))
            self._copies[name] = copy

    def _remove(self, copy: Path | None) -> None:
        if copy is not None:
            shutil.rmtree(copy.parent, ignore_errors=True)


def _state_of(folder: Path) -> str:
    """Why a folder has no files of a model."""
    if folder.is_symlink() and not folder.exists():
        return f"is a link to {os.readlink(folder)}, which does not exist"
    if not folder.exists():
        return "does not exist"
    if not folder.is_dir():
        return "is not a folder"
    if not os.access(folder, os.R_OK | os.X_OK):
        return "cannot be read"
    return "has no file of a model"
