"""The faults that tests inject: what, where, and what must happen. A row is a test; its cases are
counted when it runs.

`make faults` runs them all, prints how many faults were injected and handled, and writes
docs/reliability.md. Tests elsewhere are named in faults.csv instead of being repeated; those of this
folder carry the marker `fault` themselves.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import NamedTuple


class Fault(NamedTuple):
    """A row: the surface, the test, what is injected, and what must happen."""

    surface: str
    test: str
    injected: str
    expected: str


with Path(__file__).with_name("faults.csv").open(encoding="utf-8", newline="") as _file:
    FAULTS = tuple(Fault(**row) for row in csv.DictReader(_file))
BY_TEST = {fault.test: fault for fault in FAULTS}
