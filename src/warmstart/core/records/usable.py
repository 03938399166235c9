"""Data of which a part cannot be used: listed, or refused."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

from warmstart.errors import RecordError, UsageError
from warmstart.hub.progress import Progress

if TYPE_CHECKING:
    from warmstart.core.results import Failed

ExampleT = TypeVar("ExampleT")
ResultT = TypeVar("ResultT")

FEW = 10
"""Unusable records of which each is shown before training."""


def answered(
    model: str,
    examples: Sequence[ExampleT],
    results: Iterable[ResultT | Failed],
    errors: list[str],
    progress: Progress | bool | None,
) -> Iterator[tuple[ExampleT, ResultT]]:
    """The examples that the model could use, each with its result.

    Args:
        model: its name.
        examples: all of them.
        results: as many.
        errors: what is wrong with the other examples is added.
        progress: called with (name of the model, examples so far, examples in all).
    """
    from warmstart.core.results import Failed  # with numpy, which `--help` does not need

    for done, (example, result) in enumerate(zip(examples, results, strict=True), 1):
        if isinstance(result, Failed):
            errors.append(str(result.error))
        else:
            yield example, result
        if callable(progress):
            progress(model, done, len(examples))


def require_usable(what: str, count: int, problems: Sequence[str]) -> None:
    """Refuse data of which nothing can be used.

    Raises:
        UsageError: there are problems, and no `what` is left.
    """
    if not count and problems:
        raise UsageError(f"No {what} can be used; the first problem: {problems[0]}.")


def require_most(what: str, usable: int, unusable: Sequence[str]) -> None:
    """Refuse data of which more than half cannot be used: it is another file, or damaged as a whole.

    A few are not enough: a person reads them all.

    Args:
        what: the things, in the plural.
        usable: the count of those that can be used; of none the caller says so itself.
        unusable: what is wrong with each of the others.

    Raises:
        UsageError: these are more than half.
    """
    if usable and len(unusable) > max(usable, FEW):
        raise UsageError(
            f"{len(unusable):,} of {usable + len(unusable):,} {what} cannot be used, more "
            f"than half; the first: {unusable[0]}. Correct or remove them."
        )


def report(error: RecordError, problems: list[str] | None) -> None:
    """Add the error to the problems, or raise it if nobody collects them."""
    if problems is None:
        raise error
    problems.append(str(error))
