"""URLs: validation, redirect targets and origins."""

from __future__ import annotations

import re
from urllib.parse import quote, urljoin, urlsplit, urlunsplit

from warmstart.errors import DownloadError

_UNQUOTED = "%/:=&?~#+!$,;'@()*[]"


def normalized_url(url: str) -> str:
    """The URL with invalid characters quoted, its host in ASCII, and without a fragment.

    Raises:
        ValueError: it is not a usable http or https address.
    """
    parts = urlsplit(url)
    host, port = parts.hostname, parts.port
    if host and not host.isascii():
        host = host.encode("idna").decode("ascii")
    bad = re.search(r"[\s\\<>\"^`{|}]", parts.netloc)
    if not host or bad or ".." in host or host.startswith("."):
        raise ValueError(f"expected {parts.scheme or 'https'}://host/path")
    if "@" in parts.netloc:
        raise ValueError(f"the address on {host} contains a user name or password")
    netloc = f"[{host}]" if ":" in host else host
    netloc += f":{port}" if port is not None else ""
    path = quote(parts.path or "/", safe=_UNQUOTED)
    return urlunsplit((parts.scheme, netloc, path, quote(parts.query, safe=_UNQUOTED), ""))


def redirect_target(first: str, current: str, location: str) -> str:
    """The target of a redirect. Raises DownloadError if it is invalid or unsafe."""
    try:
        # Servers send spaces and other characters unquoted; as bytes they arrive as Latin-1.
        target = urljoin(current, quote(location.encode("latin-1", "replace"), safe=_UNQUOTED))
        parts = urlsplit(target)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        usable = usable and "@" not in parts.netloc
    except ValueError:
        usable = False
    if not usable or target == current:
        raise DownloadError(f"{first}: the server redirects to {location!r}, which is refused")
    if urlsplit(current).scheme == "https" and parts.scheme == "http":
        raise DownloadError(
            f"{first}: the server redirects from https to the unprotected {target!r}, "
            "which is refused"
        )
    return target


def origin(url: str) -> tuple[str, str | None, int]:
    """Scheme, host and port."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)
