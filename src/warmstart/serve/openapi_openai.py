"""OpenAI's endpoints in the OpenAPI document; each is included if a served model supports it."""

from __future__ import annotations

import msgspec

from warmstart.serve import openai, openai_audio
from warmstart.serve.openai_audio import MEDIA
from warmstart.serve.openapi_parts import (
    INTEGER,
    JSON,
    STRING,
    Document,
    closed_object,
    json_content,
    operation,
)
from warmstart.serve.registry import Registry
from warmstart.serve.settings import Settings

_USAGE = closed_object({"completion_tokens": INTEGER}, prompt_tokens=INTEGER, total_tokens=INTEGER)


def _model_names(registry: Registry, task: str) -> list[str]:
    return [served.name for served in registry.values() if served.task == task]


def structs(registry: Registry, settings: Settings) -> Document:
    """Schemas of the requests of OpenAI's endpoints, with the names of the models that support them."""
    _, schemas = msgspec.json.schema_components(
        [openai.CompletionRequest, openai.EmbeddingRequest, openai_audio.SpeechRequest],
        ref_template="#/components/schemas/{name}",
    )
    for name, task in (
        ("CompletionRequest", "text-generation"),
        ("EmbeddingRequest", "text-embedding"),
        ("SpeechRequest", "audio-generation"),
    ):
        schemas[name]["properties"]["model"] = {"enum": _model_names(registry, task)}
    tokens = schemas["CompletionRequest"]["properties"]["max_tokens"]
    tokens["anyOf"][0]["maximum"] = settings.max_new_tokens
    tokens["default"] = min(openai.MAX_TOKENS, settings.max_new_tokens)
    return schemas


def _form_fields(struct: type[msgspec.Struct]) -> Document:
    """The fields of a form, from a struct. A field of a form may be absent, but not null."""
    (schema,) = msgspec.json.schema_components([struct])[1].values()
    properties: Document = schema["properties"]
    for name, schema in properties.items():
        if "anyOf" in schema:
            (properties[name],) = (
                member for member in schema["anyOf"] if member != {"type": "null"}
            )
    return properties


def paths(registry: Registry) -> Document:
    """Path -> operations."""
    paths: Document = {}

    def add(path: str, task: str, summary: str, responses: Document, body: Document) -> None:
        if _model_names(registry, task):
            paths[path] = {
                "post": operation(
                    summary,
                    responses,
                    error_schema="OpenAIError",
                    requestBody={"required": True, "content": body},
                )
            }

    choice = closed_object(
        index=INTEGER,
        text=STRING,
        logprobs={"type": ["object", "null"]},
        finish_reason={"enum": ["stop", "length"]},
    )
    head = {"id": STRING, "object": STRING, "created": INTEGER, "model": STRING}
    completed: Document = {
        "200": {
            "description": "The text, or its parts as server-sent events",
            "content": {
                JSON: {
                    "schema": closed_object(
                        **head, choices={"type": "array", "items": choice}, usage=_USAGE
                    )
                },
                "text/event-stream": {"schema": STRING},
            },
        }
    }
    add(
        "/v1/completions",
        "text-generation",
        "Complete prompts",
        completed,
        {JSON: {"schema": {"$ref": "#/components/schemas/CompletionRequest"}}},
    )
    vector = closed_object(
        object=STRING,
        index=INTEGER,
        embedding={"anyOf": [STRING, {"type": "array", "items": {"type": "number"}}]},
    )
    add(
        "/v1/embeddings",
        "text-embedding",
        "Compute the embeddings of texts",
        {
            "200": json_content(
                closed_object(
                    object=STRING,
                    data={"type": "array", "items": vector},
                    model=STRING,
                    usage=_USAGE,
                )
            )
        },
        {JSON: {"schema": {"$ref": "#/components/schemas/EmbeddingRequest"}}},
    )
    fields = {
        **_form_fields(openai_audio.TranscriptionRequest),
        "model": {"enum": _model_names(registry, "speech-recognition")},
        "file": {"type": "string", "format": "audio-file"},
    }
    form = {
        "type": "object",
        "required": ["file", "model"],
        "properties": fields,
        "additionalProperties": False,
    }
    texts = {
        media: {"schema": STRING} for media in ("text/plain", "text/vtt", "application/x-subrip")
    }
    add(
        "/v1/audio/transcriptions",
        "speech-recognition",
        "Transcribe a recording",
        {
            "200": {
                "description": "The transcript",
                "content": {
                    JSON: {
                        "schema": {
                            "type": "object",
                            "required": ["text"],
                            "properties": {"text": STRING},
                        }
                    },
                    **texts,
                },
            }
        },
        {"multipart/form-data": {"schema": form}},
    )
    sound = {"schema": {"type": "string", "format": "binary"}}
    add(
        "/v1/audio/speech",
        "audio-generation",
        "Synthesize speech from a text",
        {"200": {"description": "The sound", "content": dict.fromkeys(MEDIA.values(), sound)}},
        {JSON: {"schema": {"$ref": "#/components/schemas/SpeechRequest"}}},
    )
    return paths
