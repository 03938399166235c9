"""Checks of the headers `Host` and `Origin`.

A server on a loopback address serves this machine only; but any page that its user opens can send
requests to it, either directly or by a name that resolves to 127.0.0.1 (DNS rebinding). Browsers send
the origin of a request, and pages cannot change it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.types import Message

from warmstart.serve.errors import Refused
from warmstart.serve.settings import Settings

ALLOWED_HEADERS = "authorization, content-type, inference-header-content-length, x-request-timeout"
"""Headers that pages may send, unless a preflight request lists others."""
_HEADERS = re.compile(r"[\w.-]{1,64}(, *[\w.-]{1,64}){0,63}", re.ASCII)
"""A valid list: clients add their own headers, such as the `x-stainless-*` of OpenAI's."""
EXPOSED_HEADERS = "inference-header-content-length, retry-after"
PREFLIGHT_SECONDS = 600
"""How long a browser may remember the answer to a preflight request."""


@lru_cache(maxsize=64)
def is_loopback(host: str) -> bool:
    """Whether a name or address of a host (without a port) can only mean this machine."""
    host = host.strip("[]").lower().rstrip(".")
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def host_name(host: str) -> str:
    """A header `Host` without its port, in lower case."""
    name = host.strip().lower()
    end = name.rfind("]") + 1
    return name[:end] if end else name.partition(":")[0]


def check(headers: Mapping[str, str], settings: Settings) -> None:
    """Refuse requests from pages of other origins to a server on a loopback address.

    Raises:
        Refused: `Host` is not a name of this machine, or `Origin` is another origin.
    """
    host = headers.get("host", "localhost")  # HTTP/1.0 needs none, and browsers always send one
    if not is_loopback(host_name(host)) and host_name(host) not in settings.hosts:
        raise Refused(
            403,
            "foreign_host",
            f"This server accepts only requests to localhost, not to {host[:100]!r}; "
            "--allow-host adds a name.",
        )
    origin = headers.get("origin")
    if origin is None or is_allowed(origin, settings):
        return
    parts = urlsplit(origin)
    if parts.scheme not in ("http", "https") or parts.netloc.lower() != host.lower():
        if host_name(parts.netloc) in settings.hosts:
            return
        raise Refused(
            403,
            "foreign_origin",
            f"Pages of {origin[:100]!r} may not use this server; --cors allows an origin.",
        )


def is_allowed(origin: str, settings: Settings) -> bool:
    """Whether pages of an origin may use this server."""
    return "*" in settings.cors or origin.lower() in settings.cors


def response_headers(origin: str, settings: Settings) -> list[tuple[bytes, bytes]]:
    """The headers of a response to a page of another origin."""
    if not settings.cors:
        return []
    headers = {"vary": "Origin"}
    if is_allowed(origin, settings):
        headers["access-control-allow-origin"] = origin
        headers["access-control-expose-headers"] = EXPOSED_HEADERS
    return [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]


def preflight(headers: Mapping[str, str], settings: Settings) -> list[Message] | None:
    """The response to a preflight request; None for other requests, and if the origin is not allowed."""
    origin, method = headers.get("origin", ""), headers.get("access-control-request-method")
    if method is None or not is_allowed(origin, settings):
        return None
    requested = headers.get("access-control-request-headers", "")
    allowed = {
        "access-control-allow-methods": "GET, POST",
        "access-control-allow-headers": requested
        if _HEADERS.fullmatch(requested)
        else ALLOWED_HEADERS,
        "access-control-max-age": str(PREFLIGHT_SECONDS),
    }
    raw = [(name.encode(), value.encode()) for name, value in allowed.items()]
    return [
        {"type": "http.response.start", "status": 204, "headers": raw},
        {"type": "http.response.body", "body": b""},
    ]
