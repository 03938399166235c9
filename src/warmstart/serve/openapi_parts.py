"""Pieces of an OpenAPI document: objects, contents, operations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Document = dict[str, Any]
JSON = "application/json"
BOOLEAN: Document = {"type": "boolean"}
STRING: Document = {"type": "string"}
INTEGER: Document = {"type": "integer"}
STRINGS: Document = {"type": "array", "items": STRING}


def open_object(**properties: Any) -> Document:
    """An object that may have more properties than these."""
    return {"type": "object", "required": list(properties), "properties": properties}


def closed_object(optional: Mapping[str, Any] | None = None, **properties: Any) -> Document:
    return {
        "type": "object",
        "required": list(properties),
        "additionalProperties": False,
        "properties": {**properties, **(optional or {})},
    }


def content(media: str, schema: Any) -> Document:
    return {"description": "The response", "content": {media: {"schema": schema}}}


def json_content(schema: Any) -> Document:
    return content(JSON, schema)


def operation(
    summary: str, responses: Document, *, error_schema: str = "Error", **more: Any
) -> Document:
    refused = {
        "description": "The request was refused; the error says why",
        "content": {JSON: {"schema": {"$ref": f"#/components/schemas/{error_schema}"}}},
    }
    return {"summary": summary, **more, "responses": {**responses, "4XX": refused, "5XX": refused}}


ERROR = closed_object(error=STRING)
OPENAI_ERROR = closed_object(
    error=closed_object(message=STRING, type=STRING, param={"type": "null"}, code=STRING)
)
