"""To which split and to which group of examples a record belongs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple


class SplitColumns(NamedTuple):
    """The columns with the split and with the group of each record; None: no column."""

    split: str | None
    group: str | None


class Membership(NamedTuple):
    """The split and the group of a record.

    Attributes:
        split: "train", "validation" or "test"; None if not stated.
        group: records of the same group stay in the same split; None: no group.
    """

    split: str | None
    group: str | None


@dataclass(frozen=True, kw_only=True)
class Assigned:
    """An example with the split and the group of its record. Equal examples may differ in them.

    Attributes:
        split: "train", "validation" or "test", as a column of splits says; None without one.
        group: examples of the same group stay in one split; None: no group.
    """

    split: str | None = field(default=None, repr=False, compare=False)
    group: str | None = field(default=None, repr=False, compare=False)
