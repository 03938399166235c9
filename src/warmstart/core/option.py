"""One option: its meaning, its valid values, and how it is read from text."""

from __future__ import annotations

import math
import numbers
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import KW_ONLY, MISSING, dataclass
from typing import Any

from warmstart.errors import UsageError
from warmstart.suggestions import MAX_LISTED, near


@dataclass(frozen=True)
class Option:
    """What an option means and which values are valid; the annotation of a field of an options
    class.

    Attributes:
        help: one sentence for `--help`, OpenAPI and the page.
        ge, gt, le, lt: bounds of a number, or of each number of a sequence.
        max_length: characters of a string, or items of a sequence, at most.
        http: whether requests to the server may set it.
        cli: whether it is a flag of the command line.
        flag: the name of that flag, if it differs from the field's.
        short: a one-letter flag, such as "-k".
        metavar: how the help of the command line calls the value, such as "FILE".
        rare: whether only the long help of the command line lists the flag.
        read: makes the value that the options class holds; raises `UsageError`.
    """

    help: str
    _: KW_ONLY
    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    lt: float | None = None
    max_length: int | None = None
    http: bool = True
    cli: bool = True
    flag: str | None = None
    short: str | None = None
    metavar: str | None = None
    rare: bool = False
    read: Callable[[Any], Any] | None = None

    def range_text(self) -> str:
        """The valid range in words: "1 or more", "from 0 to 1", "" if any number is valid."""
        low = self.ge if self.ge is not None else self.gt
        high = self.le if self.le is not None else self.lt
        if low is not None and high is not None:
            if self.gt is None and self.lt is None:
                return f"from {low:g} to {high:g}"
            return f"above {low:g} and {'below' if self.lt is not None else 'at most'} {high:g}"
        if low is not None:
            return f"above {low:g}" if self.gt is not None else f"{low:g} or more"
        if high is not None:
            return f"below {high:g}" if self.lt is not None else f"{high:g} or less"
        return ""

    def contains(self, value: float) -> bool:
        """Whether a number lies within the bounds."""
        return (
            math.isfinite(value)
            and (self.ge is None or value >= self.ge)
            and (self.gt is None or value > self.gt)
            and (self.le is None or value <= self.le)
            and (self.lt is None or value < self.lt)
        )


