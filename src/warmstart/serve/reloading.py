"""Bundles that change on disk are reloaded while the server runs; what cannot be loaded is
refused.

The engine maps a program's file into memory, so a file that is overwritten in place would change
under a running model. Therefore every bundle is copied first, to a folder of the server's own, and
served from there; the weights, which predicting does not read, are not copied where the bundle has
its program.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from warmstart.engines import heap
from warmstart.errors import UsageError
from warmstart.serve import garbage
from warmstart.serve.metrics import Metrics
from warmstart.serve.registry import Registry, Served

if TYPE_CHECKING:
    from warmstart.core.model import Model

log = logging.getLogger("warmstart.serve")
Print = tuple[tuple[str, int, int, int], ...]
PREFIX = "warmstart-serve-"
LOCK = ".lock"
STARTING = 60.0
"""Seconds within which a new folder of copies may still be without its lock."""
MOST_LEVELS = 3
"""Folders within each other that a bundle has, and one more."""
LONGEST = 120.0
"""Seconds that the model before may still answer, before its files are removed."""
PROGRAM = Path("artifacts", "float32", "program.tflite")


def bundle_files(folder: Path) -> list[Path]:
    """The files of a bundle, also behind links to folders, as Kubernetes mounts volumes; neither
    hidden ones nor anything that is not a file.
    """
    files: list[Path] = []
    for parent, folders, names in os.walk(folder, followlinks=True):
        depth = len(Path(parent).relative_to(folder).parts)
        folders[:] = [n for n in folders if not n.startswith(".") and depth < MOST_LEVELS]
        files += [Path(parent, n) for n in names if not n.startswith(".")]
    return sorted(path for path in files if path.is_file())


def fingerprint(folder: Path) -> Print:
    """(path, size, time of change, inode) of every file; empty where the folder is gone or moves
    just now.
    """
    try:
        stats = [(path.relative_to(folder), path.stat()) for path in bundle_files(folder)]
    except OSError:
        return ()
    return tuple((str(name), one.st_size, one.st_mtime_ns, one.st_ino) for name, one in stats)


def snapshot(folder: Path, root: Path) -> Path:
    """A copy of a bundle in a new folder under `root`, which has the bundle's own name.

    Raises:
        OSError: a file went away meanwhile, or there is no room.
    """
    copy = Path(tempfile.mkdtemp(dir=root)) / (folder.resolve().name or "model")
    copy.mkdir()
    has_program = (folder / PROGRAM).is_file()
    for path in bundle_files(folder):
        target = copy / path.relative_to(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        if has_program and path.suffix in (".safetensors", ".h5"):
            target.symlink_to(path.resolve())
        else:
            shutil.copyfile(path, target)
    return copy


@contextmanager
def copies() -> Iterator[Path]:
    """A folder for copies of bundles while the block runs. Those that killed servers have left
    behind are removed.
    """
    parent = Path(tempfile.gettempdir())
    for old in parent.glob(f"{PREFIX}*"):
        _remove_abandoned(old)
    with tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True) as root:
        lock = FileLock(Path(root, LOCK), timeout=0)
        with lock:
            yield Path(root)


def _remove_abandoned(folder: Path) -> None:
    with contextlib.suppress(OSError, Timeout):
        is_new = time.time() - folder.stat().st_mtime < STARTING
        if (
            folder.is_symlink()
            or not os.access(folder, os.W_OK)
            or (is_new and not (folder / LOCK).exists())
        ):
            return
        with FileLock(folder / LOCK, timeout=0):
            shutil.rmtree(folder, ignore_errors=True)


def describe(error: Exception, copy: Path | None, folder: Path) -> str:
    """What went wrong, with the user's folder in place of the copy."""
    return str(error).replace(str(copy), str(folder)) if copy else str(error)


class Reloader:
    """Looks for changed bundles in a thread.

    Args:
        registry: what is served.
        folders: of those models that are folders, by name.
        load: opens a folder.
        prints: what the folders looked like when they were loaded.
        root: for the copies.
        copied: the copies that are served now, by name.
        seconds: between looks.
        metrics: told of what became of each change.
    """

    def __init__(
        self,
        registry: Registry,
        folders: Mapping[str, Path],
        load: Callable[[str], Model[Any, Any, Any]],
        prints: Mapping[str, Print],
        root: Path,
        copied: Mapping[str, Path],
        seconds: float,
        metrics: Metrics,
    ):
        self._registry, self._folders, self._load, self._root = registry, dict(folders), load, root
        self._metrics, self._seconds = metrics, seconds
        self._known, self._last = dict(prints), dict(prints)
        self._copies = dict(copied)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="warmstart-reload", daemon=True)

    def start(self) -> None:
        if self._folders and self._seconds:
            self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def look(self) -> None:
        """Load what has changed since the last look but one, and not since the last: a copy may be
        under way.
        """
        for name, folder in self._folders.items():
            now = fingerprint(folder)
            still = now == self._last[name]
            self._last[name] = now
            if now and still and now != self._known[name]:
                self._known[name] = now
                self._reload(name, folder, now)

    def _run(self) -> None:
        while not self._stop.wait(self._seconds):
            try:
                self.look()
            except Exception:
                log.exception("looking for changed bundles failed; the server will try again")

    def _reload(self, name: str, folder: Path, seen: Print) -> None:
        copy: Path | None = None
        before: Served | None = self._registry[name]
        assert before is not None
        try:
            copy = snapshot(folder, self._root)
            if fingerprint(folder) != seen:
                raise OSError("it changed again while it was copied")
            model = self._load(str(copy))
            if model.task != before.task:
                raise UsageError(f"its task is now {model.task}, and was {before.task} before")
            if not model.is_compiled():
                raise UsageError("it has no complete compiled program (artifacts/float32)")
            after = self._registry.replace(name, model)
        except Exception as error:  # whatever it is, the old one is still good
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
            before.join(LONGEST)
            before = None
            garbage.settle()  # an engine and its program refer to each other
            heap.trim()
            self._remove(self._copies.get(name))
            self._copies[name] = copy

    def _remove(self, copy: Path | None) -> None:
        if copy is not None:
            shutil.rmtree(copy.parent, ignore_errors=True)
