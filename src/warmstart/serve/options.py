"""The options of a request: those that the model's task declares, within the server's budgets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from inspect import get_annotations
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from warmstart.core.options import Field, fields_of, unknown_option
from warmstart.errors import UsageError
from warmstart.serve.errors import Refused, invalid

if TYPE_CHECKING:
    from warmstart.core.model import Model
    from warmstart.serve.settings import Settings

MAX_TEXT_LENGTH = 2_000
MAX_ITEMS = 100
MAX_SEED = 2**31 - 1


def fields(model: Model[Any, Any, Any]) -> dict[str, Field]:
    """The options that a request to this model may set, by name: those of its task, then inherited
    ones.
    """
    return dict(_fields(model.options, model.option_names))


@cache
def _fields(options: type, supported: tuple[str, ...]) -> Mapping[str, Field]:
    own = get_annotations(options)
    known = {
        name: field
        for name, field in fields_of(options).items()
        if field.option.http and name in supported
    }
    return dict(sorted(known.items(), key=lambda item: item[0] not in own))


def schemas(model: Model[Any, Any, Any], settings: Settings) -> dict[str, dict[str, Any]]:
    """JSON Schemas of these options; `maximum` is the lower of the option's own and the server's."""
    schemas = {name: _limited(field, settings) for name, field in fields(model).items()}
    for name, values in model.option_examples.items():
        if name in schemas:
            schemas[name]["examples"] = list(values)
    return schemas


def _limited(field: Field, settings: Settings) -> dict[str, Any]:
    schema = field.schema()
    budget = settings.budgets.get(field.name)
    if budget is not None:
        schema["maximum"] = min(budget, schema.get("maximum", budget))
    item_schema = schema.get("items", schema)
    if field.type is str and not field.choices:
        item_schema.setdefault("maxLength", MAX_TEXT_LENGTH)
    if field.is_sequence:
        schema.setdefault("maxItems", MAX_ITEMS)
    if field.name == "seed":
        schema |= {"minimum": 0, "maximum": MAX_SEED}
    return schema


def check(
    model: Model[Any, Any, Any],
    values: Any,
    settings: Settings,
    fields_by_option: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Any]:
    """The checked options of a request. If it does not limit the length of a text, the server's limit
    applies.

    Args:
        model: the model.
        values: the JSON object of the request.
        settings: of the server.
        fields_by_option: option -> field of the request, if their names differ.

    Raises:
        Refused: one is unknown, of another type, out of range or over the server's budget.
    """
    if not isinstance(values, dict):
        raise invalid("options must be an object.")
    known = fields(model) if values else {}
    checked = {}
    for name, value in values.items():
        if name not in known:
            raise invalid(unknown_option(model.task, name, known))
        field = replace(known[name], name=fields_by_option.get(name, name))
        limits = _limited(known[name], settings)
        # Before the option's own range, which is wider: a message should name the server's limit.
        if name in settings.budgets and field.option.le is not None:
            _check_range(field.name, value, limits)
        try:
            checked[name] = field.check(value)
        except UsageError as error:
            raise invalid(str(error)) from None
        _check_limits(field.name, checked[name], limits)
    is_default = checked.get("max_new_tokens") is None
    if is_default and getattr(model, "default_new_tokens", 0) > settings.max_new_tokens:
        checked["max_new_tokens"] = settings.max_new_tokens
    return checked


def _check_limits(name: str, value: Any, schema: Mapping[str, Any]) -> None:
    if value is None:
        return
    if isinstance(value, tuple):
        if len(value) > schema["maxItems"]:
            raise invalid(f"{name} must have {schema['maxItems']} items or less, not {len(value)}.")
        for item in value:
            _check_limits(f"every item of {name}", item, schema["items"])
    elif isinstance(value, str) and len(value) > schema.get("maxLength", len(value)):
        raise invalid(
            f"{name} must have {schema['maxLength']} characters or less, not {len(value)}."
        )
    else:
        _check_range(name, value, schema)


def _check_range(name: str, value: Any, schema: Mapping[str, Any]) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return
    high, low = schema.get("maximum", value), schema.get("minimum")
    if value > high or (low is not None and value < low):
        bounds = f"{high:,} or less" if low is None else f"from {low:,} to {high:,}"
        raise invalid(f"{name} must be {bounds} on this server, not {value}.")


def from_text(values: Iterable[tuple[str, str]], model: Model[Any, Any, Any]) -> dict[str, Any]:
    """Options of a query string or a form as values; unknown names stay text.

    Args:
        values: pairs (name, text); the texts of a list may be several pairs.
        model: the model.

    Raises:
        Refused: a text is not a valid value, or an option that is not a list occurs twice.
    """
    known = fields(model)
    texts: defaultdict[str, list[str]] = defaultdict(list)
    for name, text in values:
        texts[name].append(text)
        if len(texts[name]) > 1 and not (name in known and known[name].is_sequence):
            raise set_twice(name)
    try:
        return {
            name: known[name].parse(*several) if name in known else several[0]
            for name, several in texts.items()
        }
    except UsageError as error:
        raise invalid(str(error)) from None


def combined(*parts: Mapping[str, Any]) -> dict[str, Any]:
    """The options of all parts of a request.

    Raises:
        Refused: two parts set the same one.
    """
    merged: dict[str, Any] = {}
    for part in parts:
        if both := merged.keys() & part.keys():
            raise set_twice(min(both))
        merged |= part
    return merged


def set_twice(name: str) -> Refused:
    return invalid(f"{name[:100]} is set twice; set it once.")
