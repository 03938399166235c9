"""Bundles that change on disk are loaded anew while the server runs; what cannot be loaded is
refused.

The engine maps a program's file into memory, so a file that is overwritten in place would change
under a running model. Therefore every bundle is copied first, to a folder of the server's own, and
served from there; the weights, which predicting does not read, are not copied where the bundle has
its program.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from warmstart.errors import UsageError
from warmstart.serve.metrics import Metrics
from warmstart.serve.registry import Registry

if TYPE_CHECKING:
    from warmstart.core.model import Model

log = logging.getLogger("warmstart.serve")
Print = tuple[tuple[str, int, int, int], ...]
LONGEST = 120.0
"""Seconds that the model before may still answer, before its files are removed."""
PROGRAM = Path("artifacts", "float32", "program.tflite")


def fingerprint(folder: Path) -> Print:
    """(path, size, time of change, inode) of every file; empty where the folder is gone or moves
    just now.
    """
    try:
        found = [
            (str(path.relative_to(folder)), path.stat())
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        ]
    except OSError:
        return ()
    return tuple((name, told.st_size, told.st_mtime_ns, told.st_ino) for name, told in found)


def snapshot(folder: Path, root: Path) -> Path:
    """A copy of a bundle in a new folder under `root`, which keeps the bundle's own name.

    Raises:
        OSError: a file went away meanwhile, or there is no room.
    """
    copy = Path(tempfile.mkdtemp(dir=root)) / (folder.resolve().name or "model")
    whole = (folder / PROGRAM).is_file()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            target = copy / path.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            if whole and path.suffix in (".safetensors", ".h5"):
                target.symlink_to(path.resolve())
            else:
                shutil.copyfile(path, target)
    return copy


class Reloader:
    """Looks for changed bundles in a thread.

    Args:
        registry: what is served.
        folders: of those models that are folders, by name.
        load: opens a folder.
        prints: what the folders looked like when they were loaded.
        root: for the copies.
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
        seconds: float,
        metrics: Metrics,
    ):
        self._registry, self._folders, self._load, self._root = registry, dict(folders), load, root
        self._metrics, self._seconds = metrics, seconds
        self._known, self._last = dict(prints), dict(prints)
        self._copies: dict[str, Path] = {}
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
                log.exception("looking for changed bundles failed; it is tried again")

    def _reload(self, name: str, folder: Path, seen: Print) -> None:
        copy: Path | None = None
        before = self._registry[name]
        try:
            copy = snapshot(folder, self._root)
            if fingerprint(folder) != seen:
                raise OSError("it changed again while it was copied")
            model = self._load(str(copy))
            if model.task != before.task:
                raise UsageError(f"it does {model.task} now, and {before.task} before")
            if not model.is_compiled():
                raise UsageError("it holds no whole compiled program (artifacts/float32)")
            after = self._registry.replace(name, model)
        except Exception as error:  # whatever it is, the old one is still good
            self._metrics.reload(name, "refused")
            log.error(
                "%s has changed and cannot be loaded; the previous version is still served: %s",
                folder,
                error,
            )
            self._remove(copy)
        else:
            self._metrics.reload(name, "loaded")
            log.info("%s has changed and is served as version %d", folder, after.version)
            before.batcher.join(LONGEST)
            self._remove(self._copies.get(name))
            self._copies[name] = copy

    def _remove(self, copy: Path | None) -> None:
        if copy is not None:
            shutil.rmtree(copy.parent, ignore_errors=True)
