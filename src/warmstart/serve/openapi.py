"""The OpenAPI document of one server: every address with the models that are served, what each
takes and gives.

It is made of what the endpoints check by: the options and results of the tasks, the kinds of input,
and the structs of `openai`. The tests send thousands of requests made from it to the server.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from warmstart.core.task import TASKS
from warmstart.core.wire import wire_of
from warmstart.serve import openai, options, tensors
from warmstart.serve.registry import Registry, Served
from warmstart.serve.settings import Settings

Document = dict[str, Any]
_JSON = "application/json"


def document(registry: Registry, settings: Settings) -> Document:
    """The document, as JSON values."""
    from warmstart.version import __version__

    paths: Document = {
        "/": {"get": _operation("The page", {"200": _content("text/html", {"type": "string"})})},
        "/metrics": {
            "get": _operation(
                "Prometheus metrics", {"200": _content("text/plain", {"type": "string"})}
            )
        },
        "/openapi.json": {"get": _operation("This document", {"200": _json({"type": "object"})})},
        "/v1/models": {"get": _operation("The models that are served", {"200": _json(_MODELS)})},
        "/v2": {
            "get": _operation(
                "About the server",
                {
                    "200": _json(
                        _object(
                            name={"type": "string"},
                            version={"type": "string"},
                            extensions={"type": "array", "items": {"type": "string"}},
                        )
                    )
                },
            )
        },
        "/v2/health/live": {
            "get": _operation("Whether the server runs", {"200": _json(_object(live=_BOOLEAN))})
        },
        "/v2/health/ready": {
            "get": _operation(
                "Whether the server takes requests",
                dict.fromkeys(("200", "503"), _json(_object(ready=_BOOLEAN))),
            )
        },
    }
    for served in registry.values():
        paths[f"/v1/models/{served.name}"] = {
            "get": _operation("About the model", {"200": _json(_MODEL)})
        }
        paths[f"/v1/predict/{served.name}"] = {"post": _predict(served, settings)}
        base = f"/v2/models/{served.name}"
        paths[base] = {"get": _operation("The model's tensors", {"200": _json(_METADATA)})}
        paths[f"{base}/ready"] = {
            "get": _operation(
                "Whether the model takes requests",
                dict.fromkeys(
                    ("200", "503"), _json(_object(name={"type": "string"}, ready=_BOOLEAN))
                ),
            )
        }
        paths[f"{base}/infer"] = {"post": _infer(served)}
    paths |= _openai(registry)
    found: Document = {
        "openapi": "3.1.0",
        "info": {
            "title": "warmstart",
            "version": __version__,
            "description": "Pretrained models behind a plain endpoint, "
            "the Open Inference Protocol (version 2), and OpenAI's "
            "endpoints.",
        },
        "paths": paths,
        "components": {
            "schemas": {"Error": _ERROR, "OpenAIError": _OPENAI_ERROR, **_structs(registry)}
        },
    }
    if settings.token is not None:
        found["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        found["security"] = [{"token": []}]
        for path in ("/", "/v2/health/live", "/v2/health/ready"):
            paths[path]["get"]["security"] = []
    return found


_BOOLEAN: Document = {"type": "boolean"}
_STRING: Document = {"type": "string"}
_INTEGER: Document = {"type": "integer"}


def _open_object(**properties: Any) -> Document:
    """An object that may have more properties than these."""
    return {"type": "object", "required": list(properties), "properties": properties}


def _object(optional: Mapping[str, Any] | None = None, **properties: Any) -> Document:
    return {
        "type": "object",
        "required": list(properties),
        "additionalProperties": False,
        "properties": {**properties, **(optional or {})},
    }


_STRINGS: Document = {"type": "array", "items": _STRING}
_MODEL = _open_object(
    id=_STRING,
    object=_STRING,
    created=_INTEGER,
    owned_by=_STRING,
    task={"enum": list(TASKS)},
    task_title=_STRING,
    task_summary=_STRING,
    verb=_STRING,
    title=_STRING,
    version=_STRING,
    labels=_INTEGER,
    classes={"type": "array", "items": _STRINGS},
    input=_STRING,
    input_noun=_STRING,
    input_schema={"type": "object"},
    accepts=_STRINGS,
    suffixes=_STRINGS,
    examples={"type": "array", "items": {"type": "object"}},
    example_options={"type": "object"},
    options={"type": "object"},
    result_schema={"type": "object"},
)


_MODELS = _object(object=_STRING, data={"type": "array", "items": _MODEL})
_ERROR = _object(error=_STRING)


def _content(media: str, schema: Any) -> Document:
    return {"description": "As asked", "content": {media: {"schema": schema}}}


def _json(schema: Any) -> Document:
    return _content(_JSON, schema)


def _operation(summary: str, responses: Document, *, fails: str = "Error", **more: Any) -> Document:
    refused = {
        "description": "Refused; the text says why",
        "content": {_JSON: {"schema": {"$ref": f"#/components/schemas/{fails}"}}},
    }
    return {"summary": summary, **more, "responses": {**responses, "4XX": refused, "5XX": refused}}


def _predict(served: Served, settings: Settings) -> Document:
    kind, result_class = served.kind, served.model.result
    known = options.schemas(served.model, settings)
    one = kind.schema
    inputs: Document = {
        "anyOf": [
            one,
            {"type": "array", "items": one, "minItems": 1, "maxItems": settings.max_inputs},
        ]
    }
    given = {"type": "object", "properties": known, "additionalProperties": False}
    media: Document = {_JSON: {"schema": _object({"options": given}, inputs=inputs)}}
    file = {"type": "string", "format": f"{kind.name}-file"}
    for name in kind.media:
        media[f"{name}*" if name.endswith("/") else name] = {"schema": file}
    if kind.media:
        media["multipart/form-data"] = {"schema": _object(dict(known), file=file)}
    result = wire_of(result_class, embed=True).schema()
    answers: Document = {
        "anyOf": [
            result,
            _object(
                results={
                    "type": "array",
                    "items": {"anyOf": [result, _object(input=_STRING, error=_STRING)]},
                }
            ),
        ]
    }
    content: Document = {_JSON: {"schema": answers}}
    for media_type in result_class.media:
        content[media_type] = {"schema": {"type": "string", "format": "binary"}}
    return _operation(
        f"{served.model.entry.title}: {served.task}",
        {"200": {"description": "The result", "content": content}},
        parameters=[
            {
                "name": name,
                "in": "query",
                "schema": schema,
                "style": "form",
                "explode": False,
                "description": "The option, for a body that is a file",
            }
            for name, schema in known.items()
        ]
        if kind.is_file or kind.name == "text"
        else [],
        requestBody={"required": True, "content": media},
    )


_TENSOR = _object(
    name=_STRING,
    datatype={"enum": list(tensors.DTYPES)},
    shape={"type": "array", "items": _INTEGER},
)
_METADATA = _object(
    name=_STRING,
    versions={"type": "array", "items": _STRING},
    platform=_STRING,
    inputs={"type": "array", "items": _TENSOR},
    outputs={"type": "array", "items": _TENSOR},
)


def _infer(served: Served) -> Document:
    name = {"type": "string", "minLength": 1, "maxLength": tensors.LONGEST_NAME}
    size = {"type": "integer", "minimum": 0, "maximum": 2**31 - 1}
    given = _object(
        {"data": {"type": "array"}, "parameters": _object({"binary_data_size": size})},
        name=name,
        datatype={"enum": list(tensors.DTYPES)},
        shape={"type": "array", "items": size, "minItems": 1, "maxItems": tensors.MOST_DIMENSIONS},
    )
    output = _object({"parameters": _object({"binary_data": _BOOLEAN})}, name=name)
    asked = _object(
        {
            "id": _STRING,
            "parameters": {"type": "object"},
            "outputs": {"type": "array", "items": output},
            "model_name": {"const": served.name},
            "model_version": _STRING,
        },
        inputs={"type": "array", "items": given, "minItems": 1},
    )
    told = _object(
        {"data": {"type": "array"}, "parameters": _object(binary_data_size=_INTEGER)},
        name=_STRING,
        datatype={"enum": list(tensors.DTYPES)},
        shape={"type": "array", "items": _INTEGER},
    )
    answer = _object(
        {"id": _STRING},
        model_name=_STRING,
        model_version=_STRING,
        outputs={"type": "array", "items": told},
    )
    binary = {"schema": {"type": "string", "format": "binary"}}
    return _operation(
        "Tensors in, tensors out; binary ones follow the JSON",
        {
            "200": {
                "description": "The outputs",
                "content": {_JSON: {"schema": answer}, "application/octet-stream": binary},
            }
        },
        requestBody={"required": True, "content": {_JSON: {"schema": asked}}},
    )


_OPENAI_ERROR = _object(
    error=_object(message=_STRING, type=_STRING, param={"type": "null"}, code=_STRING)
)
_USAGE = _object({"completion_tokens": _INTEGER}, prompt_tokens=_INTEGER, total_tokens=_INTEGER)


def _named(registry: Registry, task: str) -> list[str]:
    return [served.name for served in registry.values() if served.task == task]


def _structs(registry: Registry) -> Document:
    """Schemas of the requests of OpenAI's endpoints, with the names of the models that fit."""
    _, found = msgspec.json.schema_components(
        [openai.CompletionRequest, openai.EmbeddingRequest],
        ref_template="#/components/schemas/{name}",
    )
    for name, task in (
        ("CompletionRequest", "text-generation"),
        ("EmbeddingRequest", "text-embedding"),
    ):
        found[name]["properties"]["model"] = {"enum": _named(registry, task)}
    return found


