"""Download one file; its name never refers to a wrong or mixed content.

The bytes are written to a partial file. When a connection breaks, the next attempt (or the next process)
requests the rest, but accepts it only if it is provably the rest of the same file: the server repeats
the same strong ETag (or a Last-Modified that is older than a minute, RFC 9110 8.8.2.2), or the hash of
the whole file is known and will be checked. The file is hashed before it is renamed.
"""

from __future__ import annotations

import errno
import os
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from warmstart import log
from warmstart.atomic import sync_folder
from warmstart.errors import ChecksumError, DownloadError
from warmstart.hub import files, retries, transport
from warmstart.hub.partial_download import (
    PartialDownload,
    length_of,
    server_digests,
    strong_date,
    strong_etag,
)
from warmstart.hub.progress import Progress
from warmstart.hub.retries import TemporaryError
from warmstart.hub.slots import Expected, Slot

if TYPE_CHECKING:
    from http.client import HTTPResponse

_BLOCK = 1 << 18


def download(
    slot: Slot,
    source: str,
    url: str,
    expected: Expected,
    *,
    secret: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> None:
    """Fetch `url` into `slot`, whose lock the caller has acquired.

    Args:
        source: its name in the record.
        expected: hashes and size in bytes; if no hash is known, the first download is pinned.
        secret: headers for the origin of `url` only.
        progress: called with (file name, bytes so far, bytes in all or None).

    Raises:
        DownloadError, ChecksumError, CacheError.
    """
    pin = None if expected.known else slot.pinned()
    if pin:
        expected = Expected(sha256=pin["sha256"], size=expected.size)
    partial = PartialDownload(slot, source, url, expected.known)
    try:
        digests = _fetch_verified(partial, url, expected, secret, progress, _advice(source, pin))
        _publish(partial, digests, expected, pin)
        log.info("%s: fetched from %s", source, url)
    except BaseException as error:
        # Partial data remains for the next attempt, unless the disk is full.
        if partial.size == 0 or files.is_full(error):
            slot.discard_partial()
            slot.clean()
        raise


def _fetch_verified(
    partial: PartialDownload,
    url: str,
    expected: Expected,
    secret: Mapping[str, str] | None,
    progress: Progress | None,
    advice: str,
) -> dict[str, str]:
    """Download to the partial file and verify it; returns its hashes."""
    for last in (False, True):
        with files.writing(partial.slot.folder):
            descriptor = partial.open()
        try:
            _receive(partial, descriptor, url, expected, secret, progress)
        finally:
            os.close(descriptor)
        digests = _digests(partial, expected)
        problem = _problem(digests, partial, expected)
        if problem is None:
            return digests
        retry = not partial.from_one_response  # parts may not fit: fetch the whole file
        partial.slot.discard_partial()
        partial.restart()
        if last or not retry:
            raise ChecksumError(
                f"{partial.origin['source']}: {problem}; the file is not kept. {advice}"
            )
    raise AssertionError("unreachable")


def _receive(
    partial: PartialDownload,
    descriptor: int,
    url: str,
    expected: Expected,
    secret: Mapping[str, str] | None,
    progress: Progress | None,
) -> None:
    """Download to the partial file, in several attempts if necessary."""

    def attempt() -> None:
        if partial.complete and partial.trusted:
            return
        if not partial.trusted:
            partial.restart()
        with transport.request(url, partial.range_headers(), secret) as response:
            rest = _begin(partial, response, url, expected)
            _check_space(partial, rest)
            with files.writing(partial.slot.folder):
                os.ftruncate(descriptor, partial.size)
                os.lseek(descriptor, partial.size, os.SEEK_SET)
            try:
                _copy(partial, descriptor, response, rest, url, progress)
            except BaseException:
                try:
                    partial.save(descriptor)
                except OSError:
                    partial.restart()  # the data may not be on the disk
                raise
            with files.writing(partial.slot.folder):
                partial.save(descriptor)

    retries.retry(partial.origin["source"], attempt, lambda: partial.size)


def _begin(
    partial: PartialDownload, response: HTTPResponse, url: str, expected: Expected
) -> int | None:
    """Determine whether the body is the rest or the whole of the file; returns its length in bytes, if
    known.
    """
    headers = response.headers
    if (headers.get("Content-Encoding") or "identity").strip().lower() != "identity":
        raise DownloadError(f"{url}: the server compresses the file, although it was asked not to")
    length = length_of(headers.get("Content-Length"))
    if response.status == 416:
        partial.restart()
        raise TemporaryError("the server has no more bytes of the file")
    if response.status == 206:
        return _rest(partial, response, length)
    whole = {
        "total": length,
        "etag": strong_etag(headers.get("ETag")),
        "modified": strong_date(headers.get("Last-Modified"), headers.get("Date")),
        "digests": server_digests(headers),
    }
    chunked = response.chunked
    if length is None and not chunked and not expected.known and expected.size is None:
        raise DownloadError(
            f"{url}: the server does not send the length, so a truncated file would go unnoticed; give the sha256"
        )
    if expected.size is not None and length is not None and length != expected.size:
        raise ChecksumError(
            f"{url}: the server has {length} bytes, but {expected.size} are published"
        )
    page = headers.get_content_type() in ("text/html", "application/xhtml+xml")
    if (
        page
        and not expected.known
        and re.search(r"\.(h5|keras|safetensors|tflite|zip|bin)$", url.partition("?")[0])
    ):
        raise DownloadError(
            f"{url}: the server responds with a web page instead of the file; check the address"
        )
    partial.restart()
    partial.whole, partial.from_one_response = whole, True
    return length


def _rest(partial: PartialDownload, response: HTTPResponse, length: int | None) -> int:
    """Check that a 206 is the rest of the partial file; returns its length in bytes."""
    match = re.fullmatch(
        r"bytes (\d+)-(\d+)/(\d+|\*)", (response.headers.get("Content-Range") or "").strip()
    )
    if not partial.size or not match:
        partial.restart()
        raise TemporaryError("the server sends a range that was not requested")
    first, last = int(match[1]), int(match[2])
    total = None if match[3] == "*" else int(match[3])
    known = partial.whole.get("total")
    fits = (
        first == partial.size and last >= first and (length is None or length == last - first + 1)
    )
    fits = (
        fits
        and (known is None or total is None or total == known)
        and (total is None or last < total)
    )
    fits = fits and (partial.hash_known or known is not None or total is not None)
    etag = strong_etag(response.headers.get("ETag"))
    if partial.whole.get("etag"):
        fits = fits and etag == partial.whole["etag"]
    elif partial.whole.get("modified"):
        fits = fits and response.headers.get("Last-Modified") == partial.whole["modified"]
    if not fits:
        partial.restart()
        raise TemporaryError("the server sends a range of another file; it may have changed")
    partial.whole["total"] = known if known is not None else total
    partial.from_one_response = False
    return last - first + 1


def _copy(
    partial: PartialDownload,
    descriptor: int,
    response: HTTPResponse,
    rest: int | None,
    url: str,
    progress: Progress | None,
) -> None:
    """Write the body to the disk."""
    policy, name = retries.DEFAULT_POLICY, partial.slot.path.name
    received, saved, window, in_window = 0, partial.size, time.monotonic(), 0
    if rest is not None and response.will_close and not response.chunked:
        response.length = None  # read to the end: more than was announced is an error, too
    if progress:
        progress(name, partial.size, partial.whole.get("total"))
    while True:
        try:
            with transport.connection_errors(url):
                block = response.read1(_BLOCK)
        except TemporaryError:
            if received == rest:  # complete, but the connection was not closed
                break
            raise
        if not block:
            break
        received += len(block)
        in_window += len(block)
        if rest is not None and received > rest:
            partial.restart()
            raise TemporaryError(f"the server sends more than the {rest} bytes that it announced")
        with files.writing(partial.slot.folder):
            files.write_all(descriptor, block)
        partial.size += len(block)
        if partial.size - saved >= policy.sync_every:
            with files.writing(partial.slot.folder):
                partial.save(descriptor)
            saved = partial.size
        if progress:
            progress(name, partial.size, partial.whole.get("total"))
        if time.monotonic() - window >= policy.timeout:
            if in_window < policy.minimum_rate * policy.timeout and received != rest:
                raise TemporaryError(f"less than {policy.minimum_rate:.0f} bytes per second arrive")
            window, in_window = time.monotonic(), 0
    if rest is not None and received < rest:
        raise TemporaryError(f"the connection ended after {received} of {rest} bytes")
    total = partial.whole.get("total")
    if total is not None and partial.size < total:
        raise TemporaryError(f"{partial.size} of {total} bytes have arrived")


def _check_space(partial: PartialDownload, rest: int | None) -> None:
    """Report a full disk before the download, not after hours."""
    import shutil

    with files.writing(partial.slot.folder):
        free = shutil.disk_usage(partial.slot.metadata).free
        if rest is not None and rest > free:
            raise OSError(errno.ENOSPC, f"{rest} bytes are needed and {free} are free")


def _digests(partial: PartialDownload, expected: Expected) -> dict[str, str]:
    """Hashes of the partial file."""
    announced = partial.whole.get("digests") or {}
    git_size = partial.size if expected.git else None
    digests = files.Digests(md5=bool(expected.md5 or "md5" in announced), git_size=git_size)
    with files.writing(partial.slot.folder):
        digests.update_from(partial.slot.partial)
    return digests.hex()


def _problem(digests: dict[str, str], partial: PartialDownload, expected: Expected) -> str | None:
    """The problem of a complete file, or None."""
    if expected.size is not None and partial.size != expected.size:
        return f"it has {partial.size} bytes, but {expected.size} are published"
    if name := expected.mismatch(digests):
        hash_name = "git sha1" if name == "git" else name
        return f"its {hash_name} is {digests[name]}, but {getattr(expected, name)} was expected"
    for name, digest in (partial.whole.get("digests") or {}).items():
        if digests.get(name, digest) != digest:
            return f"its {name} is {digests[name]}, but the server announces {digest}"
    return None


def _advice(source: str, pin: dict[str, Any] | None) -> str:
    if pin is None:
        return "It was damaged in transit or has changed at its source: try again, or use another mirror"
    return (
        f"It is not the file that was first fetched on {str(pin.get('pinned_at'))[:10]}. If you trust the change, run "
        f"`warmstart cache rm --pins '{source}'` and fetch it again"
    )


def _publish(
    partial: PartialDownload,
    digests: dict[str, str],
    expected: Expected,
    pin: dict[str, Any] | None,
) -> None:
    """Give a verified file its name, and write its record."""
    slot = partial.slot
    now = datetime.now(UTC).isoformat(timespec="seconds")
    record = {
        **partial.origin,
        "size": partial.size,
        "sha256": digests["sha256"],
        "md5": digests.get("md5"),
        "fetched_at": now,
        "etag": partial.whole.get("etag"),
        "checked": ["pin"] if pin else expected.names or ["pin"],
    }
    with files.writing(slot.folder):
        if not expected.known:
            pinned = {"sha256": digests["sha256"], "size": partial.size, "pinned_at": now}
            files.write_json(slot.pin, {**partial.origin, **pinned}, sync=True)
        # The record first: a file without one would be fetched again, a record without its file
        # does no harm.
        files.write_json(slot.record, {**record, "mtime_ns": slot.partial.stat().st_mtime_ns})
        os.replace(slot.partial, slot.path)
        sync_folder(slot.path.parent)
        slot.state.unlink(missing_ok=True)
