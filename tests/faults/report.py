"""Run all tests that inject faults, count the faults, and write docs/reliability.md.

python -m tests.faults.report             without those that need a cluster or minutes
python -m tests.faults.report --nightly   all
"""

from __future__ import annotations

import os
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from .table import FAULTS

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reliability.md"
PART = re.compile(r"(<!-- measured: faults -->\n).*?(<!-- /measured -->)", re.DOTALL)
NIGHTLY = ("tests/bulk/test_ray.py", "tests/training/", "tests/hub/test_processes.py")
Row = tuple[str, str, str]


class Counts:
    """A plugin of pytest that counts the cases of each row, and those that were handled."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.injected: Counter[Row] = Counter()
        self.handled: Counter[Row] = Counter()

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        for item in items:
            if marker := item.get_closest_marker("fault"):
                self.rows[item.nodeid] = marker.args

    def pytest_runtest_logreport(self, report: Any) -> None:
        row = self.rows.get(report.nodeid)
        if row is not None and report.when == "call" and not report.skipped:
            self.injected[row] += 1
            self.handled[row] += report.passed


def table(counts: Counts) -> str:
    lines = [
        "| surface | what is injected | what must happen | injected | handled |",
        "|---|---|---|---|---|",
    ]
    for row in dict.fromkeys(counts.rows.values()):
        numbers = f"{counts.injected[row]} | {counts.handled[row]}"
        lines.append(f"| {' | '.join(row)} | {numbers} |")
    for fault in FAULTS:
        row = (fault.surface, fault.injected, fault.expected)
        if row not in counts.rows.values():
            lines.append(f"| {' | '.join(row)} | nightly | nightly |")
    injected, handled = sum(counts.injected.values()), sum(counts.handled.values())
    total = f"{injected:,} faults of {len(set(counts.rows.values()))} types injected, {handled:,} handled."
    return "\n".join([total, "", *lines, ""])


def main(arguments: list[str]) -> int:
    counts = Counts()
    is_nightly = "--nightly" in arguments
    os.environ.setdefault("WARMSTART_KILLS", "200" if is_nightly else "20")
    os.environ.setdefault("WARMSTART_DAMAGE_STEP", "1")
    options = ["-m", "fault", "-p", "no:cacheprovider"]
    if not is_nightly:
        options += [f"--ignore={ROOT / path}" for path in NIGHTLY]
    code = pytest.main([*options, str(ROOT / "tests")], plugins=[counts])
    text = table(counts)
    print(text.partition("\n")[0])
    page = PAGE.read_text("utf-8")
    PAGE.write_text(PART.sub(lambda found: found[1] + text + found[2], page), "utf-8")
    return int(code)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
