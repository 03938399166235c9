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
    """Counters and histograms; `model` is empty for requests that concern none."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)

        def make(
            kind: type, name: str, what: str, labels: tuple[str, ...], **more: object
        ) -> object:
            return kind(f"warmstart_{name}", what, labels, registry=self.registry, **more)

        self._requests: Counter = make(  # type: ignore[assignment]
            Counter,
            "requests",
            "Requests by model, status and reason",
            ("model", "status", "reason"),
        )
        self._seconds: Histogram = make(  # type: ignore[assignment]
            Histogram,
            "request_seconds",
            "From the request's headers to the end of its answer",
            ("model",),
            buckets=SECONDS,
        )
        self._queue: Histogram = make(  # type: ignore[assignment]
            Histogram,
            "queue_seconds",
            "What each input waited for its turn",
            ("model",),
            buckets=SECONDS,
        )
        self._inference: Histogram = make(  # type: ignore[assignment]
            Histogram,
            "inference_seconds",
            "What each batch, or step of generated texts, took, preprocessing included",
            ("model",),
            buckets=SECONDS,
        )
        self._batch: Histogram = make(  # type: ignore[assignment]
            Histogram,
            "batch_size",
            "Inputs of each batch, or step of generated texts",
            ("model",),
            buckets=SIZES,
        )
        self._first: Histogram = make(  # type: ignore[assignment]
            Histogram,
            "first_text_seconds",
            "From a prompt's coming to its first generated text",
            ("model",),
            buckets=SECONDS,
        )
        self._reloads: Counter = make(  # type: ignore[assignment]
            Counter,
            "reloads",
            "Changed bundles by outcome: loaded or refused",
            ("model", "outcome"),
        )
        self.open: Gauge = Gauge(
            "warmstart_open_requests", "Requests that are being answered", registry=self.registry
        )

    def request(self, model: str, status: int, reason: str, seconds: float) -> None:
        """One answered request; `reason` is "ok" or that of the refusal."""
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

    def gauge(self, name: str, what: str, values: Callable[[], Mapping[str, float]]) -> None:
        """Show a value of each model, computed when it is asked for."""

        class Computed(Collector):
            def collect(self) -> list[GaugeMetricFamily]:
                family = GaugeMetricFamily(f"warmstart_{name}", what, labels=["model"])
                for model, value in values().items():
                    family.add_metric([model], value)
                return [family]

        self.registry.register(Computed())

    def text(self) -> bytes:
        """All of them, in Prometheus' text format."""
        return generate_latest(self.registry)
