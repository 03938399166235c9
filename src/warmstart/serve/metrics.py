"""Prometheus metrics of one server."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

SECONDS = (
    0.0005,
    0.001,
    0.002,
    0.005,
    0.01,
    0.02,
    0.05,
    0.1,
    0.2,
    0.5,
    1.0,
    2.0,
    5.0,
    10.0,
    30.0,
    60.0,
)
SIZES = (1, 2, 4, 8, 16, 32, 64)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """Counters and histograms; `model` is empty for requests that name no model."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)

        def counter(name: str, help: str, *labels: str) -> Counter:
            return Counter(f"warmstart_{name}", help, labels, registry=self.registry)

        def histogram(name: str, help: str, buckets: Sequence[float] = SECONDS) -> Histogram:
            return Histogram(
                f"warmstart_{name}", help, ("model",), registry=self.registry, buckets=buckets
            )

        self._requests = counter(
            "requests", "Requests by model, status and reason", "model", "status", "reason"
        )
        self._seconds = histogram(
            "request_seconds", "From the request's headers to the end of the response"
        )
        self._queue = histogram("queue_seconds", "Time that each input waited in the queue")
        self._inference = histogram(
            "inference_seconds",
            "Time of each batch, or step of generated texts, including preprocessing",
        )
        self._batch = histogram(
            "batch_size", "Inputs of each batch, or step of generated texts", SIZES
        )
        self._first = histogram(
            "first_text_seconds", "From the arrival of a prompt to its first generated text"
        )
        self._reloads = counter(
            "reloads", "Changed bundles by outcome: loaded or refused", "model", "outcome"
        )
        self.open_requests: Gauge = Gauge(
            "warmstart_open_requests", "Requests in progress", registry=self.registry
        )

    def request(self, model: str, status: int, reason: str, seconds: float) -> None:
        """Record one request; `reason` is "ok" or that of the refusal."""
        self._requests.labels(model, str(status), reason).inc()
        self._seconds.labels(model).observe(seconds)

    def batch(self, model: str, size: int, seconds: float, waited: Sequence[float]) -> None:
        """Record one batch of a model, or one step of a continuous batch; `waited`: seconds that
        each new input waited.
        """
        self._batch.labels(model).observe(size)
        self._inference.labels(model).observe(seconds)
        queue = self._queue.labels(model)
        for each in waited:
            queue.observe(each)

    def first_text(self, model: str, seconds: float) -> None:
        """Record the seconds from the arrival of a prompt to its first text."""
        self._first.labels(model).observe(seconds)

    def reload(self, model: str, outcome: str) -> None:
        self._reloads.labels(model, outcome).inc()

    def gauge(self, name: str, help: str, values: Callable[[], Mapping[str, float]]) -> None:
        """Add a gauge with a value per model, computed at each scrape."""

        class Computed(Collector):
            def collect(self) -> list[GaugeMetricFamily]:
                family = GaugeMetricFamily(f"warmstart_{name}", help, labels=["model"])
                for model, value in values().items():
                    family.add_metric([model], value)
                return [family]

        self.registry.register(Computed())

    def text(self) -> bytes:
        """All metrics, in the text format of Prometheus."""
        return generate_latest(self.registry)
