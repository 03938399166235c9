"""The cache that Hugging Face's own libraries share: read, never written.

    $HF_HUB_CACHE/models--ORG--NAME/refs/main                the commit of a branch
    $HF_HUB_CACHE/models--ORG--NAME/snapshots/COMMIT/PATH    a link to a blob
    $HF_HUB_CACHE/models--ORG--NAME/blobs/ETAG               the bytes

The name of a blob is its sha256 (files of Git LFS) or the sha1 of its git object (small files), against
which each file is checked before it is used. Files are linked if possible, else copied.
"""

from __future__ import annotations

import os
import re
import shutil
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from warmstart.hub import files
from warmstart.hub.home import shared_cache
from warmstart.hub.huggingface import Listing, is_commit
from warmstart.hub.slots import Expected, Slot
from warmstart.hub.sources import Hub

_SHA1, _SHA256 = re.compile(r"[0-9a-f]{40}"), re.compile(r"[0-9a-f]{64}")
MAX_REF_BYTES = 200
MAX_FILES = 100_000


def listing_of(source: Hub) -> Listing | None:
    """The files of a repository in the shared cache, at the commit of a revision; None if there are
    none.
    """
    commit = source.revision
    if not is_commit(commit):
        commit = _commit(source.repository, source.revision or "main")
    snapshot = _snapshot(source.repository, commit) if commit else None
    if snapshot is None or commit is None:
        return None
    expected: dict[str, Expected] = {}
    for path in snapshot.rglob("*"):
        if len(expected) > MAX_FILES:
            return None
        if path.is_file() and (known := _expected(path)):
            expected[path.relative_to(snapshot).as_posix()] = known
    return Listing(source.repository, commit, expected) if expected else None


def has(listing: Listing, path: str) -> bool:
    """Whether the shared cache has a file of a repository."""
    snapshot = _snapshot(listing.repository, listing.commit)
    return snapshot is not None and (snapshot / path).is_file()


def adopt(slot: Slot, listing: Listing, path: str, expected: Expected) -> bool:
    """Put a file of the shared cache into a slot, whose lock the caller has acquired.

    Returns:
        Whether the cache has it, and its hash is the expected one.

    Raises:
        CacheError: the slot cannot be written.
    """
    snapshot = _snapshot(listing.repository, listing.commit)
    file = snapshot / path if snapshot else None
    if file is None or not expected.known or not file.is_file():
        return False
    try:
        file = file.resolve(strict=True)
        size = file.stat().st_size
        digests = files.Digests(md5=bool(expected.md5), git_size=size)
        digests.update_from(file)
    except OSError:
        return False
    computed = digests.hex()
    if expected.mismatch(computed):
        return False
    with files.writing(slot.folder):
        slot.partial.unlink(missing_ok=True)
        try:
            os.link(file, slot.partial)
        except OSError:  # another file system, or one without links
            shutil.copyfile(file, slot.partial)
        record = {
            "source": listing.source(path),
            "url": listing.url(path),
            "file": path,
            "size": size,
            "sha256": computed["sha256"],
            "md5": computed.get("md5"),
            "fetched_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "etag": None,
            "checked": expected.names,
            "mtime_ns": slot.partial.stat().st_mtime_ns,
        }
        files.write_json(slot.record, record)
        os.replace(slot.partial, slot.path)
    return True


def _repository(name: str) -> Path | None:
    cache = shared_cache()
    return cache / f"models--{name.replace('/', '--')}" if cache else None


def _commit(name: str, revision: str) -> str | None:
    """The commit of a branch or tag."""
    repository = _repository(name)
    if repository is None or not re.fullmatch(r"[\w.-]+(/[\w.-]+)*", revision):
        return None
    with suppress(OSError, ValueError):
        path = repository / "refs" / revision
        if path.stat().st_size <= MAX_REF_BYTES:
            commit = path.read_text("ascii").strip()
            return commit if is_commit(commit) else None
    return None


def _snapshot(name: str, commit: str) -> Path | None:
    repository = _repository(name)
    folder = repository / "snapshots" / commit if repository else None
    return folder if folder and folder.is_dir() else None


def _expected(path: Path) -> Expected | None:
    """The hash that the name of a file's blob states."""
    try:
        blob = path.resolve(strict=True)
        size = blob.stat().st_size
    except OSError:
        return None
    if blob.parent.name != "blobs":
        return None
    if _SHA256.fullmatch(blob.name):
        return Expected(sha256=blob.name, size=size)
    return Expected(git=blob.name, size=size) if _SHA1.fullmatch(blob.name) else None
