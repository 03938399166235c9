"""The OpenAPI document of one server: its paths, and the inputs and outputs of each served model.

It is built from the declarations by which the endpoints validate requests: the options and results of
the tasks, the types of input, and the structs of `openai`. The tests send thousands of requests that are
generated from it.
"""

from __future__ import annotations

from warmstart.core.task import TASKS
from warmstart.core.wire import wire_of
from warmstart.serve import openapi_openai, options, tensors
from warmstart.serve.openapi_parts import (
    BOOLEAN,
    ERROR,
    INTEGER,
    JSON,
    OPENAI_ERROR,
    STRING,
    STRINGS,
    Document,
    closed_object,
    content,
    json_content,
    open_object,
    operation,
)
from warmstart.serve.registry import Registry, ServedModel
from warmstart.serve.settings import Settings


def document(registry: Registry, settings: Settings) -> Document:
    """The document, as JSON values."""
    from warmstart.version import __version__

    paths: Document = {
        "/": {"get": operation("The web page", {"200": content("text/html", {"type": "string"})})},
        "/metrics": {
            "get": operation(
                "Prometheus metrics", {"200": content("text/plain", {"type": "string"})}
            )
        },
        "/openapi.json": {
            "get": operation("This document", {"200": json_content({"type": "object"})})
        },
        "/v1/models": {
            "get": operation(
                "List the served models", {"200": json_content(_MODELS)}, error_schema="OpenAIError"
            )
        },
        "/v2": {
            "get": operation(
                "Metadata of the server",
                {
                    "200": json_content(
                        closed_object(
                            name={"type": "string"},
                            version={"type": "string"},
                            extensions={"type": "array", "items": {"type": "string"}},
                        )
                    )
                },
            )
        },
        "/v2/health/live": {
            "get": operation(
                "Check that the server is live", {"200": json_content(closed_object(live=BOOLEAN))}
            )
        },
        "/v2/health/ready": {
            "get": operation(
                "Check that the server is ready",
                dict.fromkeys(("200", "503"), json_content(closed_object(ready=BOOLEAN))),
            )
        },
    }
    for served in registry.values():
        paths[f"/v1/models/{served.name}"] = {
            "get": operation(
                "Description of the model",
                {"200": json_content(_MODEL)},
                error_schema="OpenAIError",
            )
        }
        paths[f"/v1/predict/{served.name}"] = {"post": _predict(served, settings)}
        base = f"/v2/models/{served.name}"
        paths[base] = {
            "get": operation(
                "Metadata of the model: its input and output tensors",
                {"200": json_content(_METADATA)},
            )
        }
        paths[f"{base}/ready"] = {
            "get": operation(
                "Check that the model is ready",
                dict.fromkeys(
                    ("200", "503"),
                    json_content(closed_object(name={"type": "string"}, ready=BOOLEAN)),
                ),
            )
        }
        paths[f"{base}/config"] = {
            "get": operation("The model's configuration", {"200": json_content(_CONFIG)})
        }
        paths[f"{base}/stats"] = {
            "get": operation(
                "Statistics of the model's requests", {"200": json_content(_STATISTICS)}
            )
        }
        paths[f"{base}/infer"] = {"post": _infer(served)}
    paths |= openapi_openai.paths(registry)
    specification: Document = {
        "openapi": "3.1.0",
        "info": {
            "title": "warmstart",
            "version": __version__,
            "description": (
                "Pretrained models over a plain protocol, the Open Inference Protocol (version "
                "2), and OpenAI's endpoints."
            ),
        },
        "paths": paths,
        "components": {
            "schemas": {
                "Error": ERROR,
                "OpenAIError": OPENAI_ERROR,
                **openapi_openai.structs(registry, settings),
            }
        },
    }
    if settings.token is not None:
        specification["components"]["securitySchemes"] = {
            "token": {"type": "http", "scheme": "bearer"}
        }
        specification["security"] = [{"token": []}]
        for path in ("/", "/v2/health/live", "/v2/health/ready"):
            paths[path]["get"]["security"] = []
    return specification


_MODEL = open_object(
    id=STRING,
    object=STRING,
    created=INTEGER,
    owned_by=STRING,
    task={"enum": list(TASKS)},
    task_title=STRING,
    task_summary=STRING,
    verb=STRING,
    title=STRING,
    version=STRING,
    labels=INTEGER,
    classes={"type": "array", "items": STRINGS},
    input=STRING,
    input_noun=STRING,
    input_schema={"type": "object"},
    accepts=STRINGS,
    suffixes=STRINGS,
    source=STRING,
    examples={"type": "array", "items": {"type": "object"}},
    example_options={"type": "object"},
    options={"type": "object"},
    max_body=INTEGER,
    result_schema={"type": "object"},
)


