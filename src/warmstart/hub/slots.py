"""A slot of the cache: the path of one file, its record and its pin; see `cache` for the layout."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256 as _sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote

from warmstart.hub import files
from warmstart.hub.home import home
from warmstart.hub.known_digests import known_sha256_of
from warmstart.hub.sources import METADATA


@dataclass(frozen=True)
class Expected:
    """Hexadecimal digests (`git`: the sha1 of a git blob, which needs `size`) and a size in bytes."""

    sha256: str | None = None
    md5: str | None = None
    git: str | None = None
    size: int | None = None

    @property
    def names(self) -> list[str]:
        """The names of the known hashes."""
        return [name for name in ("sha256", "md5", "git") if getattr(self, name)]

    @property
    def known(self) -> bool:
        """Whether any hash is known."""
        return bool(self.names)

    def mismatch(self, digests: Mapping[str, str | None]) -> str | None:
        """The name of the first of these digests that differs from the known one; else None."""
        names = (name for name in self.names if name in digests)
        return next((name for name in names if digests[name] != getattr(self, name)), None)


class Slot:
    """The paths of one file in the cache: `folder / name`, and its metadata."""

    def __init__(self, folder: Path, name: str):
        self.folder, self.name = folder, name
        self.path = folder / name
        stem = quote(name, safe=" ")
        if len(stem) > 200:  # file names end at 255
            stem = stem[:150] + "-" + _sha256(name.encode()).hexdigest()[:16]
        self.metadata = folder / METADATA
        self.record, self.pin = self.metadata / f"{stem}.json", self.metadata / f"{stem}.pin"
        self.partial, self.state = (
            self.metadata / f"{stem}.partial",
            self.metadata / f"{stem}.state",
        )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the folder against other processes and threads. Raises CacheError if it cannot be
        written.
        """
        from filelock import FileLock  # takes 40 ms to import, and a cached file does not need it

        # Not in the folder itself: a lock file that `rm` removes would let two processes in.
        key = self.folder.relative_to(home()).as_posix()
        path = home() / "locks" / f"{_sha256(key.encode()).hexdigest()[:16]}.lock"
        lock = FileLock(path)
        with files.writing(home()):
            for folder in (path.parent, self.metadata, self.path.parent):
                folder.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        try:
            with files.writing(home()):
                self.metadata.mkdir(parents=True, exist_ok=True)  # `rm` may have been faster
                self.path.parent.mkdir(parents=True, exist_ok=True)
            yield
        finally:
            lock.release()

    def pinned(self) -> dict[str, Any] | None:
        """The record of the first download: {"sha256", "pinned_at", ...}, or None."""
        pin = files.read_json(self.pin)
        if pin and isinstance(pin.get("sha256"), str):
            return pin
        record = files.read_json(self.record)  # of a file that is damaged now
        return (
            {**record, "pinned_at": record["fetched_at"]} if record and is_record(record) else None
        )

    def check(self, expected: Expected) -> str:
        """Compare the file with its record and the expected hashes: "ok", "absent", "damaged" or
        "other".

        Size and modification time are compared. The file is read only if the time differs or a hash
        was never computed.
        """
        record = files.read_json(self.record)
        try:
            status = self.path.stat()
        except OSError:
            return "absent"
        if record is None or not is_record(record):
            return "absent"
        if status.st_size != record["size"]:
            return "damaged"
        known: dict[str, str | None] = {"sha256": record["sha256"], "md5": record.get("md5")}
        is_changed = record.get("mtime_ns") != status.st_mtime_ns
        if is_changed or (expected.md5 and not known["md5"]):
            try:
                digests = files.digests_of(self.path, md5=bool(expected.md5))
            except OSError:
                return "damaged"
            if digests["sha256"] != record["sha256"]:
                return "damaged"
            with suppress(OSError):  # a read-only cache may be used
                files.write_json(self.record, {**record, **digests, "mtime_ns": status.st_mtime_ns})
            known.update(digests)
        return "other" if expected.mismatch(known) else "ok"

    def discard_partial(self) -> None:
        """Remove an unfinished download."""
        for path in (self.partial, self.state):
            with suppress(OSError):
                path.unlink()

    def clean(self) -> None:
        """Remove the folders of this slot that are empty."""
        parents = []
        for folder in (self.metadata, *self.path.parents):
            if folder == home():
                break
            parents.append(folder)
        for folder in parents:
            with suppress(OSError):  # not empty
                folder.rmdir()


def web_slot(url: str) -> Slot:
    """The slot of a file on the web."""
    host, _, path = url.partition("://")[2].partition("/")
    name = (
        re.sub(r"[^\w.\-]", "_", path.partition("?")[0].rsplit("/", 1)[-1])[-100:].lstrip(".")
        or "file"
    )
    folder = re.sub(r"[^\w.\-]", "_", host).lstrip(".") or "_"
    return Slot(home() / "web" / folder / _sha256(url.encode()).hexdigest()[:12], name)


def digest(path: Path) -> str:
    """The sha256 of a file: from its record if it was fetched and is unchanged, else of its bytes."""
    for folder in path.parents:
        if not folder.is_relative_to(home()):
            break
        slot = Slot(folder, path.relative_to(folder).as_posix())
        if slot.check(Expected()) == "ok" and (record := files.read_json(slot.record)):
            return str(record["sha256"])
    return known_sha256_of(path)


def is_record(record: dict[str, Any]) -> bool:
    types = (("source", str), ("file", str), ("size", int), ("sha256", str), ("fetched_at", str))
    return all(isinstance(record.get(key), expected) for key, expected in types)
