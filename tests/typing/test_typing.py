"""Type checkers see what the documentation promises."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
FILES = ("use.py", "misuse.py")
MYPY = ["mypy", "--strict", "--no-error-summary", *(str(HERE / file) for file in FILES)]
CHECKERS = {
    "mypy": MYPY,
    "mypy without stubs": [*MYPY, "--config-file", str(HERE / "without_stubs.ini")],
    "basedpyright": [
        "basedpyright",
        "--pythonpath",
        sys.executable,
        "--project",
        str(HERE / "pyright.json"),
    ],
}


@pytest.fixture(scope="module", params=CHECKERS)
def reported(request) -> dict[str, set[int]]:
    """File -> the lines that a checker reports as errors."""
    module, *arguments = CHECKERS[request.param]
    pytest.importorskip(module)
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=HERE.parents[1], check=False)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    lines: dict[str, set[int]] = {file: set() for file in FILES}
    for file, line in re.findall(r"[/\\](\w+\.py):(\d+)(?::\d+)?(?: -|:) error", done.stdout):
        lines.setdefault(file, set()).add(int(line))
    return lines


def test_right_uses_have_the_promised_types(reported):
    assert reported["use.py"] == set()


def test_wrong_uses_are_reported_and_nothing_else(reported):
    lines = (HERE / "misuse.py").read_text().splitlines()
    assert reported["misuse.py"] == {
        n for n, line in enumerate(lines, 1) if line.endswith("# error")
    }
