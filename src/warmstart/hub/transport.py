"""One HTTP request at a time: redirects, what may go wrong, and when to try again.

Only http and https are spoken, a redirect from https to http is refused, and a secret header is sent to the
origin it was meant for and not along a redirect to another. Proxies are taken from the environment.
"""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urljoin, urlsplit

from warmstart.errors import DownloadError, SourceError
from warmstart.version import __version__

if TYPE_CHECKING:
    import ssl
    from http.client import HTTPResponse

T = TypeVar("T")


@dataclass(frozen=True)
class Patience:
    """How long to keep trying; times in seconds.

    Attributes:
        timeout: without a byte, also while connecting.
        slowest: bytes per second, on average over `timeout`; slower is a failure.
        attempts: in a row that bring nearly nothing (less than `much` bytes).
        first_attempts: the same while the server was never reached at all.
        total_attempts: altogether.
        first_wait, longest_wait: the wait doubles from one to the other, with a random factor of 0.5 to 1.5.
        retry_after: the longest wait that a server may ask for; if it asks for more, that is told.
        sync_every: bytes after which a partial file is made safe against a power cut.
    """

    timeout: float = 20.0
    slowest: float = 100.0
    attempts: int = 6
    first_attempts: int = 2
    total_attempts: int = 100
    much: int = 1 << 20
    first_wait: float = 0.5
    longest_wait: float = 30.0
    retry_after: float = 120.0
    sync_every: int = 32 << 20


PATIENCE = Patience()  # read at every use, so that tests can be impatient
REDIRECTS = 10
_sleep = time.sleep


class RefusedError(DownloadError):
    """The server answered with a status that trying again does not change.

    Attributes:
        status: of HTTP, such as 404.
    """

    def __init__(self, message: str, status: int):
        super().__init__(message)
        self.status = status


class Trouble(Exception):
    """A failure that may go away by itself.

    Attributes:
        wait: seconds that the server asks to wait, or None.
        reached: whether any server answered.
    """

    def __init__(self, message: str, *, wait: float | None = None, reached: bool = True):
        super().__init__(message)
        self.wait, self.reached = wait, reached


def patiently(what: str, attempt: Callable[[], T], position: Callable[[], int] = lambda: 0) -> T:
    """Run `attempt` until it does not raise Trouble, waiting longer each time.

    Args:
        what: for the error message.
        position: bytes on disk; an attempt that brought many is not held against the next.

    Raises:
        DownloadError: it failed too often.
    """
    failures, reached, patience = 0, False, PATIENCE
    for number in range(1, patience.total_attempts + 1):
        before = position()
        try:
            return attempt()
        except Trouble as trouble:
            reached = reached or trouble.reached
            failures = 1 if position() - before >= patience.much else failures + 1
            wait = trouble.wait
            if wait is not None and wait > patience.retry_after:
                raise DownloadError(f"{what}: {trouble}; the server asks to wait {wait:.0f} s") from trouble
            last = failures >= (patience.attempts if reached else patience.first_attempts)
            if last or number == patience.total_attempts:
                again = "; what has arrived is kept, try again later" if position() else "; try again later"
                raise DownloadError(f"{what}: {trouble} ({number} attempts){again}") from trouble
            backoff = min(patience.first_wait * 2 ** (failures - 1) * random.uniform(0.5, 1.5), patience.longest_wait)
            _sleep(max(backoff, wait or 0.0))
    raise AssertionError("unreachable")


@contextmanager
def request(
    url: str,
    headers: dict[str, str],
    secret: dict[str, str] | None = None,
    *,
    method: str = "GET",
    timeout: float | None = None,
) -> Iterator["HTTPResponse"]:
    """The answer to a GET, after redirects; its status is 200, 206 or 416.

    Args:
        headers: sent along redirects too.
        secret: sent to the origin of `url` only.
        method: or HEAD.
        timeout: in seconds; that of `PATIENCE` if None.

    Raises:
        Trouble: it may help to try again; DownloadError: it will not.
    """
    import urllib.request

    opener = urllib.request.OpenerDirector()  # with no handler for file:, ftp: or data:
    opener.addheaders = [("User-Agent", f"warmstart/{__version__}"), ("Accept-Encoding", "identity")]
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(context=_tls()),
    ):
        opener.add_handler(handler)
    here, secrets = url, dict(secret or {})
    for _ in range(REDIRECTS + 1):
        with connection_trouble(here):
            response: HTTPResponse = opener.open(
                urllib.request.Request(here, headers={**headers, **secrets}, method=method),
                timeout=PATIENCE.timeout if timeout is None else timeout,
            )
        with response:
            if response.status not in (301, 302, 303, 307, 308):
                _check_status(response, here)
                yield response
                return
            there = _target(url, here, response.headers.get("Location") or "")
        if _origin(there) != _origin(url):
            secrets = {}  # for good: what comes back from elsewhere is not to be trusted with it
        here = there
    raise DownloadError(f"{url}: the server redirects more than {REDIRECTS} times; the address is wrong")


