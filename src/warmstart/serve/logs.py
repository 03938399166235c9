"""Logs: one JSON object per request to standard output, everything else to standard error."""

from __future__ import annotations

import contextlib
import logging
import queue
import sys
from collections.abc import Iterator
from logging.handlers import QueueHandler, QueueListener
from typing import TextIO

MAX_PENDING_LINES = 10_000
"""Maximum number of lines that wait for a slow reader of the log; more are dropped, so that the server
never waits.
"""


class _StdoutHandler(logging.StreamHandler[TextIO]):
    """Lines that cannot be written to standard output are dropped; the first one is reported."""

    _is_writable = True

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self.stream.write(self.format(record) + self.terminator)
            self.flush()
        except (OSError, ValueError) as error:  # it is full, or closed
            if self._is_writable:
                reason = getattr(error, "strerror", None) or error
                server_log.error(
                    "the access log cannot be written, so lines are dropped: %s", reason
                )
            self._is_writable = False
        else:
            self._is_writable = True


class _DroppingHandler(QueueHandler):
    def enqueue(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(queue.Full):
            self.queue.put_nowait(record)

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        return record  # one process: nothing has to be copied


requests_log = logging.getLogger("warmstart.serve.access")
server_log = logging.getLogger("warmstart.serve")


@contextlib.contextmanager
def write_logs(*, access: bool = True) -> Iterator[None]:
    """Write the server's logs while the block runs, from a thread of their own."""
    lines: queue.Queue[logging.LogRecord] = queue.Queue(MAX_PENDING_LINES)
    to_stdout, to_stderr = _StdoutHandler(sys.stdout), logging.StreamHandler(sys.stderr)
    to_stderr.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    handler = _DroppingHandler(lines)
    listener = QueueListener(lines, to_stdout)
    requests_log.propagate = False
    requests_log.setLevel(logging.INFO if access else logging.WARNING)
    server_log.setLevel(logging.INFO)
    uvicorn = logging.getLogger("uvicorn.error")
    uvicorn.setLevel(logging.WARNING)
    logging.getLogger("python_multipart").setLevel(
        logging.ERROR
    )  # it warns of every malformed form
    requests_log.addHandler(handler)
    for logger in (server_log, uvicorn):
        logger.addHandler(to_stderr)
    listener.start()
    try:
        yield
    finally:
        listener.stop()
        requests_log.removeHandler(handler)
        for logger in (server_log, uvicorn):
            logger.removeHandler(to_stderr)
