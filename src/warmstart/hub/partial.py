"""An unfinished download on disk, and how to tell that more bytes are the rest of the same file."""

import base64
import os
import re
from contextlib import suppress
from typing import Any

from warmstart.hub import files
from warmstart.hub.cache import Slot


class Partial:
    """An unfinished file on disk, and what is known of the whole.

    Attributes:
        size: bytes that are there.
        whole: {"total": bytes or None, "etag": .., "modified": .., "digests": {..}} as the server said.
        in_one_piece: whether all bytes come from one answer to this process.

    Args:
        hash_known: the hash of the whole will be checked against one that does not come from this server.
    """

    def __init__(self, slot: Slot, source: str, url: str, hash_known: bool):
        self.slot, self.hash_known = slot, hash_known
        self.origin = {"source": source, "file": slot.name, "url": url}
        self.size, self.whole, self.in_one_piece = 0, dict[str, Any](), False
        state = files.read_json(slot.state) or {}
        size, whole = state.get("size"), state.get("whole")
        same = all(state.get(key) == value for key, value in self.origin.items())
        if same and isinstance(size, int) and size >= 0 and isinstance(whole, dict):
            with suppress(OSError):
                # Not more than was made safe: after a power cut the rest may be zeros.
                self.size, self.whole = min(size, slot.partial.stat().st_size), whole

    def open(self) -> int:
        """A descriptor that writes at `size`; what is beyond is dropped. Raises OSError."""
        descriptor = os.open(self.slot.partial, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644)
        os.ftruncate(descriptor, self.size)
        os.lseek(descriptor, self.size, os.SEEK_SET)
        return descriptor

    def save(self, descriptor: int) -> None:
        """Make what was written safe, and remember how much it is. Raises OSError."""
        os.fsync(descriptor)
        files.write_json(self.slot.state, {**self.origin, "size": self.size, "whole": self.whole})

    def restart(self) -> None:
        """Begin again with no bytes."""
        self.size, self.whole, self.in_one_piece = 0, {}, False

    @property
    def trusted(self) -> bool:
        """Whether something can tell if the rest belongs to these bytes."""
        return self.hash_known or any(self.whole.get(key) for key in ("etag", "modified", "digests"))

    @property
    def complete(self) -> bool:
        """Whether every byte is there, as far as the server said how many there are."""
        return self.size > 0 and self.size == self.whole.get("total")

    def range_headers(self) -> dict[str, str]:
        """The headers that ask for the rest of the same file."""
        if not self.size:
            return {}
        validator = self.whole.get("etag") or self.whole.get("modified")
        return {"Range": f"bytes={self.size}-", **({"If-Range": validator} if validator else {})}


def number(value: str | None) -> int | None:
    """A header that is a number, or None."""
    return int(value) if value and value.strip().isdigit() else None


def strong_etag(value: str | None) -> str | None:
    """An ETag that stands for the very bytes (weak ones begin with W/), or None."""
    return value.strip() if value and value.strip().startswith('"') else None


def strong_date(modified: str | None, date: str | None) -> str | None:
    """Last-Modified, where it is at least a minute before the answer."""
    from email.utils import parsedate_to_datetime

    try:
        old = (parsedate_to_datetime(date or "") - parsedate_to_datetime(modified or "")).total_seconds() >= 60
    except (ValueError, TypeError):
        return None
    return modified if old else None


def announced(headers: Any) -> dict[str, str]:
    """Hashes of the whole file that the server itself tells: Google's storage (x-goog-hash), RFC 9530 (Repr-Digest)."""
    found: dict[str, str] = {}
    if (headers.get("x-goog-stored-content-encoding") or "identity") == "identity":
        for name, value in re.findall(r"(md5)=([A-Za-z0-9+/]{22}==)", ",".join(headers.get_all("x-goog-hash") or ())):
            found[name] = base64.b64decode(value).hex()
    for value in re.findall(r"(?i)sha-256=:([a-z0-9+/]{43}=):", ",".join(headers.get_all("Repr-Digest") or ())):
        found["sha256"] = base64.b64decode(value).hex()
    return found
