"""The table of faults names tests that exist, and the page has its rows."""

import re
from pathlib import Path

import pytest

from .table import BY_TEST, FAULTS

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.test.rpartition("::")[2])
def test_its_test_exists(fault):
    file, _, name = fault.test.partition("::")
    source = (ROOT / file).read_text("utf-8")
    assert re.search(rf"^def {name}\(", source, re.MULTILINE)


def test_no_test_is_named_twice():
    assert len(BY_TEST) == len(FAULTS)


def test_the_page_has_the_rows():
    page = (ROOT / "docs" / "reliability.md").read_text("utf-8")
    total = re.search(r"([\d,]+) faults of (\d+) types injected, ([\d,]+) handled\.", page)
    assert total
    assert total[1] == total[3]
    for line in page.splitlines():
        if line.startswith("| ") and line[-2:].strip() == "|" and "injected" not in line:
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            assert cells[3] == cells[4], line
