"""Long-lived processes, one for each measured program, so that their thread pools and memory do not
affect each other.

A worker runs `image_peers.py`, which reads a JSON object per line and answers each with one line.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

SETTLE = 0.03  # seconds in which the thread pools of the worker before stop spinning


class WorkerError(Exception):
    """A worker failed; the message is its own, or its last words."""


class Worker:
    """One process of one kind; a context manager.

    Args:
        script: the program, which calls `image_peers.serve`.
        environment: of the process.
        python: which runs it; default: this one.
        **job: `kind` and what that kind needs; must be JSON-able.

    Attributes:
        info: the worker's description of itself when it was ready.

    Raises:
        WorkerError: it could not get ready.
    """

    def __init__(
        self,
        script: Path,
        environment: Mapping[str, str],
        *,
        python: str = sys.executable,
        **job: Any,
    ):
        self._noise = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115 (see close)
        self._process = subprocess.Popen(
            [python, str(script)],
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._noise,
            text=True,
            encoding="utf-8",
        )
        try:
            self.info: dict[str, Any] = self._ask(job)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def time(self, what: str, calls: int, *, warm: bool = True) -> list[float]:
        """Milliseconds of each call, after a call that is not counted if `warm`."""
        time.sleep(SETTLE)
        return self._ask({"time": what, "calls": calls, "warm": warm})["ms"]

    def timer(self, what: str) -> Any:
        """`time` of one call, as a timer for `measure.turns`."""
        return lambda calls: self.time(what, calls)

    def peak_mb(self) -> float:
        """Largest resident memory of the process so far."""
        return self._ask({"memory": True})["mb"]

    def close(self) -> None:
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):  # a dead process did not read its input
                    stream.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._noise.close()

    def _ask(self, message: Mapping[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(message) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise WorkerError(
                f"the process ended with code {self._process.wait()}: {self._last_words()}"
            )
        answer = json.loads(line)
        if "error" in answer:
            raise WorkerError(answer["error"])
        return answer

    def _last_words(self) -> str:
        self._noise.seek(0)
        return (
            " / ".join([line.strip() for line in self._noise if line.strip()][-3:])
            or "it left no message"
        )
