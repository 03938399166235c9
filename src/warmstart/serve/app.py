"""The ASGI application: routes to the protocols, around one registry of models."""

from __future__ import annotations

import mimetypes
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from warmstart.serve import v2
from warmstart.serve.card import PAGE, PAGE_HEADERS, description
from warmstart.serve.errors import Refused, error_body
from warmstart.serve.metrics import CONTENT_TYPE, Metrics
from warmstart.serve.middleware import RequestMiddleware
from warmstart.serve.openai import completions, embeddings
from warmstart.serve.openai_audio import speech, transcriptions
from warmstart.serve.openapi import document
from warmstart.serve.predict import predict
from warmstart.serve.preview import preview
from warmstart.serve.registry import Registry, ServedModel
from warmstart.serve.settings import Settings
from warmstart.serve.state import State, json_response, state_of
from warmstart.serve.tracing import Tracing

if TYPE_CHECKING:
    from warmstart.core.model import Model

mimetypes.add_type(
    "text/javascript", ".js"
)  # some systems say text/plain, which browsers do not run

GAUGES: Mapping[str, tuple[str, Callable[[ServedModel], float]]] = {
    "pending": ("Inputs waiting in the queue", lambda served: served.waiting),
    "running": ("Batches being computed", lambda served: served.running),
    "cached_tokens": (
        "Cached tokens reserved by texts being generated, of --max-cached-tokens",
        lambda served: served.cached_tokens,
    ),
    "model_ready": ("Whether the model is ready, 1 or 0", lambda served: served.is_ready()),
}


def _values(registry: Registry, value: Callable[[ServedModel], float]) -> dict[str, float]:
    return {name: value(served) for name, served in registry.items()}


def create_app(
    models: Mapping[str, Model[Any, Any, Any]], settings: Settings | None = None
) -> Starlette:
    """The server as an ASGI application; `server.run` runs it.

    Args:
        models: by the names they are served under.
        settings: limits and switches.

    Returns:
        The application; `.state.warmstart` is its `State`.

    Raises:
        UsageError: there are no models, or a name is invalid.
    """
    settings, metrics = settings or Settings(), Metrics()
    state = State(settings, Registry(models, settings, metrics), metrics)
    for name, (help, value) in GAUGES.items():
        metrics.gauge(name, help, partial(_values, state.registry, value))
    app = Starlette(
        routes=[  # the most frequent first
            Route("/v2/models/stats", v2.model_statistics, methods=["GET"]),
            *(
                Route(f"/v2/models/{{model}}{version}{path}", endpoint, methods=[method])
                for path, endpoint, method in (
                    ("/infer", v2.infer, "POST"),
                    ("", v2.model_metadata, "GET"),
                    ("/ready", v2.model_ready, "GET"),
                    ("/config", v2.model_config, "GET"),
                    ("/stats", v2.model_statistics, "GET"),
                )
                for version in ("", "/versions/{version}")
            ),
            Route("/v1/predict/{model}", predict, methods=["POST"]),
            Route("/v1/completions", completions, methods=["POST"]),
            Route("/v1/embeddings", embeddings, methods=["POST"]),
            Route("/v1/audio/transcriptions", transcriptions, methods=["POST"]),
            Route("/v1/audio/speech", speech, methods=["POST"]),
            Route("/v1/models", models_list, methods=["GET"]),
            Route("/v1/models/{model}", model_info, methods=["GET"]),
            *(Route(path, v2.server_metadata, methods=["GET"]) for path in ("/v2", "/v2/")),
            Route("/v2/health/live", v2.live, methods=["GET"]),
            Route("/v2/health/ready", v2.ready, methods=["GET"]),
            Route("/openapi.json", _openapi, methods=["GET"]),
            Route("/metrics", _metrics, methods=["GET"]),
            Route("/", _page, methods=["GET"]),
            Route("/preview", preview, methods=["POST"]),
            Mount("/page", _PageFiles(directory=PAGE)),
        ],
        exception_handlers={HTTPException: _http_error},
    )
    app.state.warmstart = state
    app.add_middleware(
        RequestMiddleware,
        state=state,
        direct={("/v1/predict/", ""): predict, ("/v2/models/", "/infer"): v2.infer},
    )
    if settings.tracing:
        app.add_middleware(Tracing)
    return app


class _PageFiles(StaticFiles):
    """The page's files, with its headers."""

    def file_response(self, *arguments: Any, **named: Any) -> Response:
        response = super().file_response(*arguments, **named)
        response.headers.update(PAGE_HEADERS)
        return response


async def _page(request: Request) -> Response:
    return FileResponse(PAGE / "index.html", headers=PAGE_HEADERS)


async def _openapi(request: Request) -> Response:
    state = state_of(request)
    return json_response(document(state.registry, state.settings))


async def _metrics(request: Request) -> Response:
    return Response(state_of(request).metrics.text(), media_type=CONTENT_TYPE)


async def models_list(request: Request) -> Response:
    """The models, in the form of OpenAI's list, each with its inputs, options and results."""
    state = state_of(request)
    data = [description(served, state.settings) for served in state.registry.values()]
    return json_response({"object": "list", "data": data})


async def model_info(request: Request) -> Response:
    """One model."""
    state = state_of(request)
    served = state.registry.find(request.path_params["model"])
    return json_response(description(served, state.settings))


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    message = {
        404: "There is nothing at this path; /openapi.json lists all paths.",
        405: "This path does not support this method.",
    }.get(error.status_code, str(error.detail))
    reason = {404: "unknown_address", 405: "wrong_method"}.get(error.status_code, "refused")
    refused = Refused(error.status_code, reason, message, error.headers)
    content = error_body(refused, request.url.path)
    return json_response(content, error.status_code, refused.headers)
