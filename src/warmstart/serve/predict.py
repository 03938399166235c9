"""`POST /v1/predict/{model}`: a file, an upload or JSON in; the result's `.to_dict()` out."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from warmstart.errors import InputError
from warmstart.serve import body, options
from warmstart.serve.answering import told, wav
from warmstart.serve.errors import Refused, invalid, refusal
from warmstart.serve.forms import Field, parse_form
from warmstart.serve.kinds import AUDIO, IMAGE, SERIES, Kind
from warmstart.serve.registry import Served
from warmstart.serve.settings import Settings
from warmstart.serve.state import json_response, state_of

RAW = ("", "application/octet-stream", "application/x-www-form-urlencoded")


async def predict(request: Request) -> Response:
    """Answer what is in the body.

    One input gives its result; a JSON array of inputs, several files, or a table of series gives
    `{"results": […]}`, in which an unusable input is `{"input": …, "error": …}` in its place.
    """
    state = state_of(request)
    served = state.model(request, request.path_params["model"])
    deadline = state.deadline(request)
    data = await body.read(request, state.settings)
    names, values, given, many = await body.aside(len(data), _inputs, request, served, data, state.settings)
    given = options.check(served.task, given)
    key = (Served.answer, freeze(given))
    if served.alone and served.kind is SERIES and many and all(hasattr(value, "shape") for value in values):
        values, many = [values], False  # series of one request are drawn together, as `ws.load(…)` would
    answers = await state.ask(request, served, key, values, deadline)
    wants_sound = request.headers.get("accept", "").startswith("audio/")
    return await body.aside(len(data), _answer, served, names, answers, many, wants_sound)


def freeze(given: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
    """Options as something that can be compared and hashed."""
    return tuple(sorted((name, tuple(value) if isinstance(value, list) else value) for name, value in given.items()))


def _inputs(request: Request, served: Served, data: bytes,
            settings: Settings) -> tuple[list[str], list[Any], dict[str, Any], bool]:
    """(names, values, options, whether there are several) of a body."""
    kind, media = served.kind, body.media_type(request)
    asked = options.check(served.task, options.of_text(dict(request.query_params), options.OPTIONS[served.task]))
    if media == "application/json" or media.endswith("+json"):
        return _of_json(kind, body.parse_json(data), asked, settings)
    if media == "multipart/form-data":
        return _of_form(served, parse_form(data, request.headers["content-type"]), asked, settings)
    if media in RAW or any(media == one or media.startswith(one) for one in kind.media if one.endswith("/") or
                           media == one):
        if not data:
            raise invalid(f"The body is empty; {served.name} needs {kind.name} data.")
        return [kind.name], [kind.of_bytes(data, settings)], asked, False
    raise Refused(415, "invalid", f"{served.name} takes {kind.name} data, as a raw body, as a file of "
                  f"multipart/form-data, or as application/json; not {media[:80]!r}.")


def _of_json(kind: Kind, content: Any, asked: dict[str, Any],
             settings: Settings) -> tuple[list[str], list[Any], dict[str, Any], bool]:
    if not isinstance(content, dict) or "inputs" not in content or content.keys() - {"inputs", "options"}:
        raise invalid('The body is {"inputs": …, "options": {…}}, and nothing else.')
    given = content.get("options", {})
    if not isinstance(given, dict):
        raise invalid("options must be an object.")
    inputs = content["inputs"]
    many = isinstance(inputs, list)
    if kind is SERIES and many and not any(isinstance(one, list | dict) for one in inputs):
        many = False  # numbers: one series
    values = inputs if many else [inputs]
    if not 1 <= len(values) <= settings.max_inputs:
        raise invalid(f"inputs must be 1 to {settings.max_inputs}, not {len(values)}.")
    names = [f"input {n}" for n in range(1, len(values) + 1)] if many else ["the input"]
    return names, [kind.of_json(value, settings) for value in values], {**asked, **given}, many


def _of_form(served: Served, fields: list[Field], asked: dict[str, Any],
             settings: Settings) -> tuple[list[str], list[Any], dict[str, Any], bool]:
    takes_files = served.kind in (IMAGE, AUDIO)
    files = [field for field in fields if (field.filename is not None and (field.filename or field.data))
             or (takes_files and field.filename is None and field.name == "file")]
    given: dict[str, str] = {}
    names = [field.filename or f"file {n}" for n, field in enumerate(files, 1)]
    values = [served.kind.of_bytes(field.data, settings) for field in files]
    for field in fields:
        if field in files or field.filename is not None:
            continue
        if field.name == "options":
            more = body.parse_json(field.data)
            if not isinstance(more, dict):
                raise invalid("options must be an object.")
            asked = {**asked, **more}
        elif field.name in ("inputs", "input", "text", "file") and not takes_files:
            names.append(f"input {len(values) + 1}")
            values.append(served.kind.of_bytes(field.data, settings))
        else:
            given[field.name] = field.data.decode("utf-8", "replace")
    if not 1 <= len(values) <= settings.max_inputs:
        raise invalid(f"The form must hold 1 to {settings.max_inputs} files, not {len(values)}.")
    asked = {**asked, **options.of_text(given, options.OPTIONS[served.task])}
    return names, values, asked, len(values) > 1


def _answer(served: Served, names: list[str], answers: list[Any], many: bool, wants_sound: bool) -> Response:
    renamed = served.kind in (IMAGE, AUDIO)
    if not many and not isinstance(answers[0], list):
        if isinstance(answers[0], InputError):
            raise refusal(answers[0], names[0])
        if wants_sound and hasattr(answers[0], "samples") and hasattr(answers[0], "sample_rate"):
            return Response(wav(answers[0]), media_type="audio/wav")
        return json_response(told(answers[0], names[0] if renamed else ""))
    results: list[dict[str, Any]] = []
    for name, found in zip(names, answers, strict=False):
        if isinstance(found, InputError):
            results.append({"input": name, "error": str(refusal(found, name))})
        elif isinstance(found, list):
            results.extend(told(each) for each in found)
        else:
            results.append(told(found, name if renamed else ""))
    return json_response({"results": results})


