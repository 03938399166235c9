"""A real HTTP server on loopback that misbehaves as it is told, and a retry policy that makes the
tests quick.
"""

import hashlib
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from warmstart.hub import retries


@dataclass
class Asked:
    """One request that the server got."""

    path: str
    headers: dict[str, str]
    method: str = "GET"

    @property
    def first(self) -> int:
        """The first byte asked for."""
        return int(self.headers.get("range", "bytes=0-").removeprefix("bytes=").partition("-")[0])


Answer = Callable[["Handler", "Site"], None]


@dataclass
class Site:
    """What the server has, what it was asked, and how it will answer the next GETs (`script`, then
    properly).
    """

    base: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    etag: str | None = '"one"'
    modified: str | None = None
    extra: dict[str, str] = field(default_factory=dict)
    script: list[Answer] = field(default_factory=list)
    by_path: dict[str, Answer] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def put(self, content: bytes, path: str = "/weights.h5") -> str:
        """Publish a file; gives its address."""
        self.files[path] = content
        return self.base + path

    def gets(self, path: str | None = None) -> list[Asked]:
        """The GETs of a path."""
        return [
            asked for asked in self.asked if asked.method == "GET" and path in (None, asked.path)
        ]


class Handler(BaseHTTPRequestHandler):
    server: "Server"

    def do_GET(self) -> None:
        site = self.server.site
        with site.lock:
            headers = {key.lower(): value for key, value in self.headers.items()}
            site.asked.append(Asked(self.path, headers, self.command))
            answer = site.by_path.get(self.path)
            if answer is None and self.command == "GET" and site.script:
                answer = site.script.pop(0)
        (answer or proper())(self, site)
        self.close_connection = True

    do_HEAD = do_GET

    def log_message(self, *args) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    site: Site

    def handle_error(self, request, client_address) -> None:
        pass  # clients that go away are what the tests are about


def proper(
    *,
    cut: int | None = None,
    content: bytes | None = None,
    etag: str | None = "",
    ignore_range: bool = False,
    ignore_if_range: bool = False,
    length: int | None = None,
    no_length: bool = False,
    chunked: bool = False,
    content_range: str | None = None,
    shift: int = 0,
    pause: float = 0.0,
    extra: dict[str, str] | None = None,
) -> Answer:
    """An answer as the RFC wants it, but for what the arguments say.

    `cut`: the connection breaks after so many bytes of the body; `shift`: the body starts elsewhere
        than its header
    says; `pause`: seconds between the blocks of 16 KiB.
    """

    def answer(handler: Handler, site: Site) -> None:
        body = site.files.get(handler.path) if content is None else content
        if body is None:
            return refuse(404)(handler, site)
        tag = site.etag if etag == "" else etag
        asked, condition = handler.headers.get("Range"), handler.headers.get("If-Range")
        total, first, status = len(body), 0, 200
        valid = condition is None or ignore_if_range or condition in (tag, site.modified)
        if asked and not ignore_range and valid:
            first = int(asked.removeprefix("bytes=").partition("-")[0])
            if first >= total:
                return refuse(416, {"Content-Range": f"bytes */{total}"})(handler, site)
            status = 206
        part = body[first + shift :] if shift else body[first:]
        handler.send_response(status)
        if status == 206:
            handler.send_header(
                "Content-Range", content_range or f"bytes {first}-{total - 1}/{total}"
            )
        if chunked:
            handler.send_header("Transfer-Encoding", "chunked")
        elif not no_length:
            handler.send_header("Content-Length", str(len(part) if length is None else length))
        for name, value in {
            "ETag": tag,
            "Last-Modified": site.modified,
            **site.extra,
            **(extra or {}),
        }.items():
            if value is not None:
                handler.send_header(name, value)
        handler.end_headers()
        if handler.command == "HEAD":
            return None
        sent = part if cut is None else part[:cut]
        for start in range(0, len(sent), 16384):
            block = sent[start : start + 16384]
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(block), block) if chunked else block)
            if pause and site.closing.wait(pause):
                return None
        if chunked and cut is None:
            handler.wfile.write(b"0\r\n\r\n")
        handler.wfile.flush()
        if cut is not None:
            handler.connection.shutdown(socket.SHUT_RDWR)
        return None

    return answer


def refuse(status: int, headers: dict[str, str] | None = None) -> Answer:
    """An answer without a file."""

    def answer(handler: Handler, site: Site) -> None:
        handler.send_response(status)
        for name, value in (headers or {}).items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def hang(after: int = 0) -> Answer:
    """Headers and some bytes, then silence."""

    def answer(handler: Handler, site: Site) -> None:
        body = site.files[handler.path]
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        if site.etag:
            handler.send_header("ETag", site.etag)
        handler.end_headers()
        handler.wfile.write(body[:after])
        handler.wfile.flush()
        site.closing.wait(20)

    return answer


def slam(handler: Handler, site: Site) -> None:
    """The connection closes without an answer."""
    handler.connection.shutdown(socket.SHUT_RDWR)


@dataclass
class Answers:
    """The ways to answer, as a fixture."""

    proper = staticmethod(proper)
    refuse = staticmethod(refuse)
    hang = staticmethod(hang)
    slam = staticmethod(slam)


@pytest.fixture
def answers() -> type[Answers]:
    return Answers


@pytest.fixture
def make_site():
    """Start servers, each on a port (that is, an origin) of its own."""
    running = []

    def start(tls: ssl.SSLContext | None = None) -> Site:
        server = Server(("127.0.0.1", 0), Handler)
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        server.site = Site(base=f"http{'s' if tls else ''}://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        running.append((server, thread))
        return server.site

    yield start
    for server, thread in running:
        server.site.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def site(make_site) -> Site:
    return make_site()


@pytest.fixture(autouse=True)
def waits(monkeypatch) -> list[float]:
    """No waiting (also not for disks), no proxies; gives the waits that there would have been, in
    seconds.
    """
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    slept: list[float] = []
    monkeypatch.setattr(retries, "_sleep", slept.append)
    monkeypatch.setattr(
        retries, "DEFAULT_POLICY", retries.RetryPolicy(timeout=0.4, sync_every=40_000)
    )
    return slept


@pytest.fixture
def home() -> Path:
    return Path(os.environ["WARMSTART_HOME"])


@pytest.fixture
def visible(home) -> Callable[[], list[Path]]:
    """The files that the cache shows under their final names: none of them may ever be a bad one."""

    def find() -> list[Path]:
        notes = {".warmstart", "locks", "refs"}
        return [
            path
            for path in home.rglob("*")
            if path.is_file()
            and not notes & set(path.relative_to(home).parts)
            and not (path.suffix == ".json" and len(path.relative_to(home).parts) == 4)  # a listing
        ]

    return find


@pytest.fixture
def unfinished(home) -> Callable[[], list[Path]]:
    """Partial files."""
    return lambda: list(home.rglob("*.partial"))


@pytest.fixture(scope="session")
def content() -> bytes:
    """100,003 bytes without repetition, so that every splice shows."""
    return b"".join(hashlib.sha256(b"%d" % number).digest() for number in range(3126))[:100_003]


@pytest.fixture(scope="session")
def sha256() -> Callable[[bytes], str]:
    return lambda data: hashlib.sha256(data).hexdigest()


@pytest.fixture
def long_ago() -> str:
    return formatdate(time.time() - 86400, usegmt=True)
