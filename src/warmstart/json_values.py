"""The type of JSON values."""

from __future__ import annotations

from typing import Any, TypeAlias

JSON: TypeAlias = Any
"""What the `json` module reads and writes: dicts, lists, str, int, float, bool and None. Type checkers
treat it as `Any`: each step into a recursive type would need a cast.
"""
