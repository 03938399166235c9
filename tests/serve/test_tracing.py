"""Requests as spans of OpenTelemetry, with an exporter in memory."""

import pytest
from starlette.testclient import TestClient

import warmstart as ws

pytest.importorskip("opentelemetry.sdk")

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from warmstart.serve.app import create_app
from warmstart.serve.settings import Settings

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture(scope="module")
def exporter():
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return exporter


@pytest.fixture(scope="module")
def client(exporter):
    app = create_app({"film": ws.load("sst2_bert_tiny")}, Settings(tracing=True))
    with TestClient(app, base_url="http://localhost") as client:
        yield client


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "name", "model"),
    [
        (
            "POST",
            "/v1/predict/film",
            {"inputs": ["great"]},
            200,
            "POST /v1/predict/{model}",
            "film",
        ),
        ("GET", "/v2/models/film/ready", None, 200, "GET /v2/models/{model}/ready", "film"),
        ("GET", "/v2/health/live", None, 200, "GET /v2/health/live", None),
        ("GET", "/nothing/here", None, 404, "GET", None),
    ],
)
def test_a_request_is_a_span(exporter, client, method, path, body, status, name, model):
    exporter.clear()
    answer = client.request(method, path, json=body, headers={"traceparent": PARENT})
    assert answer.status_code == status
    (span,) = exporter.get_finished_spans()
    assert span.name == name
    assert span.kind is trace.SpanKind.SERVER
    assert f"{span.context.trace_id:032x}" in PARENT
    assert f"{span.parent.span_id:016x}" in PARENT
    attributes = dict(span.attributes)
    assert attributes["http.response.status_code"] == status
    assert attributes["http.request.method"] == method
    assert attributes.get("warmstart.model") == model
    assert "great" not in str(attributes)


def test_no_spans_unless_asked_for(exporter):
    exporter.clear()
    app = create_app({"film": ws.load("sst2_bert_tiny")}, Settings())
    with TestClient(app, base_url="http://localhost") as client:
        assert client.get("/v2/health/live").status_code == 200
    assert not exporter.get_finished_spans()
