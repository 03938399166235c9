"""`warmstart serve` as a process of its own, and many clients at once."""

import http.client
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit


class Process:
    """A running server; `.lines` are what it wrote to standard error."""

    def __init__(
        self, *arguments: str, engine: str = "litert", environment: dict[str, str] | None = None
    ):
        command = [
            sys.executable,
            "-m",
            "warmstart",
            "serve",
            *arguments,
            "--engine",
            engine,
            "--port",
            "0",
        ]
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **(environment or {})},
        )
        self.lines: list[str] = []
        self.log: list[str] = []
        self.address = ""
        self._readers = [
            threading.Thread(target=self._read, args=pair, daemon=True)
            for pair in ((self.process.stderr, self.lines), (self.process.stdout, self.log))
        ]
        for reader in self._readers:
            reader.start()
        until(lambda: self._find_address() or self.process.poll() is not None, 60)
        assert self.address, "".join(self.lines)

    def _read(self, stream, lines: list[str]) -> None:
        while line := stream.readline():
            lines.append(line)

    def _find_address(self) -> bool:
        found = [line.split()[2] for line in self.lines if line.startswith("Serving on ")]
        self.address = found[0] if found else ""
        return bool(found)

    def wait(self, seconds: float = 60) -> int:
        code = self.process.wait(seconds)
        for reader in self._readers:
            reader.join(5)
        return code

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.wait()
        for stream in (self.process.stdout, self.process.stderr):
            stream.close()


@contextmanager
def running(*arguments: str, **options) -> Iterator[Process]:
    process = Process(*arguments, **options)
    try:
        yield process
    finally:
        process.stop()


def until(true: Callable[[], object], seconds: float = 30) -> None:
    """Wait until something is true."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


class Load:
    """Clients that ask the same over and over, each on one connection that it keeps as long as it
    may.

    `counts` has "ok", the statuses of other answers, "refused" (no connection), and "lost": a
    request that was sent and got no answer. On a connection that has been used before, a request
    that is cut off before any byte of an answer is sent once more on a new connection, as HTTP
    clients do (RFC 9112, section 9.3.1): it was never taken.
    """

    def __init__(self, address: str, path: str, body: bytes, media: str, clients: int = 8):
        self.counts: Counter = Counter()
        self.bodies: Counter = Counter()
        self._netloc, self._ask = (
            urlsplit(address).netloc,
            ("POST", path, body, {"Content-Type": media}),
        )
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(clients)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)

    def _run(self) -> None:
        connection, used = None, False
        while not self._stop.is_set():
            try:
                if connection is None:
                    connection, used = http.client.HTTPConnection(self._netloc, timeout=60), False
                    connection.connect()
            except OSError:
                self._count("refused")
                connection = None
                time.sleep(0.02)
                continue
            try:
                connection.request(*self._ask)
                answer = connection.getresponse()
                body = answer.read()
                self._count("ok" if answer.status == 200 else answer.status, body)
                used = True
                if answer.will_close:
                    connection.close()
                    connection = None
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                connection = None
                self._count("closed" if used and isinstance(error, ConnectionError) else "lost")
        if connection is not None:
            connection.close()

    def _count(self, what: object, body: bytes = b"") -> None:
        with self._lock:
            self.counts[what] += 1
            if body:
                self.bodies[body] += 1


def copy_of(bundle: Path, target: Path) -> Path:
    """A bundle's files, with contents but not with times."""
    for path in bundle.rglob("*"):
        if path.is_file():
            (target / path.relative_to(bundle)).parent.mkdir(parents=True, exist_ok=True)
            (target / path.relative_to(bundle)).write_bytes(path.read_bytes())
    return target