@contextmanager
def connection_trouble(url: str) -> Iterator[None]:
    """Turns the failures of a connection into Trouble, or DownloadError where trying again cannot help."""
    import http.client
    import ssl
    import urllib.error

    host = urlsplit(url).netloc
    try:
        yield
    except urllib.error.URLError as error:
        reason = error.reason
        if isinstance(reason, ssl.SSLCertVerificationError):
            raise DownloadError(f"the certificate of {host} is not accepted: {reason.verify_message}") from error
        if isinstance(reason, TimeoutError):
            raise Trouble(f"{host} does not answer", reached=False) from error
        raise Trouble(f"{host} cannot be reached: {reason}", reached=False) from error
    except TimeoutError as error:
        raise Trouble(f"{host} has stopped sending") from error
    except (OSError, http.client.HTTPException) as error:
        raise Trouble(f"the connection to {host} broke: {error or type(error).__name__}") from error


def _check_status(response: "HTTPResponse", url: str) -> None:
    status = response.status
    if status in (200, 206, 416):
        return
    what = f"{urlsplit(url).netloc} answers {status} {response.reason}"
    if status in (408, 425, 429) or status >= 500:
        raise Trouble(what, wait=_retry_after(response.headers.get("Retry-After")))
    hints = {401: ": access is not allowed", 403: ": access is not allowed"}
    hints |= {404: ": there is no such file", 410: ": there is no such file any more"}
    raise RefusedError(f"{url}: {what}{hints.get(status, '')}; check the address", status)


def _target(first: str, here: str, location: str) -> str:
    """Where a redirect leads. Raises DownloadError where that is nowhere, or unsafe."""
    try:
        # Servers send spaces and other letters as they are; as bytes they arrive as Latin-1.
        there = urljoin(here, quote(location.encode("latin-1", "replace"), safe="%/:=&?~#+!$,;'@()*[]"))
        parts = urlsplit(there)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc
        usable = usable and parts.port != 0
    except ValueError:
        usable = False
    if not usable or there == here:
        raise DownloadError(f"{first}: the server redirects to {location!r}, which is refused")
    if urlsplit(here).scheme == "https" and parts.scheme == "http":
        raise DownloadError(f"{first}: the server redirects from https to the unprotected {there!r}; that is refused")
    return there


def _origin(url: str) -> tuple[str, str | None, int]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)


def _retry_after(value: str | None) -> float | None:
    """Seconds, from a number of seconds or a date."""
    if not value:
        return None
    from email.utils import parsedate_to_datetime

    try:
        seconds = float(value) if value.strip().isdigit() else parsedate_to_datetime(value).timestamp() - time.time()
    except (ValueError, TypeError, OverflowError):
        return None
    return max(seconds, 0.0)


@cache
def _tls() -> "ssl.SSLContext":
    import os
    import ssl

    paths = ssl.get_default_verify_paths()
    if not paths.cafile and not paths.capath and os.name != "nt":  # python.org's builds for macOS bring no authorities
        import certifi

        return ssl.create_default_context(cafile=certifi.where())
    return ssl.create_default_context()


def answers(url: str, secret: dict[str, str] | None, timeout: float) -> bool:
    """Whether a GET of `url` would probably be answered, found out within `timeout` seconds."""
    import threading

    found = []

    def ask() -> None:
        try:
            with request(url, {}, secret, method="HEAD", timeout=timeout):
                found.append(True)
        except RefusedError as error:
            found.append(error.status in (405, 501))  # it does not know HEAD, but it is there
        except (Trouble, SourceError):
            pass

    # A thread, because looking up a name may take longer than any time-out.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(timeout)
    return found == [True]


def get_json(url: str, secret: dict[str, str] | None = None, limit: int = 64 << 20) -> Any:
    """The JSON at an address, with retries.

    Args:
        limit: the largest answer in bytes.

    Raises:
        DownloadError: it cannot be had; SourceError: it is no JSON, or larger.
    """
    import json

    def attempt() -> bytes:
        with request(url, {"Accept": "application/json"}, secret) as response, connection_trouble(url):
            body = response.read(limit + 1)
            announced = response.headers.get("Content-Length")
            if announced and announced.isdigit() and len(body) < min(int(announced), limit):
                raise Trouble("the answer was cut short")
            return body

    body = patiently(url, attempt)
    try:
        if len(body) > limit:
            raise ValueError("too large")
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{url} does not answer with metadata ({error}); check the address") from None
