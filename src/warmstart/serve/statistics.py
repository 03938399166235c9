"""Statistics of a model since it was loaded, in the form of Triton's statistics extension."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Duration:
    """A count of events, and their total duration."""

    count: int = 0
    seconds: float = 0.0

    def add(self, count: int, seconds: float) -> None:
        self.count += count
        self.seconds += seconds

    def to_dict(self) -> dict[str, int]:
        return {"count": self.count, "ns": round(self.seconds * 1e9)}


@dataclass
class Statistics:
    """Counts of one model; threads may add at the same time."""

    last: float = 0.0
    success: Duration = field(default_factory=Duration)
    failure: Duration = field(default_factory=Duration)
    queue: Duration = field(default_factory=Duration)
    batches: dict[int, Duration] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, size: int, seconds: float, waits: Sequence[float], failures: int) -> None:
        """Record one batch: its size, duration, the waiting time of each input, and how many failed."""
        with self._lock:
            self.last = time.time()
            self.success.add(size - failures, seconds * (size - failures) + sum(waits))
            self.failure.add(failures, seconds * failures)
            self.queue.add(size, sum(waits))
            self.batches.setdefault(size, Duration()).add(1, seconds)

    def to_dict(self) -> dict[str, Any]:
        """In the form of Triton's extension; preprocessing is part of `compute_infer`."""
        with self._lock:
            computed = Duration()
            for duration in self.batches.values():
                computed.add(duration.count, duration.seconds)
            empty = Duration().to_dict()
            return {
                "last_inference": round(self.last * 1000),
                "inference_count": self.success.count,
                "execution_count": computed.count,
                "inference_stats": {
                    "success": self.success.to_dict(),
                    "fail": self.failure.to_dict(),
                    "queue": self.queue.to_dict(),
                    "compute_input": empty,
                    "compute_infer": computed.to_dict(),
                    "compute_output": empty,
                    "cache_hit": empty,
                    "cache_miss": empty,
                },
                "batch_stats": [
                    {
                        "batch_size": size,
                        "compute_input": empty,
                        "compute_infer": duration.to_dict(),
                        "compute_output": empty,
                    }
                    for size, duration in sorted(self.batches.items())
                ],
            }
