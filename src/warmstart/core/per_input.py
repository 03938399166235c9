"""Methods that work on one input at a time, such as scoring: one or several as in a call, or a
stream.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from warmstart.core import cancellation
from warmstart.core.input_kind import InputKind
from warmstart.core.inputs import Item
from warmstart.core.results import Failed
from warmstart.errors import InputError

T = TypeVar("T")


def one_or_several(input_kind: InputKind, inputs: Any, work: Callable[[Item], T]) -> Any:
    """The result of `work` for one input; for a list of inputs, a list of results, with a `Failed`
    for each unusable input.

    Raises:
        InputError: the one input is unusable.
        UsageError: `inputs` stands for many inputs and is not a list.
    """
    if input_kind.is_several(inputs):
        return list(each(input_kind.elements(inputs), work))
    item = input_kind.single(inputs)
    if isinstance(item.value, InputError):
        raise item.value
    return work(item)


def stream(input_kind: InputKind, inputs: Any, work: Callable[[Item], T]) -> Iterator[T | Failed]:
    """The result of `work` for each input of a stream, in order.

    Raises:
        UsageError: there are no inputs.
    """
    items = (
        input_kind.elements(inputs) if input_kind.is_several(inputs) else input_kind.stream(inputs)
    )
    return each(items, work)


def each(items: Iterable[Item], work: Callable[[Item], T]) -> Iterator[T | Failed]:
    """The result of `work` for each item, or a `Failed`; stops between two items if cancelled."""
    for item in items:
        try:
            if isinstance(item.value, InputError):
                raise item.value
            answer: T | Failed = work(item)
        except InputError as error:
            answer = Failed(item.name, error)
        yield answer
        cancellation.check()
