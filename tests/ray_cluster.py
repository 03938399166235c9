"""The fixture `cluster`, a small cluster of Ray, and the warnings of Ray's own code."""

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
MEMORY = 200 * 2**20
"""Bytes of the object store."""
_running: list[str] = []


@pytest.fixture
def cluster() -> str:
    """The address of a cluster of two processors, to which this process is connected.

    Tests that run one after another share it: starting one takes ten seconds.
    """
    if not _running:
        _running.append(_start())
    return _running[0]


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(nextitem: pytest.Item | None) -> None:
    """Stop the cluster before a test that does not use it."""
    if _running and "cluster" not in getattr(nextitem, "fixturenames", ()):
        import ray

        _running.clear()
        ray.shutdown()


def _start() -> str:
    import ray

    os.environ.update(
        RAY_USAGE_STATS_ENABLED="0",
        RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO="0",
        RAY_BACKEND_LOG_LEVEL="fatal",
        RAY_worker_niceness="0",  # by default 15: other tests would run first
    )
    os.environ.pop("RAY_AUTH_MODE", None)  # an earlier test may have set it unnoticed by Ray
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with warnings.catch_warnings(), _fewer_processes():
                warnings.simplefilter("ignore")
                context = ray.init(
                    address="local",  # not the cluster of another worker of the tests
                    num_cpus=2,
                    object_store_memory=MEMORY,
                    include_dashboard=False,
                    log_to_driver=False,
                    logging_level="ERROR",
                )
            break
        except Exception:
            ray.shutdown()
            if attempt == ATTEMPTS:
                raise
    return str(context.address_info["gcs_address"])


@contextmanager
def _fewer_processes() -> Iterator[None]:
    """Nodes start without autoscaler, log monitor and dashboard: each is a process of Python that
    takes seconds to start, and no test uses it.
    """
    from ray._private import node, services

    with pytest.MonkeyPatch.context() as patch:
        for method in ("start_monitor", "start_log_monitor"):
            patch.setattr(node.Node, method, lambda self: None)
        patch.setattr(services, "start_api_server", lambda *arguments, **options: (None, None))
        yield
