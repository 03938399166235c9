"""The system's clock jumps by years, forwards and back, while things are under way."""

from __future__ import annotations

import time
from email.utils import formatdate

import pytest
from tests.photos import CIFAR

import warmstart as ws
from warmstart.core import cancellation
from warmstart.hub import retries
from warmstart.serve.batching import Batcher
from warmstart.serve.reloading import copies

YEAR = 365 * 86_400.0
JUMPS = [
    pytest.param(jump, id=name)
    for name, jump in (("a year on", YEAR), ("a year back", -YEAR), ("to 1970", -time.time()))
]


@pytest.fixture
def jump(monkeypatch):
    real = time.time

    def by(seconds: float) -> None:
        monkeypatch.setattr(time, "time", lambda: real() + seconds)

    return by


@pytest.mark.fault(
    "clock", "the clock jumps while a request waits", "the request is answered and does not expire"
)
@pytest.mark.parametrize("seconds", JUMPS)
def test_requests_do_not_expire(jump, seconds):
    def work(key, values):
        jump(seconds)
        cancellation.check()
        return values

    batcher = Batcher(work)
    (answer,) = batcher.submit("key", [1], time.monotonic() + 60)
    assert answer.result(timeout=10).value == 1
    assert 0 <= answer.result().run_seconds < 10
    batcher.close()
    assert batcher.join(10)


@pytest.mark.fault(
    "clock", "the clock jumps while a server runs", "its copies are not removed as abandoned"
)
@pytest.mark.parametrize("seconds", JUMPS)
def test_copies_in_use_stay(jump, seconds, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with copies() as mine:
        jump(seconds)
        with copies() as other:
            assert mine.is_dir()
            assert other.is_dir()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.fault(
    "clock", "the clock jumps between two loads", "the compiled program is used again"
)
@pytest.mark.parametrize("seconds", JUMPS)
def test_artifacts_are_still_good(jump, seconds, cat_pixels):
    expected = ws.load(CIFAR, engine="litert")(cat_pixels)
    jump(seconds)
    assert ws.load(CIFAR, engine="litert")(cat_pixels) == expected


@pytest.fixture
def cat_pixels():
    import numpy as np

    return np.full((32, 32, 3), 128, np.uint8)


@pytest.mark.fault(
    "clock",
    "the clock is wrong when a server sends a date to wait for",
    "the wait has the length that the server meant",
)
@pytest.mark.parametrize("seconds", JUMPS)
def test_a_date_to_wait_for(jump, seconds):
    now = time.time()
    date, later = formatdate(now, usegmt=True), formatdate(now + 2, usegmt=True)
    jump(seconds)
    assert retries.seconds_to_wait(later, date) == 2
