"""Order, laziness, bounded memory and clean ends of the threads that decode ahead."""

import itertools
import signal
import subprocess
import sys
import textwrap
import threading
import time
import tracemalloc
import weakref

import numpy as np
import pytest

from warmstart.core import prefetch as stream_module
from warmstart.core.inputs import Item
from warmstart.core.prefetch import decoded, default_workers
from warmstart.errors import InputError, UsageError


def items(count: int | None = None):
    for number in itertools.count() if count is None else range(count):
        yield Item(f"item {number + 1}", number)


def threads() -> int:
    return sum(thread.name.startswith("warmstart-decode") for thread in threading.enumerate())


@pytest.fixture(autouse=True)
def _patient(monkeypatch):
    """A busy machine does not count as a slow source."""
    monkeypatch.setattr(stream_module, "SLOW", 60.0)


@pytest.fixture(autouse=True)
def _no_thread_stays():
    yield
    end = time.monotonic() + 5
    while threads() and time.monotonic() < end:
        time.sleep(0.01)
    assert threads() == 0


@pytest.mark.parametrize("workers", [1, 2, 4])
@pytest.mark.parametrize("ahead", [1, 3, 32])
def test_results_come_in_order(workers, ahead):
    def work(item):
        time.sleep(0.003 * (item.value % 3 == 0))  # every third is overtaken by the next two
        return item.value * 10

    results = list(decoded(items(50), work, workers=workers, ahead=ahead))
    assert [item.value for item, _ in results] == list(range(50))
    assert [result for _, result in results] == list(range(0, 500, 10))


def test_nothing_in_nothing_out():
    assert list(decoded([], lambda item: item)) == []


def test_work_runs_in_parallel_with_the_consumer():
    together = threading.Barrier(
        3, timeout=5
    )  # two workers and the consumer meet, or the barrier breaks

    def work(item):
        if item.value in (1, 2):
            together.wait()
        return item.value

    stream = decoded(items(5), work, workers=2)
    assert next(stream)[1] == 0
    together.wait()
    assert [result for _, result in stream] == [1, 2, 3, 4]


def test_an_input_error_is_the_result_of_its_item():
    def work(item):
        if item.value % 10 == 3:
            raise InputError(f"{item.name}: bad", item.name)
        return item.value

    results = list(decoded(items(30), work))
    assert [item.value for item, _ in results] == list(range(30))
    bad = [result for _, result in results if isinstance(result, InputError)]
    assert [error.item for error in bad] == ["item 4", "item 14", "item 24"]


def test_another_exception_is_raised_at_its_place():
    def work(item):
        if item.value == 7:
            raise KeyError("a bug")
        return item.value

    seen: list[int] = []
    with pytest.raises(KeyError, match="a bug") as caught:
        seen.extend(result for _, result in decoded(items(), work))
    assert seen == list(range(7))
    assert caught.value.__notes__ == ["while decoding item 8"]


def test_an_exception_of_the_source_is_raised_at_its_place():
    def broken():
        yield from items(3)
        raise OSError("the camera is gone")

    seen: list[int] = []
    with pytest.raises(OSError, match="camera"):
        seen.extend(result for _, result in decoded(broken(), lambda item: item.value))
    assert seen == [0, 1, 2]


@pytest.mark.parametrize("ahead", [1, 5, 40])
def test_the_source_is_asked_for_no_more_than_ahead(ahead):
    asked = 0

    def source():
        nonlocal asked
        for item in items():
            asked += 1
            yield item

    stream = decoded(source(), lambda item: item.value, ahead=ahead)
    assert asked == 0
    for given_out in range(1, 200):
        next(stream)
        assert asked <= given_out + ahead - 1
    assert asked >= 200 + ahead // 2 - 2  # and it does look ahead
    stream.close()


def test_a_slow_source_does_not_hold_results_back(monkeypatch):
    monkeypatch.setattr(stream_module, "SLOW", 0.005)
    released = threading.Semaphore(0)

    def camera():
        for item in items():
            assert released.acquire(timeout=5)
            time.sleep(0.02)
            yield item

    stream = decoded(camera(), lambda item: item.value, ahead=32)
    for picture in range(5):
        released.release(
            2 if picture == 0 else 1
        )  # picture n is out when n + 1 was taken, not n + 32
        assert next(stream)[1] == picture
    stream.close()


def test_closing_ends_the_threads():
    started = threading.Event()
    release = threading.Event()
    done = []

    def work(item):
        if item.value > 0:
            started.set()
            release.wait(0.2)
        done.append(item.value)

    stream = decoded(items(), work, workers=2, ahead=20)
    next(stream)
    started.wait(5)
    stream.close()
    assert len(done) <= 5  # those in work were finished, those waiting were not begun


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_consumer_that_fails_ends_the_threads(error):
    def consume():
        for item, _ in decoded(items(), lambda item: item.value, workers=2):
            if item.value == 10:
                raise error

    with pytest.raises(error):
        consume()


def test_a_stream_never_begun_has_no_threads():
    stream = decoded(items(), lambda item: item.value)
    assert threads() == 0
    stream.close()


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT to a child there")
def test_control_c_ends_the_process_at_once(tmp_path):
    script = textwrap.dedent(
        """
        import itertools, sys, time
        from warmstart.core.inputs import Item
        from warmstart.core.prefetch import decoded
        def work(item):
            time.sleep(0.05)
            return item
        for item, _ in decoded((Item(str(n), n) for n in itertools.count()), work, workers=2):
            print(item.name, flush=True)
        """
    )
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(
            signal.SIGINT, signal.SIG_DFL
        ),  # a run in the background ignores it
    ) as process:
        assert process.stdout.readline() == b"0\n"
        process.send_signal(2)
        _, errors = process.communicate(timeout=20)
    assert b"KeyboardInterrupt" in errors
    assert b"Exception ignored" not in errors


def test_memory_is_flat_over_many_items():
    alive: weakref.WeakSet = weakref.WeakSet()
    most = 0

    class Result:
        def __init__(self):
            self.array = np.zeros(2000, np.float32)
            alive.add(self)

    def work(item):
        return Result()

    tracemalloc.start()
    early = late = 0
    for item, result in decoded(items(20_000), work, ahead=32):
        assert result.array.shape == (2000,)
        most = max(most, len(alive)) if item.value % 50 == 0 else most
        if item.value == 2_000:
            early = tracemalloc.get_traced_memory()[0]
        elif item.value == 19_000:
            late = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert most <= 32 + 3
    assert late - early < 300_000  # 17,000 results would be 136 MB


def test_defaults():
    assert 1 <= default_workers() <= 4
    for wrong in ({"workers": 0}, {"ahead": 0}):
        with pytest.raises(UsageError):
            decoded([], lambda item: item, **wrong)
