"""The description of a model in `GET /v1/models`, and the headers of the page."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from warmstart.core.task import task_of
from warmstart.core.wire import wire_of
from warmstart.hub import home
from warmstart.serve import options
from warmstart.serve.openai_fields import COMPLETION

if TYPE_CHECKING:
    from warmstart.core.input_kind import InputKind
    from warmstart.core.model import Model
    from warmstart.serve.registry import ServedModel
    from warmstart.serve.settings import Settings

PAGE = Path(__file__).with_name("page")
EMBEDDED = Path(__file__).parents[1] / "embedded"
PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "media-src blob:; connect-src 'self'; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(self)",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
"""Only files of this server are loaded and run; files that people choose are shown from memory
(`blob:`).
"""
WIDTHS = {"float32": 4, "bfloat16": 2, "int8": 1}
"""Bytes of a weight."""
STREAM = {
    "path": "/v1/completions",
    "options": {
        name: COMPLETION.get(name, name)
        for name in ("max_new_tokens", "temperature", "top_p", "stop", "seed")
    },
    "required": ["max_new_tokens", "temperature"],
}
"""The endpoint that sends a text while it is generated: its names of the task's options, and the options
that a request must set, because their defaults differ there."""


def description(served: ServedModel, settings: Settings) -> dict[str, Any]:
    """A model as JSON values: JSON Schemas of its inputs, options and results, and its card."""
    model, input_kind, task = served.model, served.input_kind, task_of(served.task)
    return {
        "id": served.name,
        "object": "model",
        "created": int(served.loaded),
        "owned_by": "warmstart",
        "task": task.name,
        "task_title": task.title,
        "task_summary": task.summary,
        "verb": task.verb,
        "title": model.entry.title,
        "version": str(served.version),
        "labels": len(model.labels),
        "classes": getattr(model, "classes", ()),
        "input": input_kind.name,
        "input_noun": input_kind.noun,
        "input_schema": input_kind.schema,
        "accepts": list(input_kind.media),
        "suffixes": sorted(input_kind.suffixes),
        "source": _source(served),
        "examples": examples(model, input_kind) or [{"input": sample} for sample in model.samples],
        "example_options": dict(task.sample_options),
        "options": options.schemas(model, settings),
        "result_schema": wire_of(model.result, embed=True).schema(),
        "max_body": settings.max_body,
        "stream": STREAM if hasattr(model, "stream_text") else None,
        **_facts(served),
    }


def examples(model: Model[Any, Any, Any], input_kind: InputKind) -> list[dict[str, str]]:
    """The files of the page that suit the model: each with its label and its address on the server.

    Photos suit a model if it has a label for the object in at least one of them: a model of blood
    cells cannot classify a cat.
    """
    labels = " ".join(label.name for label in model.labels).lower()
    words = set(re.findall(r"\w+", labels))
    files = _files(input_kind.name)
    suits = not words or not input_kind.is_file or any(file["label"] in words for file in files)
    return files if suits else []


@cache
def _files(name: str) -> list[dict[str, str]]:
    files = sorted((PAGE / "examples" / name).glob("*.*"))
    return [
        {"label": file.stem.replace("-", " "), "file": f"page/examples/{name}/{file.name}"}
        for file in files
    ]


def _source(served: ServedModel) -> str:
    """The argument of `ws.load` for users: a name, or a placeholder for a path on the server."""
    name, folder = served.model.entry.name, served.model.folder
    is_public = folder is None or folder.is_relative_to(EMBEDDED) or folder.is_relative_to(home())
    return name if is_public else f"path/of/{served.name}"


def _memory(served: ServedModel) -> int:
    """Bytes of the weights in memory; those of a program with int8 weights are its file's."""
    model = served.model
    if "int8" in served.stored_precision:
        return model.engine.size
    return model.entry.parameters * WIDTHS[model.precision]


def _facts(served: ServedModel) -> dict[str, Any]:
    """The facts of a model's card; `bytes` is the memory of its weights."""
    model, entry = served.model, served.model.entry
    return {
        "licence": entry.licence,
        "parameters": entry.parameters,
        "bytes": _memory(served),
        "engine": model.engine.name,
        "precision": model.precision,
        "architecture": entry.architecture,
        "context": getattr(model, "max_length", None),
        "paper": entry.paper,
        "metrics": [
            {
                "name": metric.name,
                "value": metric.value,
                "dataset": metric.dataset,
                "source": metric.source,
            }
            for metric in entry.metrics
        ],
    }
