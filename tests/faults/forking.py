"""Commands that can be killed: a process that imports what they need once, and forks for each.

`python forking.py MODULE…` reads lines of JSON, [arguments, environment, folder], runs `warmstart
ARGUMENTS` in a fork, and writes a line with its process number, and one with its exit code.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path


class Commands:
    """Runs commands one after the other.

    Args:
        *modules: that the commands need.
    """

    def __init__(self, *modules: str):
        self._process = subprocess.Popen(
            [sys.executable, __file__, *modules],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )

    def run(
        self, arguments: list[str], folder: Path, environment: dict[str, str], seconds: float = 1e9
    ) -> int:
        """The exit code; the command is killed with signal 9 after so many seconds.

        Its output is in `folder / "output"`.
        """
        assert self._process.stdin
        assert self._process.stdout
        job = [arguments, {**os.environ, **environment}, str(folder)]
        print(json.dumps(job), file=self._process.stdin)
        pid = int(self._process.stdout.readline())
        if seconds < 1e9:
            time.sleep(seconds)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return int(self._process.stdout.readline())

    def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()
        assert self._process.stdout
        self._process.stdout.close()


@contextlib.contextmanager
def commands(*modules: str) -> Iterator[Commands]:
    running = Commands(*modules)
    try:
        yield running
    finally:
        running.close()


def _serve(modules: list[str]) -> None:
    for name in ("warmstart.cli", *modules):
        importlib.import_module(name)
    for line in sys.stdin:
        arguments, environment, folder = json.loads(line)
        if (pid := os.fork()) == 0:
            _work(arguments, environment, folder)
        print(pid, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


def _work(arguments: list[str], environment: dict[str, str], folder: str) -> None:
    from warmstart.cli import main

    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    nothing = os.open(os.devnull, os.O_RDONLY)
    output = os.open("output", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for number, file in enumerate((nothing, output, output)):
        os.dup2(file, number)
    sys.argv = ["warmstart", *arguments]
    code = 1
    try:
        main()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    finally:
        sys.stdout.flush()
        os._exit(code)


if __name__ == "__main__":
    _serve(sys.argv[1:])
