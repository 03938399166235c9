"""To which part and to which group of examples a record belongs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple


class SplitColumns(NamedTuple):
    """The columns with the split and with the group of each record; None: no column."""

    part: str | None
    group: str | None


class Membership(NamedTuple):
    """The part and the group of a record.

    Attributes:
        part: "train", "validation" or "test"; None if not stated.
        group: records of the same group stay in the same part; None: no group.
    """

    part: str | None
    group: str | None


@dataclass(frozen=True, kw_only=True)
class Assigned:
    """An example with the part and the group of its record. Equal examples may differ in them.

    Attributes:
        part: "train", "validation" or "test", as a column of splits says; None without one.
        group: examples of the same group stay in one part; None: no group.
    """

    part: str | None = field(default=None, repr=False, compare=False)
    group: str | None = field(default=None, repr=False, compare=False)
