"""Parse source strings, without touching the network.

    https://host/path, http://host/path     one file on the web
    hf://org/name[@revision][/path]         a Hugging Face repository, or a file or folder in it
    package:NAME[/path]                     inside an installed Python package, whose code is not run
    embedded:path                           inside the models that ship with warmstart
    anything else                           a local file or folder

A revision is a branch, a tag or a commit; one that contains a slash is written with %2F (`@refs%2Fpr%2F1`).
No path can leave the root that its scheme names: `..`, absolute paths, backslashes and links that lead
outside are refused. A local path may lead anywhere, unless `base` confines it.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from warmstart.errors import SourceError, UsageError
from warmstart.hub.urls import normalized_url

# Two letters at least, because C:\models is a path on Windows.
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]+):(.*)", re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.\-]{0,95}/[A-Za-z0-9][\w.\-]{0,95}", re.ASCII)
_REVISION = re.compile(r"[A-Za-z0-9][\w.\-/]{0,199}", re.ASCII)
_PACKAGE = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_FORMS = "https://..., hf://org/name, package:NAME/path, embedded:path, or a local path"

EMBEDDED = Path(__file__).parents[1] / "embedded"
METADATA = ".warmstart"  # the folder of metadata next to fetched files


@dataclass(frozen=True)
class Web:
    """One file on the web."""

    url: str

    def __str__(self) -> str:
        return self.url


@dataclass(frozen=True)
class Hub:
    """A Hugging Face repository (`org/name`), or with a path a file or folder in it."""

    repository: str
    revision: str | None = None
    path: str = ""

    def __str__(self) -> str:
        revision = "@" + self.revision.replace("/", "%2F") if self.revision else ""
        return f"hf://{self.repository}{revision}{'/' + self.path if self.path else ''}"


@dataclass(frozen=True)
class Installed:
    """A file or folder in an installed Python package (`package:`)."""

    package: str
    path: str = ""

    def __str__(self) -> str:
        return f"package:{self.package}{'/' + self.path if self.path else ''}"


@dataclass(frozen=True)
class Embedded:
    """A file or folder that ships with warmstart (`embedded:`)."""

    path: str

    def __str__(self) -> str:
        return f"embedded:{self.path}"


@dataclass(frozen=True)
class Local:
    """A file or folder of this machine."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)


Source: TypeAlias = Web | Hub | Installed | Embedded | Local


def has_scheme(text: str) -> bool:
    """Whether the text is written as a source with a scheme (`https:`, `hf:`, `package:`, ...),
    known or not.
    """
    return _SCHEME.fullmatch(text) is not None


def parse(source: str | os.PathLike[str], *, revision: str | None = None) -> Source:
    """Parse a source.

    Args:
        source: see the module; a path object is always a local path.
        revision: of an hf:// source that names none itself.

    Raises:
        UsageError: it is malformed, of an unknown scheme, or leaves its root; or `revision` is passed
            for a source without revisions, or contradicts the source.
    """
    if not isinstance(source, str):
        return Local(Path(source))
    if not source.strip() or _CONTROL.search(source):
        raise UsageError(
            f"the source {source!r} is empty or contains control characters; expected {_FORMS}"
        )
    match = _SCHEME.fullmatch(source)
    scheme, rest = (match[1].lower(), match[2]) if match else ("", source)
    if scheme == "hf":
        return _parse_hub(source, rest, revision)
    if revision is not None:
        raise UsageError(f"{source!r} has no revisions; only hf:// sources do")
    if scheme in ("http", "https"):
        return Web(_parse_url(source, scheme, rest))
    if scheme == "package":
        name, _, path = rest.partition("/")
        if not _PACKAGE.fullmatch(name):
            raise UsageError(
                f"{source!r} must name a Python package as it is imported: package:NAME/path"
            )
        return Installed(name, safe_path(path, source) if path else "")
    if scheme == "embedded":
        return Embedded(safe_path(rest, source))
    if scheme:
        hint = f"; for a file of that name write ./{source}" if "://" not in source else ""
        raise UsageError(
            f"the source {source!r} has the unknown scheme {scheme!r}; expected {_FORMS}{hint}"
        )
    return Local(Path(source))