@dataclass(frozen=True)
class Field:
    """One option of an options class.

    Attributes:
        name: of the field and the keyword.
        type: `bool`, `int`, `float`, `str`, or another class for options of Python only.
        is_sequence: whether the value is a sequence of `type`.
        nullable: whether None is valid.
        choices: the valid values, if they are listed.
        default: of the field; `MISSING` if it must be set.
        option: its meaning and bounds.
        allows_single: whether one item without a list is valid, too (`float | Sequence[float]`).
        numbered: whether an integer is valid instead of a choice (`str | int`); `ge` and the other
            bounds apply to this integer.
    """

    name: str
    type: type
    is_sequence: bool
    nullable: bool
    choices: tuple[Any, ...]
    default: Any
    option: Option
    allows_single: bool = False
    numbered: bool = False

    @property
    def required(self) -> bool:
        return self.default is MISSING

    def check(self, value: Any) -> Any:
        """The value as the options class holds it.

        Raises:
            UsageError: it has another type or lies out of range.
        """
        if value is None and self.nullable:
            return None
        if self.option.read is not None:
            return self.option.read(value)
        if not self.is_sequence:
            return self._check_one(value, self.name)
        if isinstance(value, str if self.type is str else numbers.Real) and (
            self.allows_single or self.type is str
        ):
            value = (value,)
        if getattr(value, "ndim", 0) == 1:  # an array
            value = value.tolist()
        if isinstance(value, str | bytes) or not isinstance(value, Sequence):
            raise UsageError(f"{self.name} must be a list, not {describe(value)}.")
        limit = self.option.max_length
        if limit is not None and len(value) > limit:
            raise UsageError(f"{self.name} must have {limit} items or less, not {len(value)}.")
        return tuple(self._check_one(item, f"every item of {self.name}") for item in value)

    def _check_one(self, value: Any, name: str) -> Any:
        if self.numbered and isinstance(value, numbers.Integral) and not isinstance(value, bool):
            return self._bounded(int(value), value, name)
        if self.choices:
            if value not in self.choices or isinstance(value, bool) != (self.type is bool):
                named = ", ".join(map(str, self.choices))
                valid = f"one of {named}" if not self.numbered else f"{named} or an integer"
                raise UsageError(f"{name} must be {valid}, not {value!r}.")
            return value
        if self.type is bool:
            if not isinstance(value, bool) and type(value).__name__ not in ("bool_", "bool"):
                raise UsageError(f"{name} must be true or false, not {describe(value)}.")
            return bool(value)
        if self.type in (int, float):
            return self._check_number(value, name)
        if self.type is str:
            if not isinstance(value, str):
                raise UsageError(f"{name} must be a string, not {describe(value)}.")
            limit = self.option.max_length
            if not value or (limit is not None and len(value) > limit):
                bound = f"1 to {limit}" if limit else "1 or more"
                raise UsageError(f"{name} must have {bound} characters, not {len(value)}.")
        return value

    def _check_number(self, value: Any, name: str) -> int | float:
        whole = self.type is int
        fits = isinstance(value, numbers.Real) and not isinstance(value, bool)
        if not fits or (whole and value != value // 1):
            expected = "an integer" if whole else "a number"
            raise UsageError(f"{name} must be {expected}, not {describe(value)}.")
        return self._bounded(int(value) if whole else float(value), value, name)

    def _bounded(self, number: int | float, value: Any, name: str) -> int | float:
        if not self.option.contains(number):
            raise UsageError(f"{name} must be {self.option.range_text() or 'finite'}, not {value}.")
        return number

    def parse(self, *texts: str) -> Any:
        """The value of a text from a query string, a form or a flag; a comma separates
        items, and only a list may be several texts.

        Raises:
            UsageError: it stands for no valid value.
        """
        if self.is_sequence:
            parts = [part.strip() for text in texts for part in text.split(",")]
            return self.check([self._parse_one(part) for part in parts])
        (text,) = texts
        return self.check(self._parse_one(text))

    def _parse_one(self, text: str) -> Any:
        try:
            if self.type is int:
                return int(text)
            if self.type is float:
                return float(text)
        except ValueError:
            return text
        if self.numbered and text.lstrip("-").isdecimal():
            return int(text)
        if self.type is bool:
            return {"true": True, "1": True, "false": False, "0": False}.get(text.lower(), text)
        return text

    def schema(self) -> dict[str, Any]:
        """The JSON Schema of the value, with its description and, if it is a value, its default."""
        schema = {**self._type_schema(), "description": self.option.help}
        if self.default is MISSING or self.default is None:
            return schema
        default = list(self.default) if isinstance(self.default, tuple) else self.default
        return {**schema, "default": default}

    def _type_schema(self) -> dict[str, Any]:
        option = self.option
        item_schema: dict[str, Any]
        if self.choices and self.numbered:
            pattern = "|".join(map(re.escape, self.choices))
            item_schema = {"type": "string", "pattern": f"^({pattern})$"}
        elif self.choices:
            item_schema = {"enum": list(self.choices)}
            if all(isinstance(choice, str) for choice in self.choices):
                item_schema["type"] = "string"
        else:
            names = {bool: "boolean", int: "integer", float: "number", str: "string"}
            item_schema = {"type": names[self.type]}
            if self.type is str:
                item_schema["minLength"] = 1
        if self.numbered:
            item_schema["type"] = ["string", "integer"]
        if self.numbered or self.type in (int, float):
            bounds = {
                "minimum": option.ge,
                "exclusiveMinimum": option.gt,
                "maximum": option.le,
                "exclusiveMaximum": option.lt,
            }
            item_schema |= {key: bound for key, bound in bounds.items() if bound is not None}
        limit = option.max_length
        if not self.is_sequence:
            if limit is not None:
                item_schema["maxLength"] = limit
            return item_schema
        array: dict[str, Any] = {"type": "array", "items": item_schema}
        if self.allows_single and not self.choices:
            array = {**item_schema, **array, "type": [item_schema["type"], "array"]}
        return array if limit is None else {**array, "maxItems": limit}


SYNONYMS = {
    "batch": "batch_size",
    "class_weights": "class_weight",
    "conf": "threshold",
    "confidence": "threshold",
    "confidence_threshold": "threshold",
    "input_column": "text_column",
    "k": "top_k",
    "known": "known_covariates",
    "lang": "language",
    "length": "max_new_tokens",
    "lr": "learning_rate",
    "masked": "mlm_probability",
    "max_length": "max_new_tokens",
    "max_tokens": "max_new_tokens",
    "min_score": "threshold",
    "num_epochs": "epochs",
    "num_samples": "samples",
    "num_train_epochs": "epochs",
    "output_dir": "output",
    "prediction_length": "horizon",
    "return_timestamps": "word_timestamps",
    "score_threshold": "threshold",
    "static": "static_covariates",
    "steps": "horizon",
    "stop": "stop_strings",
    "suppression": "iou_threshold",
    "target": "label_column",
    "top": "top_k",
    "topk": "top_k",
    "val_split": "validation",
    "validation_split": "validation",
    "words": "word_timestamps",
}
"""Names of options in other tools -> their names here."""


def unknown_option(owner: str, name: str, known: Iterable[str], listed: Iterable[str] = ()) -> str:
    """The message for an option that does not exist, with the nearest one that does.

    Args:
        owner: what does not take it: a class, a model or a command.
        name: as it was typed: a keyword, or a flag.
        known: those among which a near one is sought, spelled as `name` is.
        listed: those that the message lists; default: `known`.
    """
    known = list(known)
    flags = {option.lstrip("-").replace("-", "_"): option for option in known}
    plain = name.lstrip("-").replace("-", "_")
    similar = [SYNONYMS.get(plain, ""), *near(plain, flags)]
    hint = next((f"; did you mean {flags[option]}?" for option in similar if option in flags), ".")
    options = list(listed) or known
    more = ", …" if len(options) > MAX_LISTED else ""
    advice = (
        f"Its options are {', '.join(options[:MAX_LISTED])}{more}." if options else "It has none."
    )
    shown = name if name.startswith("-") else repr(name)
    return f"{owner} has no option {shown[:100]}{hint} {advice}"


def describe(value: Any) -> str:
    """A value for a message: what JSON calls it, and itself if it is short."""
    if value is None:
        return "null"
    names = {
        bool: "a boolean",
        int: "a number",
        float: "a number",
        str: "a string",
        list: "a list",
        dict: "an object",
    }
    name = names.get(type(value), f"an object of type {type(value).__name__}")
    text = repr(value)
    return f"{name} ({text})" if len(text) <= 40 and type(value) in names else name
