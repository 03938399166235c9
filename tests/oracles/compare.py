"""Compare what is observed with what is recorded: numbers nearly, messages of errors loosely, all
else exactly.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TOLERANCE = 1e-4
"""Relative and absolute; probabilities, logarithms and seconds alike."""


def differences(found: Any, recorded: Any, where: str = "") -> Iterator[str]:
    """What is not as it was, one sentence each."""
    if isinstance(found, dict) and isinstance(recorded, dict):
        for name in recorded.keys() - found.keys():
            yield f"{where}.{name} is missing"
        for name in found.keys() - recorded.keys():
            yield f"{where}.{name} is new"
        for name in sorted(recorded.keys() & found.keys()):
            if name == "error":
                yield from _messages(
                    found[name], recorded[name], str(recorded.get("input", "")), f"{where}.error"
                )
            else:
                yield from differences(found[name], recorded[name], f"{where}.{name}")
    elif isinstance(found, list) and isinstance(recorded, list):
        if len(found) != len(recorded):
            yield f"{where} has {len(found)} elements, not {len(recorded)}"
        for index, pair in enumerate(zip(found, recorded, strict=False)):
            yield from differences(*pair, f"{where}[{index}]")
    elif _is_number(found) and _is_number(recorded):
        both_nan = math.isnan(found) and math.isnan(recorded)
        if not both_nan and not math.isclose(found, recorded, rel_tol=TOLERANCE, abs_tol=TOLERANCE):
            yield f"{where} is {found}, not {recorded}"
    elif type(found) is not type(recorded) or found != recorded:
        yield f"{where} is {found!r}, not {recorded!r}"


def _messages(found: Any, recorded: Any, source: str, where: str) -> Iterator[str]:
    """A message may be worded anew; it must be there, and name the file or element where it did."""
    if not isinstance(found, str) or not isinstance(recorded, str):
        yield from differences(found, recorded, where)
    elif bool(found) != bool(recorded):
        yield f"{where} is {found!r}, not {recorded!r}"
    elif (name := Path(source).name) and name in recorded and name not in found:
        yield f"{where} is {found!r}, which does not name {name}"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
