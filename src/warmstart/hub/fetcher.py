"""Fetch a source: a verified file or folder on this machine."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from warmstart.errors import ChecksumError, OfflineError, SourceError, UsageError
from warmstart.hub import files, huggingface, shared_cache, sources
from warmstart.hub.home import is_offline, mirrored, offline_reason
from warmstart.hub.huggingface import Listing
from warmstart.hub.known_digests import known_sha256_of
from warmstart.hub.progress import Progress
from warmstart.hub.slots import Expected, Slot, web_slot
from warmstart.hub.sources import Hub, Local, Web


def fetch(
    source: str | os.PathLike[str],
    *,
    sha256: str | None = None,
    md5: str | None = None,
    revision: str | None = None,
    offline: bool | None = None,
    progress: Progress | None = None,
    base: Path | None = None,
) -> Path:
    """One file, verified, on this machine; fetched once and then taken from the cache without going
    online.

    Args:
        source: `https://...`, `http://...`, `hf://org/name[@revision]/path`, `package:NAME/path`,
            `embedded:path`, or a local path, which is returned as it is.
        sha256, md5: hexadecimal digests of the file. If none is passed or published, the sha256 of
            the first download is pinned: another file at the same source is then an error.
        revision: branch, tag or commit of an hf:// source that names none. A branch means its
            commit at the first request; `cache.rm("hf://org/name")` forgets it.
        offline: True never goes online, False ignores WARMSTART_OFFLINE and HF_HUB_OFFLINE.
        progress: called while bytes arrive.
        base: a local path must be relative to this folder and stay inside it.

    Raises:
        UsageError: the source is malformed; OfflineError, DownloadError, ChecksumError, CacheError,
        SourceError (there is no such file): see `warmstart.errors`.
    """
    parsed = sources.parse(source, revision=revision)
    expected = Expected(sha256=_digest("sha256", sha256, 64), md5=_digest("md5", md5, 32))
    if isinstance(parsed, Web):
        url = parsed.url
        return _into_cache(web_slot(url), url, lambda: mirrored(url), expected, offline, progress)
    if isinstance(parsed, Hub):
        return _fetch_from_hub(parsed, expected, offline, progress)
    path = sources.locate(parsed, base=base)
    if not path.is_file():
        raise SourceError(f"{parsed} is not a file; add the path of a file in it")
    _check_local(path, expected)
    return path


def fetch_repo(
    source: str | os.PathLike[str],
    patterns: Sequence[str] = ("*",),
    *,
    alternatives: Mapping[str, Sequence[str]] | None = None,
    revision: str | None = None,
    offline: bool | None = None,
    progress: Progress | None = None,
) -> Path:
    """A folder with the matching files of a repository, all from one commit.

    Args:
        source: `hf://org/name[@revision][/folder]`, `package:NAME/folder`, `embedded:folder` or a
            local folder.
        patterns: shell patterns of paths from that folder, with slashes; `*` also matches slashes.
            They choose what is downloaded; a local folder is returned as it is.
        alternatives: pattern -> the patterns that are used in addition if no file matches it.
        revision, offline, progress: see `fetch`.

    Raises:
        as `fetch`; SourceError also if no file of the repository matches.
    """
    parsed = sources.parse(source, revision=revision)
    if isinstance(parsed, Web):
        raise UsageError(
            f"{parsed} is one file; a folder comes from hf://, package:, embedded: or a local path"
        )
    if isinstance(parsed, Hub):
        return _fetch_repo_from_hub(parsed, patterns, alternatives or {}, offline, progress)
    folder = sources.locate(parsed)
    if not folder.is_dir():
        raise SourceError(f"{parsed} is not a folder")
    if not isinstance(parsed, Local):
        for path in folder.rglob("*"):
            relative = path.relative_to(folder).as_posix()
            if any(fnmatchcase(relative, pattern) for pattern in patterns):
                sources.inside(folder, relative, str(parsed))
    return folder


def is_cached(source: str | os.PathLike[str], *, revision: str | None = None) -> bool:
    """Whether `fetch` would succeed without going online; for a repository, whether any of its
    files is here.

    Raises:
        UsageError: the source is malformed.
    """
    parsed = sources.parse(source, revision=revision)
    if isinstance(parsed, Web):
        return web_slot(parsed.url).check(Expected()) == "ok"
    if isinstance(parsed, Hub):
        listing = huggingface.cached_listing(parsed)
        paths = [parsed.path] if parsed.path else list(listing.files) if listing else []
        return listing is not None and any(
            listing.slot(path).check(Expected()) == "ok" for path in paths
        )
    try:
        return sources.locate(parsed).exists()
    except SourceError:
        return False


def _into_cache(
    slot: Slot,
    source: str,
    url: Callable[[], str],
    expected: Expected,
    offline: bool | None,
    progress: Progress | None,
    secret: dict[str, str] | None = None,
    adopt: Callable[[], bool] | None = None,
) -> Path:
    """The file of a slot. It is fetched if it is absent, damaged or not the expected one; only then is
    `url` called. `adopt` tries to take it from elsewhere first.
    """
    state = slot.check(expected)
    if state == "ok" or (adopt is not None and _adopted(slot, expected, adopt)):
        return slot.path
    if is_offline(offline):
        if state == "other":
            raise ChecksumError(
                f"{slot.path} is not the requested version of {source}, and "
                f"{offline_reason(offline)} forbids going online"
            )
        state = "is damaged in the cache" if state == "damaged" else "is not in the cache"
        raise _offline(source, state, offline)
    from warmstart.hub.download import download

    with slot.locked():
        state = slot.check(expected)  # another process may have been faster
        if state == "damaged":
            with files.writing(slot.folder):
                slot.path.unlink(missing_ok=True)
        if state != "ok":
            download(slot, source, url(), expected, secret=secret, progress=progress)
    return slot.path


def _adopted(slot: Slot, expected: Expected, adopt: Callable[[], bool]) -> bool:
    with slot.locked():
        return slot.check(expected) == "ok" or adopt()


def _fetch_from_hub(
    hub: Hub, expected: Expected, offline: bool | None, progress: Progress | None
) -> Path:
    if not hub.path:
        raise UsageError(f"{hub} names a repository, not a file in it: hf://org/name/path")
    listing = huggingface.cached_listing(hub)
    if listing is None or (
        hub.path not in listing.files and not huggingface.is_commit(hub.revision)
    ):
        listing = _requested(hub, offline)
    if hub.path not in listing.files:
        raise SourceError(
            f"there is no file {hub.path!r} in hf://{hub.repository}@{hub.revision or listing.commit}"
        )
    return _fetch_file(hub, listing, hub.path, expected, offline, progress)


def _fetch_repo_from_hub(
    hub: Hub,
    patterns: Sequence[str],
    alternatives: Mapping[str, Sequence[str]],
    offline: bool | None,
    progress: Progress | None,
) -> Path:
    listing = huggingface.cached_listing(hub)
    paths = listing.matching(patterns, hub.path) if listing else []
    if listing is None or (not paths and not huggingface.is_commit(hub.revision)):
        listing = _requested(hub, offline)
        paths = listing.matching(patterns, hub.path)
    if not paths:
        raise SourceError(f"no file of {hub} matches {', '.join(patterns)}")
    for pattern, others in alternatives.items():
        if not listing.matching((pattern,), hub.path):
            paths += listing.matching(others, hub.path)
    for path in paths:
        _fetch_file(hub, listing, path, Expected(), offline, progress)
    return listing.folder / hub.path


def _requested(hub: Hub, offline: bool | None) -> Listing:
    """The files of a repository: from the hub or, offline, from the cache of Hugging Face's libraries.

    Raises:
        OfflineError: it is in neither cache.
    """
    if not is_offline(offline):
        return huggingface.request_listing(hub)
    listing = shared_cache.listing_of(hub)
    if listing is None:
        raise _offline(str(hub), "is not in the cache", offline)
    return listing


def _fetch_file(
    hub: Hub,
    listing: Listing,
    path: str,
    requested: Expected,
    offline: bool | None,
    progress: Progress | None,
) -> Path:
    from warmstart.hub.transport import RefusedError  # light; `download` is not

    known = listing.files[path]
    if requested.sha256 and known.sha256 and requested.sha256 != known.sha256:
        raise ChecksumError(
            f"{listing.source(path)} has the sha256 {known.sha256}, but {requested.sha256} is requested; "
            "name the revision that has it"
        )
    expected = Expected(requested.sha256 or known.sha256, requested.md5, known.git, known.size)
    slot, source = listing.slot(path), listing.source(path)
    shared = shared_cache.has(listing, path)
    try:
        return _into_cache(
            slot,
            source,
            lambda: listing.url(path),
            expected,
            offline,
            progress,
            huggingface.auth_headers(),
            (lambda: shared_cache.adopt(slot, listing, path, expected)) if shared else None,
        )
    except RefusedError as error:
        raise huggingface.access_error(hub, error) from error


def _check_local(path: Path, expected: Expected) -> None:
    if not expected.known:
        return
    try:
        digests = (
            files.digests_of(path, md5=True) if expected.md5 else {"sha256": known_sha256_of(path)}
        )
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror or error}") from error
    if name := expected.mismatch(digests):
        raise ChecksumError(
            f"the {name} of {path} is {digests[name]}, but {getattr(expected, name)} was expected; "
            "fetch the file again, or correct the expected value"
        )


def _offline(source: str, state: str, flag: bool | None) -> OfflineError:
    return OfflineError(
        f"{source} {state}, and {offline_reason(flag)} forbids going online; "
        "fetch it once with a network (`warmstart pull`)"
    )


def _digest(name: str, value: str | None, length: int) -> str | None:
    if value is None:
        return None
    value = value.strip().lower()
    if not re.fullmatch(f"[0-9a-f]{{{length}}}", value):
        raise UsageError(f"{value!r} is not a {name}, which has {length} hexadecimal digits")
    return value
