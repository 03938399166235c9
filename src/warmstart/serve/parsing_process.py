"""The process of `parser.Parser`: reads calls from standard input, writes results to standard output."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from pathlib import Path

from warmstart.engines import heap
from warmstart.serve.parser import receive, send

MEMORY = 2**30
"""Bytes that parsing may take."""
NICE = 5
MALLOC = {heap.MMAP_THRESHOLD: 2**20, heap.TRIM_THRESHOLD: 2**22}


def main() -> None:
    """Run calls until standard input ends."""
    heap.set_options(MALLOC)
    for number in (
        signal.SIGINT,
        signal.SIGTERM,
    ):  # the server still needs this process, and ends it
        signal.signal(number, signal.SIG_IGN)
    with contextlib.suppress(OSError, AttributeError):
        os.nice(NICE)
    _limit_memory()
    calls, answers = sys.stdin.buffer, os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    # The output of a stray print must not be read as a result.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            (function, arguments), data = receive(calls)
            try:
                answer = (False, function(data, *arguments))
            except Exception as error:
                answer = (True, error.with_traceback(None))
            del data
            send(answers, answer)
            del answer
            heap.trim()


def _limit_memory() -> None:
    """Limit the memory of the process to what it uses now plus `MEMORY`, if supported."""
    if sys.platform != "linux":
        return
    import resource

    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


if __name__ == "__main__":
    main()
