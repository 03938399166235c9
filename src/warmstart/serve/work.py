"""The work of the queue: inputs through a model, and its results as JSON values."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from warmstart.core.options import fields_of
from warmstart.core.results import Failed
from warmstart.errors import InputError

if TYPE_CHECKING:
    from warmstart.core.input_kind import InputKind
    from warmstart.core.model import Model
    from warmstart.serve.settings import Settings


def predict(
    model: Model[Any, Any, Any],
    kind: InputKind,
    settings: Settings,
    values: Sequence[Any],
    options: Mapping[str, Any],
) -> list[Any]:
    """A result, a list of results (of a table), or the `InputError`, for each value.

    Raises:
        WarmstartError: an option is wrong, or the model cannot answer at all.
    """
    results: list[Any] = list(values)
    usable = []
    for index, value in enumerate(values):
        try:
            kind.check_size(value, settings)
            usable.append(index)
        except InputError as error:
            results[index] = error
    inputs = [values[index] for index in usable]
    together = model.batched and len(inputs) > 1 and not any(map(kind.is_several, inputs))
    if together:
        size = {"batch_size": len(inputs)} if "batch_size" in fields_of(model.options) else {}
        answers = model(inputs, **options, **size)
    else:
        answers = [_one(model, value, options) for value in inputs]
    for index, answer in zip(usable, answers, strict=True):
        results[index] = answer.error if isinstance(answer, Failed) else answer
    return results


def _one(model: Model[Any, Any, Any], value: Any, options: Mapping[str, Any]) -> Any:
    try:
        return model(value, **options)
    except InputError as error:
        return error


def to_json(result: Any, name: str = "") -> dict[str, Any]:
    """A result or `Failed` as JSON values, with what a client without files needs, such as a sound
    in base64.

    Args:
        result: of any task.
        name: how the request knows the input; replaces the name that the model gave to bytes.
    """
    if isinstance(result, Failed):
        return result.to_dict()
    if name:
        result = dataclasses.replace(result, input=name)
    found: dict[str, Any] = result.to_dict(embed=True)
    return found
