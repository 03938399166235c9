"""OpenTelemetry spans of requests, as the outermost middleware; off by default.

Names and attributes are those of the semantic conventions for HTTP servers,
https://opentelemetry.io/docs/specs/semconv/http/. A request with a `traceparent` header becomes
part of that trace. Inputs and answers are not recorded.
"""

from __future__ import annotations

import contextlib
import re
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from warmstart.errors import require
from warmstart.version import __version__

SERVICE = "warmstart"
MODEL = "warmstart.model"
MODEL_PATH = re.compile(r"(/v\d/(?:predict|models)/)([^/]+)")
"""The beginning of paths that name a model."""
SERVER_ERROR = 500
"""The lowest status code of a server error."""


class Tracing:
    """The middleware; spans go to the tracer provider of the process."""

    def __init__(self, app: ASGIApp):
        require("opentelemetry", extra="otel", purpose="to trace requests")
        from opentelemetry import propagate, trace

        self._app, self._trace, self._propagate = app, trace, propagate
        self._tracer = trace.get_tracer(SERVICE, __version__)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        attributes = {
            "http.request.method": scope["method"],
            "url.path": scope["path"],
            "url.scheme": scope.get("scheme", "http"),
        }
        if agent := headers.get("user-agent"):
            attributes["user_agent.original"] = agent
        context = self._propagate.extract(headers)
        with self._tracer.start_as_current_span(
            scope["method"], context, self._trace.SpanKind.SERVER, attributes
        ) as span:

            async def sent(message: Message) -> None:
                if message["type"] == "http.response.start":
                    self._describe(span, scope, message["status"])
                await send(message)

            await self._app(scope, receive, sent)

    def _describe(self, span: Any, scope: Scope, status: int) -> None:
        """Add route, model and status to a span; the name of the model is not part of the span's
        name.
        """
        span.set_attribute("http.response.status_code", status)
        route = scope["path"]
        if match := MODEL_PATH.match(route):
            span.set_attribute(MODEL, match[2])
            route = f"{match[1]}{{model}}{route[match.end() :]}"
        if status != 404:  # an unknown URL could be anything
            span.set_attribute("http.route", route)
            span.update_name(f"{scope['method']} {route}")
        if status >= SERVER_ERROR:
            span.set_status(self._trace.StatusCode.ERROR)


def export_spans() -> contextlib.ExitStack:
    """Send the spans of this process to the endpoint that OpenTelemetry's environment variables name
    (OTEL_EXPORTER_OTLP_ENDPOINT and others), unless the process has a tracer provider already.

    Returns:
        A context manager that sends the last spans when it is closed.
    """
    require("opentelemetry", extra="otel", purpose="to trace requests")
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    stack = contextlib.ExitStack()
    if not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        return stack
    resource = Resource({SERVICE_NAME: SERVICE}).merge(OTELResourceDetector().detect())
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    stack.callback(provider.shutdown)
    return stack