def _parse_hub(source: str, rest: str, revision: str | None) -> Hub:
    from urllib.parse import unquote

    parts = rest.removeprefix("//").split("/")
    name, at, own = (parts[1] if len(parts) > 1 else "").partition("@")
    repository = f"{parts[0]}/{name}"
    if not rest.startswith("//") or not _REPOSITORY.fullmatch(repository):
        raise UsageError(f"{source!r} must name a repository: hf://org/name[@revision][/path]")
    own = unquote(own)
    if revision is not None and own and own != revision:
        raise UsageError(f"{source!r} names a revision, and revision={revision!r} names another")
    chosen = own if at else revision
    if chosen is not None and (
        not _REVISION.fullmatch(chosen) or ".." in chosen or chosen.endswith("/")
    ):
        raise UsageError(
            f"{chosen!r} cannot be a revision of {source!r}; it is a branch, a tag or a commit"
        )
    path = "/".join(parts[2:]).rstrip("/")
    return Hub(repository, chosen, safe_path(path, source) if path else "")


def _parse_url(source: str, scheme: str, rest: str) -> str:
    try:
        if not rest.startswith("//"):
            raise ValueError(f"expected {scheme}://host/path")
        return normalized_url(f"{scheme}:{rest}")
    except ValueError as error:  # also a bad port, half an IPv6 address, a label that is too long
        raise UsageError(f"{source!r} is not a valid address: {error}") from None


def safe_path(path: str, source: str) -> str:
    """`path` with single slashes, checked to stay below its root.

    Raises:
        UsageError: it is absolute, contains `..`, a backslash or a control character, or names the
        folder of metadata.
    """
    parts = path.split("/")
    bad = (
        path.startswith("/")
        or "\\" in path
        or _CONTROL.search(path)
        or (os.name == "nt" and ":" in path)
    )
    parts = [part for part in parts if part not in ("", ".")]
    if bad or not parts or ".." in parts or parts[0] == METADATA:
        raise UsageError(
            f"{source!r} contains the path {path!r}; expected one that stays inside, without '..'"
        )
    return "/".join(parts)


def inside(root: Path, path: str | Path, source: str) -> Path:
    """`root / path`, checked to exist and to be reached by no link out of `root`.

    Raises:
        SourceError: it does not exist, or leads outside.
    """
    target = root / path
    try:
        real, real_root = target.resolve(strict=True), root.resolve(strict=True)
    except (OSError, RuntimeError):  # RuntimeError: links in a circle
        raise SourceError(f"{source}: there is no {target}") from None
    if not real.is_relative_to(real_root):
        raise SourceError(
            f"{source} leads to {real}, which is outside {real_root}; that is refused"
        )
    return target


def locate(source: Installed | Embedded | Local, *, base: Path | None = None) -> Path:
    """The existing file or folder that a source of this machine names.

    Args:
        base: confines a local path: it must be relative, and stay inside this folder.

    Raises:
        SourceError: it does not exist, or leads outside;
        UsageError: a confined path is absolute or climbs.
    """
    if isinstance(source, Embedded):
        return inside(EMBEDDED, source.path, str(source))
    if isinstance(source, Installed):
        return _in_package(source)
    if base is not None:
        return _confined(source.path, base)
    try:
        path = source.path.expanduser()
        path.stat()
    except (
        OSError,
        RuntimeError,
        ValueError,
    ):  # RuntimeError: no such user; ValueError: a null character
        raise SourceError(f"there is no file or folder {str(source.path)!r}") from None
    return path


def _in_package(source: Installed) -> Path:
    from importlib.util import find_spec

    try:
        spec = find_spec(source.package)  # of a top-level name: nothing is imported
    except (ImportError, ValueError):
        spec = None
    if spec is None or not spec.submodule_search_locations:
        raise SourceError(
            f"{source}: no Python package {source.package!r} is installed here; install it first"
        )
    error: SourceError | None = None
    for folder in spec.submodule_search_locations:
        try:
            return inside(Path(folder), source.path, str(source))
        except SourceError as problem:
            error = error or problem
    raise error or SourceError(f"{source}: there is no such file")


def _confined(path: Path, base: Path) -> Path:
    text = path.as_posix()
    if path.is_absolute() or path.drive:
        raise UsageError(f"the path {text!r} must be relative to {base}")
    relative = safe_path(text, text) if text != "." else ""
    try:
        return inside(base, relative, text)
    except SourceError:
        # A snapshot in the cache of huggingface_hub consists of links into its neighbour `blobs`.
        repository = base.absolute().parent.parent
        if base.absolute().parent.name != "snapshots" or not (repository / "blobs").is_dir():
            raise
        return base / inside(
            repository, (base.absolute() / relative).relative_to(repository), text
        ).relative_to(base.absolute())