_MODELS = closed_object(object=STRING, data={"type": "array", "items": _MODEL})


def _predict(served: ServedModel, settings: Settings) -> Document:
    input_kind, result_class = served.input_kind, served.model.result
    known = options.schemas(served.model, settings)
    input_schema = input_kind.schema
    inputs: Document = {
        "anyOf": [
            input_schema,
            {
                "type": "array",
                "items": input_schema,
                "minItems": 1,
                "maxItems": settings.max_inputs,
            },
        ]
    }
    options_schema = {"type": "object", "properties": known, "additionalProperties": False}
    media: Document = {JSON: {"schema": closed_object({"options": options_schema}, inputs=inputs)}}
    file = {"type": "string", "format": f"{input_kind.name}-file"}
    for name in input_kind.media:
        media[f"{name}*" if name.endswith("/") else name] = {"schema": file}
    if input_kind.media:
        media["multipart/form-data"] = {"schema": closed_object(dict(known), file=file)}
    result = wire_of(result_class, embed=True).schema()
    answers: Document = {
        "anyOf": [
            result,
            closed_object(
                results={
                    "type": "array",
                    "items": {"anyOf": [result, closed_object(input=STRING, error=STRING)]},
                }
            ),
        ]
    }
    content: Document = {JSON: {"schema": answers}}
    for media_type in result_class.media:
        content[media_type] = {"schema": {"type": "string", "format": "binary"}}
    return operation(
        f"{served.model.entry.title}: {served.task}",
        {"200": {"description": "The result", "content": content}},
        parameters=[
            {
                "name": name,
                "in": "query",
                "schema": schema,
                "style": "form",
                "explode": False,
                "description": "The option of this name, for a body that is a file or text",
            }
            for name, schema in known.items()
        ]
        if input_kind.is_file or input_kind.name == "text"
        else [],
        requestBody={"required": True, "content": media},
    )


_TENSOR = closed_object(
    name=STRING,
    datatype={"enum": list(tensors.DTYPES)},
    shape={"type": "array", "items": INTEGER},
)
_METADATA = closed_object(
    name=STRING,
    versions={"type": "array", "items": STRING},
    platform=STRING,
    inputs={"type": "array", "items": _TENSOR},
    outputs={"type": "array", "items": _TENSOR},
)


_CONFIG = open_object(
    name=STRING,
    platform=STRING,
    backend=STRING,
    max_batch_size=INTEGER,
    input={"type": "array", "items": {"type": "object"}},
    output={"type": "array", "items": {"type": "object"}},
)
_STATISTICS = closed_object(
    model_stats={
        "type": "array",
        "items": open_object(
            name=STRING,
            version=STRING,
            last_inference=INTEGER,
            inference_count=INTEGER,
            execution_count=INTEGER,
            inference_stats={"type": "object"},
            batch_stats={"type": "array", "items": {"type": "object"}},
        ),
    }
)


def _infer(served: ServedModel) -> Document:
    name = {"type": "string", "minLength": 1, "maxLength": tensors.MAX_NAME_LENGTH}
    size = {"type": "integer", "minimum": 0, "maximum": 2**31 - 1}
    input_tensor = closed_object(
        {"data": {"type": "array"}, "parameters": closed_object({"binary_data_size": size})},
        name=name,
        datatype={"enum": list(tensors.DTYPES)},
        shape={"type": "array", "items": size, "minItems": 1, "maxItems": tensors.MAX_DIMENSIONS},
    )
    output = closed_object({"parameters": closed_object({"binary_data": BOOLEAN})}, name=name)
    request_schema = closed_object(
        {
            "id": STRING,
            "parameters": {"type": "object"},
            "outputs": {"type": "array", "items": output},
            "model_name": {"const": served.name},
            "model_version": STRING,
        },
        inputs={"type": "array", "items": input_tensor, "minItems": 1},
    )
    output_tensor = closed_object(
        {"data": {"type": "array"}, "parameters": closed_object(binary_data_size=INTEGER)},
        name=STRING,
        datatype={"enum": list(tensors.DTYPES)},
        shape={"type": "array", "items": INTEGER},
    )
    answer = closed_object(
        {"id": STRING},
        model_name=STRING,
        model_version=STRING,
        outputs={"type": "array", "items": output_tensor},
    )
    binary = {"schema": {"type": "string", "format": "binary"}}
    return operation(
        "Predict from tensors; binary tensors follow the JSON",
        {
            "200": {
                "description": "The outputs",
                "content": {JSON: {"schema": answer}, "application/octet-stream": binary},
            }
        },
        requestBody={"required": True, "content": {JSON: {"schema": request_schema}}},
    )
