"""Refusals of unknown keyword arguments that name the nearest one that exists."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from warmstart.errors import UsageError

P = ParamSpec("P")
R = TypeVar("R")


def refuse_unknown(function: Callable[P, R]) -> Callable[P, R]:
    """Make a function raise a `UsageError` with a suggestion, if Python's `TypeError` has none."""
    code = inspect.unwrap(function).__code__
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]

    @functools.wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        for name in kwargs:
            if name not in names:
                from warmstart.core.option import unknown_option

                keywords = names[code.co_argcount :] or names
                raise UsageError(unknown_option(f"{function.__name__}()", name, keywords))
        return function(*args, **kwargs)

    return checked
