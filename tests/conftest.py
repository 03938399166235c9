"""Shared fixtures: a cache of its own for every test, and the real data where it is present."""

import gc
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from importlib.util import find_spec
from itertools import count
from pathlib import Path

import pytest
from hypothesis import settings
from tests import warm_compiler
from tests.faults.table import BY_TEST

pytest_plugins = ["tests.fixtures", "tests.ray_cluster"]
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Tests run side by side already, a process on each processor.
for name in ("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")
# Graphs by the thousand live long: looking through them takes a sixth of the time.
gc.set_threshold(100_000, 50, 100)
# How long an example takes depends on what else the machine does.
settings.register_profile("without deadlines", deadline=None)
settings.load_profile("without deadlines")
SHARED = Path(
    os.environ.get("WARMSTART_SHARED_DATA", Path(__file__).parents[2] / "shared" / "data")
)

SLOW = (
    "tests/bulk/test_ray.py",
    "tests/checkpoints/test_memory.py",
    "tests/cli/test_evaluate.py",
    "tests/cli/test_streams.py",
    "tests/core/test_records_properties.py",
    "tests/engines/test_store.py",
    "tests/hub/test_processes.py",
    "tests/image/test_embedded.py",
    "tests/image/train/test_pick.py",
    "tests/oracles/",
    "tests/serve/page/",
    "tests/serve/test_contract.py",
    "tests/serve/test_access.py",
    "tests/serve/test_life.py",
    "tests/serve/test_reload.py",
    "tests/speech/test_embedded_speaker.py",
    "tests/speech/test_real_whisper.py",
    "tests/typing/",
)
"""What `make fast` leaves out besides TensorFlow: more than two seconds of processor time, or many
processes.
"""
RAY = ("tests/training/test_ray.py", "tests/bulk/test_ray.py", "tests/bulk/test_ray_nodes.py")
"""Run by one process, in this order: clusters of Ray disturb each other, and the first two share
one.
"""
LONGEST = {
    RAY: 190,
    ("tests/test_how_tos.py",): 200,
    ("tests/speech/test_real_whisper.py",): 150,
    ("tests/test_tutorials.py",): 110,
    ("tests/image/train/test_detection_segmentation.py",): 100,
    ("tests/image/train/test_dfine.py",): 75,
    ("tests/text/train/test_encoder.py",): 70,
    ("tests/speech/train/test_whisper.py",): 60,
    ("tests/models/image/test_keras_applications.py",): 60,
    ("tests/core/test_exporting.py",): 40,
    ("tests/series/train/test_forecasting.py",): 40,
    ("tests/training/test_trainers.py",): 40,
    ("tests/typing/test_typing.py",): 30,
    ("tests/image/train/test_classification.py",): 30,
    ("tests/image/train/test_network.py",): 30,
    ("tests/image/test_detection_segmentation.py",): 30,
    ("tests/speech/train/test_recognition.py",): 25,
    ("tests/core/test_int8.py",): 25,
    ("tests/checkpoints/test_folded.py",): 20,
    ("tests/text/train/test_refit.py",): 20,
}
"""Files -> roughly how many seconds they take in a run of all tests."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    """Mark slow tests, and order all of them."""
    for item in items:
        if item.nodeid.startswith(SLOW):
            item.add_marker("slow")
        if fault := BY_TEST.get(item.nodeid.partition("[")[0]):
            item.add_marker(pytest.mark.fault(fault.surface, fault.injected, fault.expected))
    processes = getattr(config, "workerinput", {}).get("workercount", 1)
    items[:] = longest_first(items, processes)


def longest_first(items, processes):
    """The items in an order in which each process begins with some of the longest files, so that
    only short tests are left at the end.

    xdist gives each process an equal part of the list, and what one has not begun later to those
    that have nothing left to do.
    """
    rest = {}
    for item in items:
        rest.setdefault(item.nodeid.partition("::")[0], []).append(item)
    parts, seconds = [[] for _ in range(processes)], [0] * processes
    for files, duration in LONGEST.items():
        index = seconds.index(min(seconds))
        seconds[index] += duration
        parts[index] += [item for file in files for item in rest.pop(file, ())]
    short = [item for file in rest.values() for item in file]
    ordered = []
    for number, part in enumerate(parts):
        size = (len(items) - len(ordered)) // (processes - number)
        count = max(0, size - len(part))
        ordered += part + short[:count]
        del short[:count]
    return ordered + short


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    """A file that cannot be imported without Keras is skipped where there is none."""
    report = yield
    if (
        report.failed
        and find_spec("keras") is None
        and "No module named 'keras'" in str(report.longrepr)
    ):
        report.outcome, report.longrepr = "skipped", (str(collector.path), 0, "needs Keras")
    return report


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real weights, photos, text, speech and series; skips where it is absent."""
    if not SHARED.is_dir():
        pytest.skip("the folder of real data is not here (WARMSTART_SHARED_DATA)")
    return SHARED


