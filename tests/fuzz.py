"""How many cases a fuzz test draws."""

import os

TIMES = int(os.environ.get("WARMSTART_FUZZ", "1"))
"""`make fuzz` sets it: ten times as many cases as in the suite, other ones in each run."""


def cases(number: int) -> int:
    """`number` in the suite, and a multiple of it at night."""
    return number * TIMES
