"""The fetched files: their layout on disk, their records, and the operations of `warmstart cache`.

Below `home()`:

    web/<host>/<12 digits of the sha256 of the address>/<file name>
    hf/<org>/<name>/<commit>/<path in the repository>      a repository as it was at that commit
    hf/<org>/<name>/<commit>.json                          its files, with their sizes and hashes
    hf/<org>/<name>/refs/<revision>.json                   the commit of a branch or tag when it was first requested
    locks/<digits>.lock                                    empty files; they stay

and next to the files of each folder, in `.warmstart/`, where a slash in a name is written %2F:

    <name>.json      the record: source, url, size, sha256, fetched_at, etag, ...; no record, no file
    <name>.pin       the sha256 of the first download of a file that has no published hash
    <name>.partial   an unfinished download, and <name>.state its origin and size

A file gets its name when it is complete and its hash is right, never before. A pin outlives its file, so that a
file which changed at its source is noticed; `rm(..., pins=True)` removes it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from hashlib import sha256 as _sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote

from warmstart.hub import files
from warmstart.hub.home import home
from warmstart.hub.sources import NOTES, safe_path


@dataclass(frozen=True)
class CachedFile:
    """One fetched file.

    Attributes:
        source: where it came from, as `fetch` takes it; for a repository with the commit.
        path: of the file in the cache.
        size: in bytes, as recorded when it was fetched.
        sha256: hexadecimal.
        fetched_at: such as "2025-01-31T12:00:00+00:00" (UTC).
    """

    source: str
    path: Path
    size: int
    sha256: str
    fetched_at: str

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {**vars(self), "path": str(self.path)}


@dataclass(frozen=True)
class Expected:
    """Hexadecimal digests (`git`: the sha1 of a git blob, which needs `size`) and a size in bytes."""

    sha256: str | None = None
    md5: str | None = None
    git: str | None = None
    size: int | None = None

    @property
    def known(self) -> bool:
        """Whether any hash is known."""
        return bool(self.sha256 or self.md5 or self.git)


class Slot:
    """The paths of one file in the cache: `folder / name`, and its metadata."""

    def __init__(self, folder: Path, name: str):
        self.folder, self.name = folder, name
        self.path = folder / name
        note = quote(name, safe=" ")
        if len(note) > 200:  # file names end at 255
            note = note[:150] + "-" + _sha256(name.encode()).hexdigest()[:16]
        self.notes = folder / NOTES
        self.record, self.pin = self.notes / f"{note}.json", self.notes / f"{note}.pin"
        self.partial, self.state = self.notes / f"{note}.partial", self.notes / f"{note}.state"

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
            for folder in (path.parent, self.notes, self.path.parent):
                folder.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        try:
            with files.writing(home()):
                self.notes.mkdir(parents=True, exist_ok=True)  # `rm` may have been faster
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
            {**record, "pinned_at": record["fetched_at"]} if record and _is_record(record) else None
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
        if record is None or not _is_record(record):
            return "absent"
        if status.st_size != record["size"]:
            return "damaged"
        known = {
            "sha256": record["sha256"],
            "md5": record.get("md5"),
            "mtime_ns": record.get("mtime_ns"),
        }
        if known["mtime_ns"] != status.st_mtime_ns or (expected.md5 and not known["md5"]):
            try:
                digests = files.digests_of(self.path, md5=bool(expected.md5))
            except OSError:
                return "damaged"
            if digests["sha256"] != record["sha256"]:
                return "damaged"
            with suppress(OSError):  # a read-only cache may be used
                files.write_json(self.record, {**record, **digests, "mtime_ns": status.st_mtime_ns})
            known.update(digests)
        for name in ("sha256", "md5"):
            digest = getattr(expected, name)
            if digest and digest != known[name]:
                return "other"
        return "ok"

    def discard_partial(self) -> None:
        """Remove an unfinished download."""
        for path in (self.partial, self.state):
            with suppress(OSError):
                path.unlink()

    def clean(self) -> None:
        """Remove the folders of this slot that are empty."""
        parents = []
        for folder in (self.notes, *self.path.parents):
            if folder == home():
                break
            parents.append(folder)
        for folder in parents:
            with suppress(OSError):  # not empty
                folder.rmdir()


def web_slot(url: str) -> Slot:
    """The slot of a file on the web."""
    import re

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
    return files.digests_of(path)["sha256"]


def _is_record(record: dict[str, Any]) -> bool:
    types = (("source", str), ("file", str), ("size", int), ("sha256", str), ("fetched_at", str))
    return all(isinstance(record.get(key), expected) for key, expected in types)


def _records() -> Iterator[tuple[Slot, CachedFile]]:
    """Every record, with its slot."""
    for top in (home() / "web", home() / "hf"):
        for folder, folders, names in os.walk(top):
            folders.sort()
            if Path(folder).name != NOTES:
                continue
            for name in sorted(names):
                record = files.read_json(Path(folder) / name) if name.endswith(".json") else None
                if record is None or not _is_record(record):
                    continue
                with suppress(ValueError):  # a record that points elsewhere is not ours
                    slot = Slot(Path(folder).parent, safe_path(record["file"], name))
                    yield (
                        slot,
                        CachedFile(
                            record["source"],
                            slot.path,
                            record["size"],
                            record["sha256"],
                            record["fetched_at"],
                        ),
                    )


def matches(file: CachedFile, pattern: str) -> bool:
    """Whether the pattern is the source, or as a shell pattern matches the source or the file name.

    A repository (`hf://org/name`, with or without a revision) stands for all its files.
    """
    if (
        file.source == pattern
        or fnmatchcase(file.source, pattern)
        or fnmatchcase(file.path.name, pattern)
    ):
        return True
    repository = pattern.rstrip("/")
    return repository.startswith("hf://") and file.source.startswith(
        (f"{repository}@", f"{repository}/")
    )


def ls(pattern: str = "*") -> list[CachedFile]:
    """The fetched files, by source. The files themselves are not read; `verify` does that.

    Args:
        pattern: see `matches`.
    """
    return sorted(
        (file for _, file in _records() if matches(file, pattern)), key=lambda file: file.source
    )


def rm(pattern: str, *, pins: bool = False) -> list[CachedFile]:
    """Remove fetched files, and unfinished downloads of them; returns what was removed.

    Args:
        pattern: see `matches`; "*" for everything.
        pins: also forget the pinned hashes, which accepts that a file has changed at its source.

    Raises:
        CacheError: a file cannot be removed.
    """
    removed = []
    for slot, file in list(_records()):
        if not matches(file, pattern):
            continue
        with slot.locked():
            with files.writing(slot.folder):
                slot.path.unlink(
                    missing_ok=True
                )  # first: without a record it would never be listed again
                slot.record.unlink(missing_ok=True)
                if pins:
                    slot.pin.unlink(missing_ok=True)
            slot.discard_partial()
            slot.clean()
        removed.append(file)
    _remove_notes(pattern, pins)
    _forget_repositories()
    return sorted(removed, key=lambda file: file.source)


def _remove_notes(pattern: str, pins: bool) -> None:
    """Remove unfinished downloads, and on request pins, of files that are absent."""
    suffixes = (".state", ".pin") if pins else (".state",)
    for top in (home() / "web", home() / "hf"):
        for note in [path for path in top.rglob(f"{NOTES}/*") if path.suffix in suffixes]:
            content = files.read_json(note) or {}
            source, name = content.get("source"), content.get("file")
            if not isinstance(source, str) or not isinstance(name, str):
                continue
            with suppress(ValueError):
                slot = Slot(note.parent.parent, safe_path(name, source))
                if not matches(CachedFile(source, slot.path, 0, "", ""), pattern):
                    continue
                with slot.locked():
                    if note.suffix == ".state":
                        slot.discard_partial()
                    else:
                        note.unlink(missing_ok=True)
                    slot.clean()


def _forget_repositories() -> None:
    """Remove the listings of commits without files, and the branches and tags that refer to them."""
    for listing in list((home() / "hf").glob("*/*/*.json")):
        if listing.with_suffix("").is_dir():
            continue
        with suppress(OSError):
            listing.unlink()
            for ref in (listing.parent / "refs").glob("*.json"):
                if (files.read_json(ref) or {}).get("commit") == listing.stem:
                    ref.unlink()
            for folder in (listing.parent / "refs", listing.parent, listing.parent.parent):
                folder.rmdir()


def verify(
    pattern: str = "*", *, progress: Callable[[str, int, int | None], None] | None = None
) -> list[tuple[CachedFile, str | None]]:
    """Read every matching file again and compare its size and sha256 with its record.

    Args:
        pattern: see `matches`.
        progress: called with (file name, bytes so far over all files, bytes in all) after each
            file.

    Returns:
        (file, None) if it is intact, else (file, the problem).
    """
    listed, checked = ls(pattern), []
    total, so_far = sum(file.size for file in listed), 0
    for file in listed:
        checked.append((file, _problem(file)))
        so_far += file.size
        if progress:
            progress("verify", so_far, total)
    return checked


def _problem(file: CachedFile) -> str | None:
    try:
        size = file.path.stat().st_size
        if size != file.size:
            return f"it has {size} bytes where {file.size} were fetched"
        sha256 = files.digests_of(file.path)["sha256"]
    except FileNotFoundError:
        return "the file is missing"
    except OSError as error:
        return f"it cannot be read: {error.strerror or error}"
    return (
        None if sha256 == file.sha256 else f"its sha256 is {sha256} where {file.sha256} was fetched"
    )
