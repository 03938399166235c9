"""What may be asked of each task, as JSON schemas: by them requests are checked, and the OpenAPI document written."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from warmstart.serve.errors import invalid

Schema = dict[str, Any]


def _integer(low: int, high: int, **more: Any) -> dict[str, Any]:
    return {"type": "integer", "minimum": low, "maximum": high, **more}


def _number(low: float, high: float, **more: Any) -> dict[str, Any]:
    return {"type": "number", "minimum": low, "maximum": high, **more}


def _text(longest: int = 200) -> dict[str, Any]:
    return {"type": "string", "minLength": 1, "maxLength": longest}


TOP_K: dict[str, Schema] = {"top_k": _integer(1, 100_000)}
SEED: dict[str, Schema] = {"seed": _integer(0, 2**31 - 1)}
OPTIONS: dict[str, dict[str, Schema]] = {
    "image-classification": TOP_K,
    "object-detection": {"threshold": _number(0, 1), "max_boxes": _integer(1, 10_000)},
    "image-segmentation": {},
    "text-classification": TOP_K,
    "token-classification": {"aggregation": {"type": "string", "enum": ["none", "simple", "first", "max"]}},
    "question-answering": {"top_k": _integer(1, 100), "max_answer_tokens": _integer(1, 1000),
                           "no_answer": {"type": "boolean"}},
    "fill-mask": TOP_K,
    "text-embedding": {},
    "text-generation": {
        "max_new_tokens": _integer(1, 2048), "temperature": _number(0, 100), "top_k": _integer(1, 1_000_000),
        "top_p": _number(0, 1), "min_p": _number(0, 1), "repetition_penalty": _number(0.01, 100),
        "no_repeat_ngram_size": _integer(0, 1000), "num_beams": _integer(1, 16),
        "stop": {"type": "array", "items": _text(), "maxItems": 16}, **SEED,
        "overflow": {"type": "string", "enum": ["error", "slide"]}},
    "speech-recognition": {
        "language": _text(), "translate": {"type": "boolean"}, "timestamps": {"type": "boolean"},
        "words": {"type": "boolean"}, "initial_prompt": _text(2000), "condition_on_previous": {"type": "boolean"},
        "temperature": _number(0, 10), **SEED},
    "audio-generation": {"speaker": _text(), "seconds": _number(0.02, 60), "temperature": _number(0.01, 10), **SEED},
    "forecasting": {
        "horizon": _integer(1, 10_000), "samples": _integer(1, 1000), **SEED,
        "quantiles": {"type": "array", "items": _number(0.001, 0.999), "minItems": 1, "maxItems": 99},
        "freq": _text(20), "target": _text(), "item": _text(), "timestamp": _text(),
        "duplicates": {"type": "string", "enum": ["error", "first", "last", "sum", "mean"]}},
}
_TYPES: dict[str, tuple[type, ...]] = {"integer": (int,), "number": (int, float), "boolean": (bool,), "string": (str,),
                                       "array": (list,)}


def check(task: str, given: Any, known: Mapping[str, Schema] | None = None) -> dict[str, Any]:
    """The options as the model takes them.

    Args:
        task: of the model.
        given: the JSON object of the request.
        known: schemas by name; default: those of the task.

    Raises:
        Refused: one is unknown, of another type or out of range.
    """
    known = OPTIONS[task] if known is None else known
    if not isinstance(given, dict):
        raise invalid(f"options must be an object, not {_kind(given)}.")
    for name, value in given.items():
        if name not in known:
            raise invalid(f"{task} has no option {name!r}; it has: {', '.join(known) or 'none'}.")
        check_value(name, value, known[name])
    return {name: int(value) if known[name]["type"] == "integer" else value for name, value in given.items()}


def check_value(name: str, value: Any, schema: Schema) -> None:
    """Compare one value with its schema; those keywords are known that this file uses.

    Raises:
        Refused: it does not fit.
    """
    kind: str = schema["type"]
    fits: bool = isinstance(value, _TYPES[kind]) or (kind == "integer" and isinstance(value, float)
                                                     and value.is_integer())
    if not fits or (isinstance(value, bool) and kind != "boolean"):
        raise invalid(f"{name} must be {'an' if kind[0] in 'aio' else 'a'} {kind}, not {_kind(value)}.")
    if kind in ("integer", "number") and not (math.isfinite(value) and schema["minimum"] <= value <= schema["maximum"]):
        raise invalid(f"{name} must be {schema['minimum']} to {schema['maximum']}, not {value}.")
    if kind in ("string", "array"):
        unit, low, high = ("Length", 0, math.inf) if kind == "string" else ("Items", 0, math.inf)
        low, high = schema.get(f"min{unit}", low), schema.get(f"max{unit}", high)
        if not low <= len(value) <= high:
            raise invalid(f"{name} must have {low} to {high} {'characters' if kind == 'string' else 'items'}, "
                          f"not {len(value)}.")
    if "enum" in schema and value not in schema["enum"]:
        raise invalid(f"{name} is one of {', '.join(schema['enum'])}.")
    for item in value if kind == "array" else ():
        check_value(f"every item of {name}", item, schema["items"])


def of_text(given: Mapping[str, str], known: Mapping[str, Schema]) -> dict[str, Any]:
    """Options that came as text, in a query or a form, as JSON values of their types; what does not fit stays text."""
    return {name: _typed(value, known.get(name, {})) for name, value in given.items()}


def _typed(text: str, schema: Schema) -> Any:
    match schema.get("type"):
        case "integer" if text.strip().lstrip("-").isdecimal() and len(text) < 20:
            return int(text)
        case "number":
            try:
                return float(text)
            except ValueError:
                return text
        case "boolean" if text.lower() in ("true", "false", "1", "0"):
            return text.lower() in ("true", "1")
        case "array":
            return [_typed(part.strip(), schema["items"]) for part in text.split(",")]
    return text


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    return {bool: "a boolean", int: "a number", float: "a number", str: "a string", list: "an array",
            dict: "an object"}.get(type(value), type(value).__name__)
