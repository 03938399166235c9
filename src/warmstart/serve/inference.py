"""The work of the queue: running a model on inputs, and results as JSON values."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from warmstart.core import cancellation
from warmstart.core.inputs import Item
from warmstart.core.model import Model
from warmstart.core.options import fields_of, make
from warmstart.core.results import Failed
from warmstart.errors import (
    InputError,
    MissingPackageError,
    TooLargeError,
    UsageError,
    without_frames,
)
from warmstart.serve import large

if TYPE_CHECKING:
    from warmstart.serve.settings import Settings


def predict(
    model: Model[Any, Any, Any],
    settings: Settings,
    values: Sequence[Any],
    options: Mapping[str, Any],
) -> list[Any]:
    """A result, a list of results (of a table), or the `InputError`, for each value.

    Raises:
        WarmstartError: an option is wrong, or the model fails on any input.
    """
    results: list[Any] = list(values)
    usable, is_large = [], False
    for index, value in enumerate(values):
        if isinstance(value, InputError):
            continue
        try:
            is_large = bool(model.input_kind.check_size(value, settings, options)) or is_large
            usable.append(index)
        except InputError as error:
            results[index] = without_frames(error)
    inputs = [values[index] for index in usable]
    is_batch = model.batched and len(inputs) > 1 and not is_large
    together = is_batch and not any(map(model.input_kind.is_several, inputs))
    with large.turn(cancellation.check) if is_large else contextlib.nullcontext():
        if together:
            size = {"batch_size": len(inputs)} if "batch_size" in fields_of(model.options) else {}
            answers = model(inputs, **options, **size)
        else:
            answers = [_one(model, settings, value, options) for value in inputs]
    for index, answer in zip(usable, answers, strict=True):
        results[index] = answer.error if isinstance(answer, Failed) else answer
    return results


def _one(
    model: Model[Any, Any, Any],
    settings: Settings,
    value: Any,
    options: Mapping[str, Any],
) -> Any:
    cancellation.check()
    try:
        if not model.input_kind.is_several(value):
            return model(value, **options)
        checked = make(model.options, options, model.name)
        model.check_options(checked)
        items = _elements(model, value, checked)
        _check_total(model, sum(model.generated(item.value, checked) for item in items), settings)
        return list(model.results(items, checked, is_list=True))
    except InputError as error:
        return without_frames(error)


def _elements(model: Model[Any, Any, Any], value: Any, options: Any) -> list[Item]:
    """The inputs in a table.

    Raises:
        InputError: the table cannot be read as it is.
        MissingPackageError: reading it needs a package.
    """
    try:
        return list(model.elements(value, options))
    except MissingPackageError:
        raise
    except UsageError as error:
        raise InputError(str(error)) from error


def check_generated(
    model: Model[Any, Any, Any],
    values: Sequence[Any],
    options: Mapping[str, Any],
    settings: Settings,
    times: int = 1,
) -> None:
    """Refuse a request for more values than the server may generate. A table counts as one series
    here; `predict` checks it again when its series are known.

    Args:
        model: the model.
        values: the inputs.
        options: of the request, checked.
        settings: of the server.
        times: how often each input is used.

    Raises:
        TooLargeError: it would generate too many.
    """
    if type(model).generated is Model.generated:
        return
    checked = make(model.options, options, model.name)
    total = 0
    for value in values:
        with contextlib.suppress(InputError):  # of an unusable input, which is reported in its turn
            total += times * model.generated(value, checked)
    _check_total(model, total, settings)


def _check_total(model: Model[Any, Any, Any], count: int, settings: Settings) -> None:
    limit = settings.max_tokens if model.generates == "tokens" else settings.max_generated
    if count > limit:
        raise TooLargeError(
            f"The request may generate {count:,} {model.generates}; {limit:,} at most. Request less."
        )


def to_json(result: Any, name: str = "") -> dict[str, Any]:
    """A result or `Failed` as JSON values; files, such as a sound, are embedded in base64.

    Args:
        result: of any task.
        name: the name of the input in the request; replaces that in the result.
    """
    if isinstance(result, Failed):
        return result.to_dict()
    if name:
        result = dataclasses.replace(result, input=name)
    values: dict[str, Any] = result.to_dict(embed=True)
    return values
