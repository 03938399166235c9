"""The files of a Hugging Face repository at a commit, requested once and recorded.

The request is `GET {endpoint}/api/models/{id}/revision/{revision}?blobs=true`; files are then
fetched from `{endpoint}/{id}/resolve/{commit}/{path}`. Large files come with their sha256, small
ones with the sha1 of their git blob, so that each is checked against the commit. A branch or tag
means the commit of the first request, until `cache.rm("hf://org/name")`: all files of a repository
come from one commit.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from urllib.parse import quote

from warmstart.errors import DownloadError, SourceError, UsageError
from warmstart.hub import files
from warmstart.hub.home import home, hub_endpoint, hub_token
from warmstart.hub.slots import Expected, Slot
from warmstart.hub.sources import Hub, safe_path

_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def repository_of(folder: Path) -> str | None:
    """The source, `hf://org/name@commit`, of a folder of the cache; None for any other folder."""
    try:
        organisation, name, commit = folder.resolve().relative_to((home() / "hf").resolve()).parts
    except ValueError:
        return None
    return f"hf://{organisation}/{name}@{commit}"


@dataclass(frozen=True)
class Listing:
    """A repository at a commit: its files (paths with slashes), with their sizes and hashes."""

    repository: str
    commit: str
    files: dict[str, Expected]

    @property
    def folder(self) -> Path:
        """The folder of the repository in the cache; `repository_of` is the inverse."""
        return home() / "hf" / self.repository / self.commit

    def slot(self, path: str) -> Slot:
        """The slot of a file in the cache."""
        return Slot(self.folder, path)

    def source(self, path: str) -> str:
        """A file as a source that names the commit."""
        return f"hf://{self.repository}@{self.commit}/{path}"

    def url(self, path: str) -> str:
        """The address of a file."""
        return f"{hub_endpoint()}/{self.repository}/resolve/{self.commit}/{quote(path)}"

    def matching(self, patterns: Sequence[str], folder: str = "") -> list[str]:
        """The files below `folder` whose path from there matches a pattern (`*` also matches
        slashes).
        """
        start = folder + "/" if folder else ""
        below = [path for path in self.files if path.startswith(start)]
        return [
            path
            for path in below
            if any(fnmatchcase(path[len(start) :], pattern) for pattern in patterns)
        ]


def auth_headers() -> dict[str, str] | None:
    """The Authorization header for the hub; None without a token."""
    token = hub_token()
    return {"Authorization": f"Bearer {token}"} if token else None


def metadata_url(source: Hub) -> str:
    """The address of the list of files of a repository."""
    revision = quote(source.revision or "main", safe="")
    return f"{hub_endpoint()}/api/models/{source.repository}/revision/{revision}?blobs=true"


def is_commit(revision: str | None) -> bool:
    """Whether the revision is a commit, which never changes."""
    return bool(revision and _COMMIT.fullmatch(revision))


def cached_listing(source: Hub) -> Listing | None:
    """The recorded listing of a revision; None if it was never requested."""
    folder = home() / "hf" / source.repository
    commit = source.revision
    if not is_commit(commit):
        commit = (files.read_json(_ref(source)) or {}).get("commit")
    if not isinstance(commit, str) or not is_commit(commit):
        return None
    known = files.read_json(folder / f"{commit}.json")
    try:
        return _listing(source.repository, known) if known else None
    except SourceError:
        return None


def request_listing(source: Hub) -> Listing:
    """Request the listing from the hub, and record it.

    Raises:
        DownloadError: the hub cannot be reached, or the repository or revision does not exist or is not
        accessible;
        SourceError: the response is malformed, or names files outside the repository; CacheError.
    """
    from warmstart.hub import transport

    try:
        response = transport.get_json(metadata_url(source), auth_headers())
    except transport.RefusedError as error:
        raise access_error(source, error) from error
    listing = _listing(source.repository, response)
    if is_commit(source.revision) and listing.commit != source.revision:
        raise SourceError(f"{source}: the hub responds with another commit, {listing.commit}")
    folder = home() / "hf" / source.repository
    known = {
        "sha": listing.commit,
        "siblings": [_sibling(path, file) for path, file in listing.files.items()],
    }
    with files.writing(folder):
        files.write_json(folder / f"{listing.commit}.json", known)
        if not is_commit(source.revision):
            files.write_json(
                _ref(source), {"revision": source.revision or "main", "commit": listing.commit}
            )
    return listing


def access_error(source: Hub, error: Exception) -> DownloadError:
    """An error, with advice, for the status codes 401, 403 and 404 of the hub."""
    page = f"{hub_endpoint()}/{source.repository}"
    return DownloadError(
        f"{source} cannot be fetched ({error}). Check the name and the revision; if the "
        f"repository is private or gated, request access on {page} and set HF_TOKEN"
    )


def _ref(source: Hub) -> Path:
    return (
        home()
        / "hf"
        / source.repository
        / "refs"
        / f"{quote(source.revision or 'main', safe='')}.json"
    )


def _listing(repository: str, response: Any) -> Listing:
    """Parse the response of the hub, or the record of it, which has the same form."""
    source = f"hf://{repository}"
    commit = response.get("sha") if isinstance(response, dict) else None
    siblings = response.get("siblings") if isinstance(response, dict) else None
    if not isinstance(commit, str) or not is_commit(commit) or not isinstance(siblings, list):
        raise SourceError(
            f"{source}: the hub's response has no commit or no files; check HF_ENDPOINT"
        )
    expected: dict[str, Expected] = {}
    for sibling in siblings:
        path = sibling.get("rfilename") if isinstance(sibling, dict) else None
        try:
            if not isinstance(path, str) or safe_path(path, source) != path:
                raise UsageError(f"{path!r} is not a plain path")
        except UsageError as error:
            raise SourceError(
                f"{source} contains a file that would lie outside it: {error}"
            ) from None
        expected[path] = _expected(sibling)
    return Listing(repository, commit, expected)


def _expected(sibling: dict[str, Any]) -> Expected:
    lfs = sibling.get("lfs")
    size = (lfs if isinstance(lfs, dict) else sibling).get("size")
    size = size if isinstance(size, int) and size >= 0 else None
    if isinstance(lfs, dict):  # the blob of such a file is only a pointer to it
        sha256 = lfs.get("sha256")
        return Expected(
            sha256=sha256 if isinstance(sha256, str) and _SHA256.fullmatch(sha256) else None,
            size=size,
        )
    blob = sibling.get("blobId")
    known = isinstance(blob, str) and _COMMIT.fullmatch(blob) and size is not None
    return Expected(git=blob if known else None, size=size)


def _sibling(path: str, file: Expected) -> dict[str, Any]:
    if file.sha256:
        return {
            "rfilename": path,
            "size": file.size,
            "lfs": {"sha256": file.sha256, "size": file.size},
        }
    return {"rfilename": path, "size": file.size, "blobId": file.git}
