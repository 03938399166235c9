"""A small cluster of Ray for tests, and the warnings of Ray's own code."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

# what Ray deprecates within itself, and sockets that it leaves to the garbage collector
OWN_WARNINGS = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning",
    "ignore::FutureWarning",
    "ignore::ResourceWarning",
    "ignore::pytest.PytestUnraisableExceptionWarning",
)
ATTEMPTS = 3
"""On a busy machine Ray gives up after half a minute."""


@contextmanager
def running(object_store_memory: int) -> Iterator[str]:
    """A cluster of two processors; gives its address."""
    import ray

    os.environ.update(
        RAY_USAGE_STATS_ENABLED="0",
        RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO="0",
        RAY_BACKEND_LOG_LEVEL="fatal",
    )
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                context = ray.init(
                    address="local",  # not the cluster of another worker of the tests
                    num_cpus=2,
                    object_store_memory=object_store_memory,
                    include_dashboard=False,
                    log_to_driver=False,
                    logging_level="ERROR",
                )
            break
        except Exception:
            ray.shutdown()
            if attempt == ATTEMPTS:
                raise
    yield context.address_info["gcs_address"]
    ray.shutdown()
