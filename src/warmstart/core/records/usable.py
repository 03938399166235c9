"""Data with unusable records: they are listed, or the data is refused."""

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


def usable_results(
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
        errors: receives the problems of the other examples.
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
    """Refuse data without a usable record.

    Raises:
        UsageError: there are problems, and no `what` is left.
    """
    if not count and problems:
        raise UsageError(f"No {what} can be used; the first problem: {problems[0]}.")


def require_most(what: str, usable: int, unusable: Sequence[str]) -> None:
    """Refuse data of which more than half cannot be used: it is another file, or damaged as a whole.

    Up to `FEW` unusable records are never refused, since all of them are listed.

    Args:
        what: the plural noun for the records, for the message.
        usable: the number of usable ones; 0 is not refused here, but by the caller.
        unusable: the problem of each of the others.

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
