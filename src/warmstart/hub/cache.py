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
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from warmstart.digests import sha256_of
from warmstart.hub import files, known_digests
from warmstart.hub.home import home
from warmstart.hub.progress import Progress
from warmstart.hub.slots import Slot, is_record
from warmstart.hub.sources import METADATA, safe_path


@dataclass(frozen=True)
class CachedFile:
    """One fetched file.

    Attributes:
        source: the source as `fetch` takes it; for a repository with the commit.
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


def _records() -> Iterator[tuple[Slot, CachedFile]]:
    """Every record, with its slot."""
    for top in (home() / "web", home() / "hf"):
        for folder, folders, names in os.walk(top):
            folders.sort()
            if Path(folder).name != METADATA:
                continue
            for name in sorted(names):
                record = files.read_json(Path(folder) / name) if name.endswith(".json") else None
                if record is None or not is_record(record):
                    continue
                with suppress(ValueError):  # a record of a path outside the folder is ignored
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
    _remove_absent(pattern, pins)
    _remove_unused_listings()
    known_digests.forget_missing()
    return sorted(removed, key=lambda file: file.source)


def _remove_absent(pattern: str, pins: bool) -> None:
    """Remove unfinished downloads of files that are absent, and if requested their pins."""
    suffixes = (".state", ".pin") if pins else (".state",)
    for top in (home() / "web", home() / "hf"):
        for path in [path for path in top.rglob(f"{METADATA}/*") if path.suffix in suffixes]:
            content = files.read_json(path) or {}
            source, name = content.get("source"), content.get("file")
            if not isinstance(source, str) or not isinstance(name, str):
                continue
            with suppress(ValueError):
                slot = Slot(path.parent.parent, safe_path(name, source))
                if not matches(CachedFile(source, slot.path, 0, "", ""), pattern):
                    continue
                with slot.locked():
                    if path.suffix == ".state":
                        slot.discard_partial()
                    else:
                        path.unlink(missing_ok=True)
                    slot.clean()


def _remove_unused_listings() -> None:
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
    pattern: str = "*", *, progress: Progress | None = None
) -> list[tuple[CachedFile, str | None]]:
    """Read every matching file again and compare its size and sha256 with its record.

    Args:
        pattern: see `matches`.
        progress: called after each file with ("verify", bytes so far, bytes of all files).

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
            return f"it has {size} bytes, but {file.size} were fetched"
        sha256 = sha256_of(file.path)
    except FileNotFoundError:
        return "the file is missing"
    except OSError as error:
        return f"it cannot be read: {error.strerror or error}"
    return (
        None if sha256 == file.sha256 else f"its sha256 is {sha256}, but {file.sha256} was fetched"
    )
