"""An unfinished download on disk, and what identifies the rest of the same file."""

from __future__ import annotations

import base64
import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from warmstart.hub import files
from warmstart.hub.slots import Slot

if TYPE_CHECKING:
    from email.message import Message


class PartialDownload:
    """An unfinished file on disk, and the metadata of the whole file.

    Attributes:
        size: number of bytes on disk.
        whole: {"total": bytes or None, "etag": .., "modified": .., "digests": {..}} from the response.
        from_one_response: whether all bytes come from one response to this process.

    Args:
        hash_known: whether the hash of the whole file is known from another source than this server.
    """

    def __init__(self, slot: Slot, source: str, url: str, hash_known: bool):
        self.slot, self.hash_known = slot, hash_known
        self.origin = {"source": source, "file": slot.name, "url": url}
        self.size, self.whole, self.from_one_response = 0, dict[str, Any](), False
        state = files.read_json(slot.state) or {}
        size, whole = state.get("size"), state.get("whole")
        same = all(state.get(key) == value for key, value in self.origin.items())
        if same and isinstance(size, int) and size >= 0 and isinstance(whole, dict):
            with suppress(OSError):
                # Not more than was synced: after a power cut the rest may be zeros.
                self.size, self.whole = min(size, slot.partial.stat().st_size), whole

    def open(self) -> int:
        """A descriptor that writes at `size`; bytes beyond are dropped. Raises OSError."""
        descriptor = os.open(
            self.slot.partial, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644
        )
        os.ftruncate(descriptor, self.size)
        os.lseek(descriptor, self.size, os.SEEK_SET)
        return descriptor

    def save(self, descriptor: int) -> None:
        """Sync the written bytes to the disk, and record their number. Raises OSError."""
        os.fsync(descriptor)
        files.write_json(self.slot.state, {**self.origin, "size": self.size, "whole": self.whole})

    def restart(self) -> None:
        """Begin again with no bytes."""
        self.size, self.whole, self.from_one_response = 0, {}, False

    @property
    def trusted(self) -> bool:
        """Whether a hash or a validator can show that the rest belongs to these bytes."""
        return self.hash_known or any(
            self.whole.get(key) for key in ("etag", "modified", "digests")
        )

    @property
    def complete(self) -> bool:
        """Whether every byte is there, if the server has sent their number."""
        return self.size > 0 and self.size == self.whole.get("total")

    def range_headers(self) -> dict[str, str]:
        """The headers that request the rest of the same file."""
        if not self.size:
            return {}
        validator = self.whole.get("etag") or self.whole.get("modified")
        return {"Range": f"bytes={self.size}-", **({"If-Range": validator} if validator else {})}


def length_of(value: str | None) -> int | None:
    """The number of bytes in a Content-Length header, or None."""
    return int(value) if value and value.strip().isdigit() else None


def strong_etag(value: str | None) -> str | None:
    """An ETag that identifies the bytes exactly (weak ones begin with W/), or None."""
    return value.strip() if value and value.strip().startswith('"') else None


def strong_date(modified: str | None, date: str | None) -> str | None:
    """Last-Modified, if it is at least a minute before the response; else None."""
    from email.utils import parsedate_to_datetime

    try:
        old = (
            parsedate_to_datetime(date or "") - parsedate_to_datetime(modified or "")
        ).total_seconds() >= 60
    except (ValueError, TypeError):
        return None
    return modified if old else None


def server_digests(headers: Message) -> dict[str, str]:
    """Hashes of the whole file in the headers: x-goog-hash of Google's storage, Repr-Digest of RFC
    9530.
    """
    digests: dict[str, str] = {}
    if (headers.get("x-goog-stored-content-encoding") or "identity") == "identity":
        for name, value in re.findall(
            r"(md5)=([A-Za-z0-9+/]{22}==)", ",".join(headers.get_all("x-goog-hash") or ())
        ):
            digests[name] = base64.b64decode(value).hex()
    for value in re.findall(
        r"(?i)sha-256=:([a-z0-9+/]{43}=):", ",".join(headers.get_all("Repr-Digest") or ())
    ):
        digests["sha256"] = base64.b64decode(value).hex()
    return digests