def _form_fields(struct: type[msgspec.Struct]) -> Document:
    """The fields of a form: those of a struct, which in a form are absent instead of null."""
    (found,) = msgspec.json.schema_components([struct])[1].values()
    properties: Document = found["properties"]
    for name, schema in properties.items():
        if "anyOf" in schema:
            (properties[name],) = (one for one in schema["anyOf"] if one != {"type": "null"})
    return properties


def _openai(registry: Registry) -> Document:
    paths: Document = {}

    def add(path: str, task: str, summary: str, responses: Document, body: Document) -> None:
        if _named(registry, task):
            paths[path] = {
                "post": _operation(
                    summary,
                    responses,
                    fails="OpenAIError",
                    requestBody={"required": True, "content": body},
                )
            }

    choice = _object(
        index=_INTEGER,
        text=_STRING,
        logprobs={"type": ["object", "null"]},
        finish_reason={"enum": ["stop", "length"]},
    )
    head = {"id": _STRING, "object": _STRING, "created": _INTEGER, "model": _STRING}
    answered: Document = {
        "200": {
            "description": "The text, or its pieces as server-sent events",
            "content": {
                _JSON: {
                    "schema": _object(
                        **head, choices={"type": "array", "items": choice}, usage=_USAGE
                    )
                },
                "text/event-stream": {"schema": _STRING},
            },
        }
    }
    add(
        "/v1/completions",
        "text-generation",
        "Continue prompts",
        answered,
        {_JSON: {"schema": {"$ref": "#/components/schemas/CompletionRequest"}}},
    )
    vector = _object(
        object=_STRING,
        index=_INTEGER,
        embedding={"anyOf": [_STRING, {"type": "array", "items": {"type": "number"}}]},
    )
    add(
        "/v1/embeddings",
        "text-embedding",
        "Texts as vectors",
        {
            "200": _json(
                _object(
                    object=_STRING,
                    data={"type": "array", "items": vector},
                    model=_STRING,
                    usage=_USAGE,
                )
            )
        },
        {_JSON: {"schema": {"$ref": "#/components/schemas/EmbeddingRequest"}}},
    )
    fields = {
        **_form_fields(openai.TranscriptionRequest),
        "model": {"enum": _named(registry, "speech-recognition")},
        "file": {"type": "string", "format": "audio-file"},
    }
    form = {
        "type": "object",
        "required": ["file", "model"],
        "properties": fields,
        "additionalProperties": False,
    }
    texts = {
        kind: {"schema": _STRING} for kind in ("text/plain", "text/vtt", "application/x-subrip")
    }
    add(
        "/v1/audio/transcriptions",
        "speech-recognition",
        "What is said in a recording",
        {
            "200": {
                "description": "The transcript",
                "content": {
                    _JSON: {
                        "schema": {
                            "type": "object",
                            "required": ["text"],
                            "properties": {"text": _STRING},
                        }
                    },
                    **texts,
                },
            }
        },
        {"multipart/form-data": {"schema": form}},
    )
    return paths
