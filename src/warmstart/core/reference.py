"""References to objects by name, which are imported when they are needed."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any


def resolve(reference: Any) -> Any:
    """The object that "module:Name" names; anything else is itself."""
    return _imported(reference) if isinstance(reference, str) else reference


@cache
def _imported(reference: str) -> Any:
    module, _, name = reference.partition(":")
    return getattr(import_module(module), name)
