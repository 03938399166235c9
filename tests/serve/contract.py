"""Requests made from an OpenAPI document by schemathesis, right and wrong ones, put to a server."""

import base64
import io
from collections.abc import Iterator
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from PIL import Image
from schemathesis import GenerationMode

EXCLUDED = (
    "/v2/models",
    "/v1/completions",
    "/v1/predict/shakespeare_gpt2",
    "/v1/predict/deepar",
)
"""Where a request that fits its schema may be refused all the same: shapes must fit the data,
options each other, the model its inputs."""


def _picture(colour: tuple[int, int, int]) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (20, 16), colour).save(file, "PNG")
    return file.getvalue()


NEGATIVE = schemathesis.checks.negative_data_rejection
PICTURES = st.tuples(*[st.integers(0, 255)] * 3).map(_picture)
schemathesis.openapi.format(
    "image-base64", PICTURES.map(lambda data: base64.b64encode(data).decode())
)
schemathesis.openapi.format("image-file", PICTURES)
schemathesis.openapi.media_type("image/*", PICTURES)
TABLES = st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=40).map(
    lambda values: ("target\n" + "\n".join(map(str, values))).encode()
)
for _media in ("text/csv", "application/vnd.ms-excel", "text/plain"):
    schemathesis.openapi.media_type(_media, TABLES)
schemathesis.openapi.media_type(
    "text/*", st.text("abcdefgh ", min_size=1).map(lambda text: f"x{text}".encode())
)


def operations(schema: Any) -> Iterator[Any]:
    """The operations of a document; what cannot be read of it is raised."""
    for result in schema.get_all_operations():
        yield result.ok()


def _set_options_once(case: Any) -> None:
    """Leave out of the address what the body sets, too: a document cannot say that both is wrong."""
    if isinstance(case.body, dict) and case.query:
        options = case.body.get("options")
        names = {*case.body, *(options if isinstance(options, dict) else ())}
        case.query = {name: value for name, value in case.query.items() if name not in names}


def _has_unusable_inputs(answer: Any) -> bool:
    """Whether it is an answer to several inputs, of which some were refused in place."""
    if answer.status_code != 200 or b'"error":' not in answer.content:
        return False
    return any("error" in result for result in answer.json().get("results", ()))


def check(operation: Any, cases: int, number: int = 0) -> int:
    """Put so many right and so many wrong requests to one operation; returns how many there were.

    Raises:
        Exception: of schemathesis, for the first answer that is not as the document says.
    """
    done = 0
    excluded = (
        [schemathesis.checks.positive_data_acceptance]
        if operation.path.startswith(EXCLUDED)
        else []
    )
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
        try:
            cases_of = operation.as_strategy(generation_mode=mode)

            @seed(number)
            @settings(
                max_examples=cases,
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
                phases=[Phase.generate],
            )
            @given(cases_of)
            def ask(case: Any) -> None:
                nonlocal done
                done += 1
                _set_options_once(case)
                answer = case.call()
                refused_in_place = [NEGATIVE] if _has_unusable_inputs(answer) else []
                case.validate_response(answer, excluded_checks=[*excluded, *refused_in_place])

            ask()
        except Unsatisfiable:
            if mode is GenerationMode.POSITIVE:
                raise
            # Nothing can be wrong about a request that has neither parameters nor a body.
    return done