@pytest.fixture(scope="session", autouse=True)
def _cache_of_the_run(tmp_path_factory):
    """What fixtures of whole modules compile lies in a cache of this run, never in the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WARMSTART_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("WARMSTART_FIRST_CALL", "wait")  # no test compiles beside others
        yield


@pytest.fixture(scope="session")
def _homes(tmp_path_factory) -> Iterator[Path]:
    """New folders. `tmp_path_factory.mktemp` looks through all older ones each time, which takes
    half a minute of a whole run.
    """
    parent = tmp_path_factory.mktemp("homes")
    return (parent / str(number) for number in count())


@pytest.fixture(autouse=True)
def _own_cache(_homes, monkeypatch):
    """Every test has an empty cache, is online, and never meets the user's own settings."""
    for name in (
        "WARMSTART_OFFLINE",
        "HF_HUB_OFFLINE",
        "WARMSTART_MIRROR",
        "HF_ENDPOINT",
        "HF_TOKEN",
        "HF_TOKEN_PATH",
        "HF_HUB_CACHE",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", os.devnull)
    home = next(_homes)
    home.mkdir()
    monkeypatch.setenv("WARMSTART_HOME", str(home))


@pytest.fixture(scope="session", autouse=True)
def _warm_compiler():
    """Compiling takes half as long where TensorFlow need not be imported for it, and no time where
    it was done before; see `warm_compiler`."""
    warm_compiler.use()


@pytest.fixture(scope="session", autouse=True)
def _no_stack_for_each_operation():
    """TensorFlow stores the stack of every operation of a graph for its messages. Under pytest that
    is deep, and takes up to a tenth of a small training; so all operations have the same one.
    """
    with pytest.MonkeyPatch.context() as patch:
        if "tensorflow" in sys.modules:
            from tensorflow.python.util import tf_stack

            stack = tf_stack.extract_stack()
            patch.setattr(tf_stack, "extract_stack", lambda stacklevel=1: stack)
        yield


@pytest.fixture(scope="session", autouse=True)
def _graphs_run_as_they_are():
    """Before a graph runs for the first time, TensorFlow optimises it. That takes a quarter of a
    small training, and only changes how results are rounded. Processes that tests start do it.
    """
    if "tensorflow" in sys.modules:
        import tensorflow as tf

        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})


@pytest.fixture(scope="session", autouse=True)
def _engines_are_timed_once():
    """A program is timed once in a run, not in the empty cache of each test, and by three calls a
    round, not for a fifth of a second: which engine is the fastest depends on the machine, so no
    test asserts it. The tests of engines undo it.
    """
    from warmstart.engines import choose

    times = {}

    class Measured(type(choose.MEASURED)):
        def read(self):
            return times | super().read()

        def update(self, key, value):
            super().update(key, value)
            times[key] = value

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(choose, "measure", partial(choose.measure, seconds=0.0))
        patch.setattr(choose, "MEASURED", Measured(choose.MEASURED.name))
        yield


def pytest_sessionstart(session):
    """Start the compiler that all processes of the run share; it imports TensorFlow for its first
    job.
    """
    if "PYTEST_XDIST_WORKER" in os.environ or not hasattr(os, "pidfd_open"):
        return
    folder = Path(tempfile.mkdtemp(prefix="warmstart-compiler-"))
    socket, results = folder / "socket", folder / "results"
    results.mkdir()
    server = subprocess.Popen(
        [sys.executable, warm_compiler.__file__, socket, results],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "KERAS_BACKEND": "tensorflow"},
    )
    while not socket.exists() and server.poll() is None:
        time.sleep(0.01)
    os.environ[warm_compiler.ADDRESS] = str(socket)

    def stop():
        server.terminate()
        server.wait()
        del os.environ[warm_compiler.ADDRESS]
        shutil.rmtree(folder)

    session.config.add_cleanup(stop)
