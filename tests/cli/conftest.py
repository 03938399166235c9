"""The command line in this process: `run(*arguments)` is `warmstart …`."""

import io
import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from warmstart.cli import main


@dataclass
class Done:
    """A finished command."""

    code: int
    out: str
    err: str


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """`warmstart ARGUMENTS`, offline, with a text or bytes as standard input, on a terminal of 200 columns."""
    monkeypatch.setenv("WARMSTART_OFFLINE", "1")
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments: object, stdin: str | bytes = "") -> Done:
        monkeypatch.setattr(sys, "argv", ["warmstart", *map(str, arguments)])
        data = stdin if isinstance(stdin, bytes) else stdin.encode()
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return Done(ended.value.code, out, err)

    return call
