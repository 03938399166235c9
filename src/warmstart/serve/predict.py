"""`POST /v1/predict/{model}`: a file, an upload or JSON in; the result's `.to_dict()` out."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from warmstart.core.input_kind import InputKind
from warmstart.core.results import Failed
from warmstart.core.wire import Result
from warmstart.errors import InputError
from warmstart.serve import body, options
from warmstart.serve.errors import Refused, invalid, refusal
from warmstart.serve.forms import parse_form
from warmstart.serve.inference import check_generated, to_json
from warmstart.serve.registry import ServedModel
from warmstart.serve.settings import Settings
from warmstart.serve.state import State, json_response, state_of

FORM = "application/x-www-form-urlencoded"
RAW = ("", "application/octet-stream", FORM)
"""Types that clients send by default; `curl --data-binary` sends that of a form."""


async def predict(request: Request) -> Response:
    """Predict the inputs in the body.

    One input gives its result; a JSON array of inputs, several files, or a table of series gives
    `{"results": […]}`, in which an unusable input is `{"input": …, "error": …}` in its place.
    """
    state = state_of(request)
    served = state.model(request, request.path_params["model"])
    deadline = state.deadline(request)
    query = options.from_text(request.query_params.multi_items(), served.model)
    options.check(served.model, query, state.settings)  # before the body is read
    data = await state.read(request, deadline)
    length = len(data)
    inputs = await _read_inputs(request, state, served, data, deadline)
    del data  # up to 64 MiB
    names, values, is_list = inputs.names, inputs.values, inputs.is_list
    texts = options.from_text(inputs.texts, served.model)
    request_options = options.combined(query, inputs.options, texts)
    request_options = options.check(served.model, request_options, state.settings)
    check_generated(served.model, values, request_options, state.settings)
    key = (ServedModel.predict, freeze(request_options))
    # Random numbers depend on the index of an input in a call: all inputs of a request are one call.
    grouped = (
        served.model.seeded_by_index
        and is_list
        and not any(map(served.input_kind.is_several, values))
    )
    answers = await state.run(request, served, key, [values] if grouped else values, deadline)
    if grouped:
        if isinstance(answers[0], InputError):  # of an option that fits no input
            raise refusal(answers[0], "")
        errors = [answer.error if isinstance(answer, Failed) else answer for answer in answers[0]]
        answers = [
            value if isinstance(value, InputError) else error
            for value, error in zip(values, errors, strict=True)
        ]
    accept = request.headers.get("accept", "")
    result = served.model.result
    is_large = bool(result.media or result.embedded or len(answers) > 1 or grouped)
    size = body.ALWAYS if is_large or isinstance(answers[0], list) else length
    return await body.offload(size, _response, served, names, answers, is_list, accept)


def freeze(chosen: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
    """Options as a hashable key of the queue."""
    return tuple(
        sorted(
            (name, tuple(value) if isinstance(value, list) else value)
            for name, value in chosen.items()
        )
    )


class _Inputs(NamedTuple):
    """The contents of a request body.

    Attributes:
        names: of the inputs, for messages and results.
        values: the inputs, or the `InputError` of each.
        is_list: whether the response is a list of results.
        options: from JSON.
        texts: options from the fields of a form, as pairs (name, text).
    """

    names: list[str]
    values: list[Any]
    is_list: bool
    options: dict[str, Any]
    texts: list[tuple[str, str]]


async def _read_inputs(
    request: Request, state: State, served: ServedModel, data: bytes, deadline: float
) -> _Inputs:
    input_kind, settings, media = served.input_kind, state.settings, body.media_type(request)
    body.require_utf8(request.headers.get("content-type", ""))
    if body.is_json(media):
        return await state.parse(request, deadline, _of_json, data, input_kind, settings)
    if media == "multipart/form-data":
        content_type = request.headers["content-type"]
        return await body.offload(len(data), _of_form, data, input_kind, content_type, settings)
    if (input_kind.media and media in RAW) or _takes(input_kind, media):
        if not data:
            raise invalid(f"The body is empty; {served.name} needs {input_kind.name} data.")
        if media in RAW:
            _check_untyped(data, media, input_kind)
        if input_kind.is_file:  # its bytes are not parsed here
            return _of_bytes(data, input_kind, settings)
        if input_kind.is_parsed and len(data) <= body.INLINE:
            return await body.offload(body.ALWAYS, _of_bytes, data, input_kind, settings)
        return await state.parse(request, deadline, _of_bytes, data, input_kind, settings)
    forms = (
        f"{input_kind.name} data, as a raw body, as a file of multipart/form-data, or"
        if input_kind.media
        else "inputs"
    )
    raise Refused(
        415, "invalid", f"{served.name} takes {forms} as application/json; not {media[:80]!r}."
    )


def _check_untyped(data: bytes, media: str, input_kind: InputKind) -> None:
    """Refuse an ambiguous body without a specific Content-Type: one that may be JSON, or a form."""
    is_text = "text/" in input_kind.media
    is_open = data[:64].lstrip()[:1] in (b"{", b"[")
    if is_open and (b'"inputs"' in data or (is_text and _is_json(data))):
        or_text = "; if it is a text itself, text/plain" if is_text else ""
        raise Refused(
            415,
            "invalid",
            f"The body looks like JSON, and its Content-Type is {media or 'absent'}. If it is a "
            f"request, send application/json (curl -H 'Content-Type: application/json'){or_text}.",
        )
    if is_text and media == FORM:
        raise Refused(
            415,
            "invalid",
            f"The Content-Type {FORM} is that of a form. Send a text as text/plain (curl -H "
            "'Content-Type: text/plain'), fields as multipart/form-data (curl -F text=… -F top_k=1), "
            "and JSON as application/json.",
        )


def _is_json(data: bytes) -> bool:
    """Whether a body is JSON; False for one that is too long to be parsed here."""
    try:
        return len(data) <= body.INLINE and body.parse_json(data) is not None
    except Refused:
        return False


def _of_bytes(data: bytes, input_kind: InputKind, settings: Settings) -> _Inputs:
    return _Inputs([input_kind.name], [input_kind.from_bytes(data, settings)], False, {}, [])


def _takes(input_kind: InputKind, media: str) -> bool:
    """Whether a body of this media type is an input; "image/" stands for all images."""
    return any(
        media.startswith(prefix) if prefix.endswith("/") else media == prefix
        for prefix in input_kind.media
    )


def _read(read: Callable[[], Any], is_one_of_several: bool) -> Any:
    """An input; or its error if it is one of several, so that the others are processed.

    Raises:
        InputError: the only input is unusable.
    """
    try:
        return read()
    except InputError as error:
        if not is_one_of_several:
            raise
        return error


def _of_json(data: bytes, input_kind: InputKind, settings: Settings) -> _Inputs:
    content = body.parse_json(data)
    if isinstance(data, bytearray):
        data.clear()  # the parser's process still refers to it, and base64 takes memory
    if (
        not isinstance(content, dict)
        or "inputs" not in content
        or content.keys() - {"inputs", "options"}
    ):
        raise invalid('The body is {"inputs": …, "options": {…}}, and nothing else.')
    inputs, request_options = content["inputs"], _options(content.get("options", {}))
    is_list = input_kind.is_several_json(inputs)
    values = inputs if is_list else [inputs]
    if not 1 <= len(values) <= settings.max_inputs:
        raise invalid(f"inputs must be 1 to {settings.max_inputs}, not {len(values)}.")
    names = [f"input {n}" for n in range(1, len(values) + 1)] if is_list else ["the input"]
    read = [_read(partial(input_kind.from_json, value, settings), is_list) for value in values]
    return _Inputs(names, read, is_list, request_options, [])


def _of_form(data: bytes, input_kind: InputKind, content_type: str, settings: Settings) -> _Inputs:
    request_options: dict[str, Any] = {}
    texts: list[tuple[str, str]] = []
    names: list[str] = []
    inputs: list[bytes] = []
    for field in parse_form(data, content_type):
        if field.filename is not None:
            is_file = bool(field.filename or field.data)  # browsers send both empty without a file
        else:
            is_file = input_kind.is_file and field.name == "file"
        if is_file:
            names.append(field.filename or f"file {len(names) + 1}")
            inputs.append(field.data)
        elif field.filename is not None:
            continue
        elif field.name == "options":
            request_options = options.combined(
                request_options, _options(body.parse_json(field.data))
            )
        elif field.name in ("inputs", "input", "text", "file") and not input_kind.is_file:
            names.append(f"input {len(names) + 1}")
            inputs.append(field.data)
        else:
            texts.append((field.name, field.data.decode("utf-8", "replace")))
    read = partial(input_kind.from_bytes, limits=settings)
    values = [_read(partial(read, value), len(inputs) > 1) for value in inputs]
    if not 1 <= len(values) <= settings.max_inputs:
        raise invalid(f"The form must hold 1 to {settings.max_inputs} files, not {len(values)}.")
    return _Inputs(names, values, len(values) > 1, request_options, texts)


def _options(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise invalid("options must be an object.")
    return value


def _accepted(accept: str, result: type[Result]) -> str | None:
    """The media type, besides JSON, that the client prefers and the result can be written as."""
    first = accept.partition(",")[0].partition(";")[0].strip().lower()
    for media in result.media:
        if first == media or (
            first.endswith("/*") and first != "*/*" and media.startswith(first[:-1])
        ):
            return media
    return None


def _response(
    served: ServedModel, names: list[str], answers: list[Any], is_list: bool, accept: str
) -> Response:
    is_file = served.input_kind.is_file
    if not is_list and not isinstance(answers[0], list):
        if isinstance(answers[0], InputError):
            raise refusal(answers[0], names[0])
        if media := _accepted(accept, type(answers[0])):
            content = getattr(answers[0], answers[0].media[media])()
            return Response(content, media_type=media)
        return json_response(to_json(answers[0], names[0] if is_file else ""))
    results: list[dict[str, Any]] = []
    for name, answer in zip(names, answers, strict=False):
        if isinstance(answer, InputError):
            results.append({"input": name, "error": str(refusal(answer, name))})
        elif isinstance(answer, list):
            prefix = f"{name}:" if len(answers) > 1 else ""
            results.extend(_of_table(each, prefix) for each in answer)
        else:
            results.append(to_json(answer, name if is_file else ""))
    return json_response({"results": results})


def _of_table(result: Any, prefix: str) -> dict[str, Any]:
    """A result of a table, or its `Failed`, as JSON values; the prefix is the name of the table."""
    values = to_json(result)
    named = ("input", "error") if isinstance(result, Failed) else ("input",)
    return values | {name: f"{prefix}{values[name]}" for name in named}
