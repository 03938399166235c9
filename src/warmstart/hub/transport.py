"""The HTTP client of every download: redirects, time-outs, retries.

Only http and https are supported. A redirect from https to http is refused. Secret headers are sent
only to the origin of the first URL, never to another origin after a redirect. Proxies are read from
the environment.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from warmstart.errors import DownloadError, SourceError
from warmstart.hub import retries
from warmstart.hub.retries import RetryPolicy, TemporaryError, retry, seconds_to_wait
from warmstart.hub.urls import origin, redirect_target
from warmstart.version import __version__

if TYPE_CHECKING:
    import ssl
    from http.client import HTTPResponse

MAX_REDIRECTS = 10
REDIRECTS = (301, 302, 303, 307, 308)
TEMPORARY = (408, 425, 429)
"""Status codes besides 5xx after which the same request may succeed later."""
_BLOCK = 1 << 18


class RefusedError(DownloadError):
    """The server responded with a status that a retry does not change.

    Attributes:
        status: the HTTP status, such as 404.
    """

    def __init__(self, message: str, status: int):
        super().__init__(message)
        self.status = status


@contextmanager
def request(
    url: str,
    headers: Mapping[str, str],
    secret: Mapping[str, str] | None = None,
    *,
    method: str = "GET",
    timeout: float | None = None,
) -> Iterator[HTTPResponse]:
    """The response to a request, after redirects; its status is 200, 206 or 416.

    Args:
        headers: sent to the targets of redirects, too.
        secret: headers for the origin of `url` only.
        method: "GET" or "HEAD".
        timeout: in seconds; default: that of `DEFAULT_POLICY`.

    Raises:
        TemporaryError: a retry may succeed.
        DownloadError: it cannot.
    """
    import urllib.request

    opener = urllib.request.OpenerDirector()  # with no handler for file:, ftp: or data:
    opener.addheaders = [
        ("User-Agent", f"warmstart/{__version__}"),
        ("Accept-Encoding", "identity"),
    ]
    opener.add_handler(urllib.request.ProxyHandler())
    opener.add_handler(urllib.request.HTTPHandler())
    opener.add_handler(urllib.request.HTTPSHandler(context=_tls()))
    current, secrets = url, dict(secret or {})
    for _ in range(MAX_REDIRECTS + 1):
        with connection_errors(current):
            response: HTTPResponse = opener.open(
                urllib.request.Request(current, headers={**headers, **secrets}, method=method),
                timeout=retries.DEFAULT_POLICY.timeout if timeout is None else timeout,
            )
        with response:
            if response.status not in REDIRECTS:
                _check_status(response, current)
                yield response
                return
            target = redirect_target(url, current, response.headers.get("Location") or "")
        if origin(target) != origin(url):
            secrets = {}  # also for later redirects: another origin may choose their target
        current = target
    raise DownloadError(f"{url}: redirected more than {MAX_REDIRECTS} times; check the address")


@contextmanager
def connection_errors(url: str) -> Iterator[None]:
    """Turn failures of a connection into TemporaryError, or into DownloadError if they are final."""
    import http.client
    import ssl
    import urllib.error

    host = urlsplit(url).netloc
    try:
        yield
    except urllib.error.URLError as error:
        reason = error.reason
        if isinstance(reason, ssl.SSLCertVerificationError):
            raise DownloadError(
                f"{url}: the certificate of {host} is not trusted: {reason.verify_message}"
            ) from error
        if isinstance(reason, TimeoutError):
            raise TemporaryError(f"{host} does not respond", connected=False) from error
        raise TemporaryError(
            f"{host} cannot be reached: {in_words(reason)}", connected=False
        ) from error
    except TimeoutError as error:
        raise TemporaryError(f"{host} stopped sending data") from error
    except http.client.InvalidURL as error:
        raise DownloadError(f"{url}: not a valid address ({error})") from error
    except (OSError, http.client.HTTPException) as error:
        raise TemporaryError(f"the connection to {host} broke: {in_words(error)}") from error


def in_words(error: object) -> str:
    """The message of a system error, without its number."""
    return str(getattr(error, "strerror", None) or error or type(error).__name__)


def _check_status(response: HTTPResponse, url: str) -> None:
    status = response.status
    if status in (200, 206, 416):
        return
    message = f"{urlsplit(url).netloc} responds {status} {response.reason}"
    if status in TEMPORARY or status >= 500:
        wait = seconds_to_wait(response.headers.get("Retry-After"), response.headers.get("Date"))
        raise TemporaryError(message, wait=wait)
    if status in (401, 403):
        message += ": access is not allowed"
    elif status in (404, 410):
        message += ": there is no such file"
    raise RefusedError(f"{url}: {message}; check the address", status)


@cache
def _tls() -> ssl.SSLContext:
    import os
    import ssl

    paths = ssl.get_default_verify_paths()
    if not paths.cafile and not paths.capath and os.name != "nt":
        import certifi  # for python.org's builds for macOS and slim containers, which have no certificates

        return ssl.create_default_context(cafile=certifi.where())
    return ssl.create_default_context()


def get_bytes(
    url: str,
    *,
    limit: int,
    accept: str = "*/*",
    secret: Mapping[str, str] | None = None,
    policy: RetryPolicy | None = None,
    check: Callable[[], None] = lambda: None,
) -> bytes:
    """The body at an address, in memory, with retries.

    Args:
        limit: the largest body, in bytes.
        accept: the media types of the Accept header.
        secret: headers for the origin of `url` only.
        policy: default: `DEFAULT_POLICY`.
        check: called for each block; raises an exception if the body is no longer needed.

    Raises:
        DownloadError: it cannot be fetched.
        SourceError: it is larger than `limit`.
    """
    policy = policy or retries.DEFAULT_POLICY
    end = time.monotonic() + policy.deadline

    def attempt() -> bytes:
        check()
        with request(url, {"Accept": accept}, secret, timeout=policy.timeout) as response:
            length = response.headers.get("Content-Length") or ""
            expected = int(length) if length.isascii() and length.isdigit() else None
            if expected is not None and expected > limit:
                raise SourceError(f"{url}: larger than {limit >> 20} MiB")
            body = bytearray()
            with connection_errors(url):
                while block := response.read1(_BLOCK):
                    body += block
                    check()
                    if len(body) > limit:
                        raise SourceError(f"{url}: larger than {limit >> 20} MiB")
                    if time.monotonic() > end:
                        raise DownloadError(f"{url}: took longer than {policy.deadline:g} s")
            if expected is not None and len(body) < expected:
                raise TemporaryError(f"the connection ended after {len(body)} of {expected} bytes")
            return bytes(body)

    return retry(url, attempt, policy=policy)


def get_json(url: str, secret: Mapping[str, str] | None = None, limit: int = 64 << 20) -> Any:
    """The JSON at an address, with retries.

    Args:
        secret: headers for the origin of `url` only.
        limit: the largest body, in bytes.

    Raises:
        DownloadError: it cannot be fetched.
        SourceError: it is not JSON, or larger than `limit`.
    """
    import json

    body = get_bytes(url, limit=limit, accept="application/json", secret=secret)
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{url}: the response is not JSON ({error})") from error
