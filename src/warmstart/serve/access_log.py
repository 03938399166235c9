"""Metrics and the access log of every request, also of those that never reach the application."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

import msgspec

from warmstart.serve.metrics import Metrics

log = logging.getLogger("warmstart.serve.access")


@dataclass
class Request:
    """One request. Times are in seconds; `batch_size` is that of the batch it was in."""

    client: str = ""
    method: str | None = None
    path: str | None = None
    model: str = ""
    status: int = 0
    reason: str = "ok"
    bytes_in: int = 0
    bytes_out: int = 0
    seconds: float = 0.0
    queue_seconds: float | None = None
    inference_seconds: float | None = None
    batch_size: int | None = None

    def write(self, metrics: Metrics) -> None:
        """Count and log it."""
        metrics.request(self.model, self.status, self.reason, self.seconds)
        if not log.isEnabledFor(logging.INFO):
            return
        line = {
            "time": time.time(),
            "client": self.client,
            "method": self.method,
            "path": self.path,
            "model": self.model or None,
            "status": self.status,
            "reason": self.reason,
            "bytes_in": self.bytes_in,
            "bytes_out": self.bytes_out,
            "ms": _milliseconds(self.seconds),
            "queue_ms": _milliseconds(self.queue_seconds),
            "inference_ms": _milliseconds(self.inference_seconds),
            "batch": self.batch_size,
        }
        log.info(msgspec.json.encode(line).decode())


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1e3, 3)
