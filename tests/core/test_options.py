"""Options are declared once: keywords, checks, JSON Schema and texts come from the dataclass."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import pytest

from warmstart.core.options import BatchOptions, Option, fields_of, make, schema, takes
from warmstart.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Options(BatchOptions):
    top_k: Annotated[int, Option("Classes, best first.", ge=1)] = 5
    threshold: Annotated[float | None, Option("Least score.", ge=0, le=1)] = None
    level: Annotated[float, Option("A level.", gt=0, lt=1)] = 0.5
    mode: Annotated[Literal["error", "slide"], Option("When the context is full.")] = "error"
    stop: Annotated[str | tuple[str, ...], Option("Strings that end the text.", max_length=3)] = ()
    quantiles: Annotated[tuple[float, ...], Option("Levels.", gt=0, lt=1)] = (0.5,)
    words: Annotated[bool, Option("Times of words.")] = False
    sample_rate: Annotated[float | None, Option("Of bare arrays.", http=False, cli=False)] = None
    temperature: Annotated[float | Sequence[float], Option("One, or several.", ge=0)] = 0.0
    speaker: Annotated[str | int | None, Option("Name or number.", max_length=9)] = None


class Model:
    @takes(Options)
    def __call__(self, inputs: Any, options: Options) -> Any:
        return inputs, options


def test_keywords_have_defaults_and_types():
    signature = inspect.signature(Model.__call__)
    assert list(signature.parameters) == ["self", "inputs", *fields_of(Options)]
    assert signature.parameters["top_k"].default == 5


def test_valid_values_are_converted():
    _, options = Model()(
        "x", top_k=np.int64(3), threshold=1, stop="end", quantiles=np.array([0.1, 0.9])
    )
    assert options == Options(top_k=3, threshold=1.0, stop=("end",), quantiles=(0.1, 0.9))
    assert isinstance(options.top_k, int)
    assert isinstance(options.threshold, float)


@pytest.mark.parametrize(("values", "message"), [
    ({"top": 3}, "Model has no option 'top'; did you mean top_k. Its options are batch_size, top_k"),
    ({"top_k": 0}, "top_k must be 1 or more, not 0"),
    ({"top_k": "3"}, "top_k must be an integer, not a string"),
    ({"top_k": 2.5}, "top_k must be an integer"),
    ({"top_k": True}, "top_k must be an integer, not a boolean"),
    ({"top_k": None}, "top_k must be an integer, not null"),
    ({"threshold": 1.5}, "threshold must be from 0 to 1, not 1.5"),
    ({"threshold": float("nan")}, "threshold must be from 0 to 1, not nan"),
    ({"level": 0}, "level must be above 0 and below 1, not 0"),
    ({"mode": "loop"}, "mode must be one of error, slide, not 'loop'"),
    ({"stop": ["a", 3]}, "every item of stop must be a string"),
    ({"stop": ["a"] * 4}, "stop must have 3 items or less, not 4"),
    ({"quantiles": [0.5, 1.0]}, "every item of quantiles must be above 0 and below 1"),
    ({"quantiles": 0.5}, "quantiles must be a list"),
    ({"words": 1}, "words must be true or false"),
])  # fmt: skip
def test_invalid_values_are_refused(values, message):
    with pytest.raises(UsageError, match=message):
        Model()("x", **values)


def test_one_number_or_several():
    field = fields_of(Options)["temperature"]
    assert field.check(1) == field.check([1]) == field.check(np.float32(1)) == (1.0,)
    assert field.parse("0.5,1") == (0.5, 1.0)
    number = {"type": "number", "minimum": 0}
    assert field.schema() == {
        "type": ["number", "array"], "minimum": 0, "items": number, "description": "One, or several.", "default": 0.0
    }  # fmt: skip
    with pytest.raises(UsageError, match="0 or more"):
        field.check(-1)


def test_a_name_or_a_number():
    field = fields_of(Options)["speaker"]
    assert [field.check(value) for value in ("ann", 3, np.int64(3), None)] == ["ann", 3, 3, None]
    assert field.schema()["type"] == ["string", "integer"]
    for value in (1.5, True, "x" * 10, ["ann"]):
        with pytest.raises(UsageError, match="speaker"):
            field.check(value)


def test_options_are_given_by_name():
    with pytest.raises(UsageError, match="options by name"):
        Model()("x", 3)


def test_json_schema():
    schemas = schema(Options)
    assert "sample_rate" not in schemas
    assert "batch_size" not in schemas
    assert schemas["top_k"] == {"type": "integer", "minimum": 1, "description": "Classes, best first.",
                                "default": 5}  # fmt: skip
    assert schemas["level"] == {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1,
                                "description": "A level.", "default": 0.5}  # fmt: skip
    assert schemas["mode"]["enum"] == ["error", "slide"]
    assert schemas["stop"]["maxItems"] == 3
    assert schemas["stop"]["items"] == {"type": "string", "minLength": 1}


@pytest.mark.parametrize(("name", "text", "value"), [
    ("top_k", "7", 7), ("threshold", "0.25", 0.25), ("words", "true", True), ("words", "0", False),
    ("stop", "a, b", ("a", "b")), ("quantiles", "0.1,0.9", (0.1, 0.9)), ("mode", "slide", "slide"),
])  # fmt: skip
def test_values_from_text(name, text, value):
    assert fields_of(Options)[name].parse(text) == value


@pytest.mark.parametrize(
    ("name", "text"), [("top_k", "x"), ("words", "maybe"), ("threshold", "inf"), ("mode", "x")]
)
def test_text_that_is_no_value_is_refused(name, text):
    with pytest.raises(UsageError, match=name):
        fields_of(Options)[name].parse(text)


def test_make_names_the_owner():
    with pytest.raises(UsageError, match="mobilenet_v2 has no option"):
        make(Options, {"seed": 1}, "mobilenet_v2")
