"""The queue: batches, order, room, deadlines, poisoned inputs, and the end."""

import threading
import time
from concurrent.futures import CancelledError

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from warmstart.errors import UsageError
from warmstart.serve.batching import Batcher
from warmstart.serve.queue import Closed, Expired, Full


class Work:
    """Doubles numbers; waits at a gate; remembers its batches; refuses poison."""

    def __init__(self, *, opened: bool = True):
        self.batches: list[list[int]] = []
        self.gate = threading.Event()
        self.entered = threading.Event()
        if opened:
            self.gate.set()

    def __call__(self, key, values):
        self.entered.set()
        assert self.gate.wait(20)
        self.batches.append(list(values))
        if any(value < 0 for value in values):
            raise ValueError("poison")
        return [value * 2 for value in values]


def answers(futures):
    return [future.result(20).value for future in futures]


def busy_batcher(work: Work, **options) -> Batcher:
    """A queue with one worker that is held at the gate."""
    batcher = Batcher(work, workers=1, **options)
    batcher.submit("first", [0])
    assert work.entered.wait(10)
    return batcher


@pytest.mark.parametrize("lanes", [1, 2])
def test_what_waits_gathers_only_while_all_lanes_are_taken(lanes):
    work = Work(opened=False)
    batcher = Batcher(work, size=4, delay=20.0, workers=2, lanes=lanes)
    batcher.submit("a", [1])
    assert work.entered.wait(10)
    batcher.submit("a", [2])
    if lanes == 2:
        while batcher.running < 2:
            time.sleep(0.01)
    else:
        time.sleep(0.2)
        assert batcher.running == batcher.waiting == 1
    work.gate.set()
    batcher.close()
    assert batcher.join(10)


def test_what_waits_is_answered_in_batches_of_its_key():
    work = Work(opened=False)
    seen = []
    batcher = busy_batcher(work, size=4, observe=lambda *batch: seen.append(batch))
    futures = batcher.submit("a", range(1, 7)) + batcher.submit("b", [7]) + batcher.submit("a", [8])
    work.gate.set()
    assert answers(futures) == [2, 4, 6, 8, 10, 12, 14, 16]
    batcher.close()
    assert batcher.join(10)
    assert work.batches == [[0], [1, 2, 3, 4], [5, 6, 8], [7]]
    assert [(size, failures) for size, _, _, failures in seen] == [(1, 0), (4, 0), (3, 0), (1, 0)]
    outcome = futures[0].result()
    assert outcome.batch_size == 4
    assert outcome.queue_seconds >= 0


def test_one_poisoned_input_fails_alone():
    work = Work(opened=False)
    batcher = busy_batcher(work, size=8)
    futures = batcher.submit("a", [1, -1, 3, -2])
    work.gate.set()
    assert [future.exception(20) is None for future in futures] == [True, False, True, False]
    assert futures[2].result().value == 6
    batcher.close()


def test_no_room():
    work = Work(opened=False)
    batcher = busy_batcher(work, capacity=3)
    futures = batcher.submit("a", [1, 2])
    with pytest.raises(Full):
        batcher.submit("a", [3, 4])
    futures += batcher.submit("a", [3])
    assert batcher.full
    futures[0].cancel()
    futures += batcher.submit("a", [4])  # the place of the cancelled one
    work.gate.set()
    assert answers(futures[1:]) == [4, 6, 8]
    with pytest.raises(CancelledError):
        futures[0].result(5)
    batcher.close()


def test_deadlines_and_the_end():
    work = Work(opened=False)
    batcher = busy_batcher(work)
    late = batcher.submit("a", [1], time.monotonic() + 0.05)
    intime = batcher.submit("a", [2], time.monotonic() + 20)
    time.sleep(0.1)
    batcher.close()
    with pytest.raises(Closed):
        batcher.submit("a", [3])
    assert not batcher.join(0.05)
    work.gate.set()
    assert answers(intime) == [4]
    with pytest.raises(Expired):
        late[0].result(5)
    assert batcher.join(10)


def test_nothing_waits_for_others_while_the_engine_is_idle():
    batcher = Batcher(Work(), delay=30.0)
    start = time.monotonic()
    assert answers(batcher.submit("a", [1])) == [2]
    assert time.monotonic() - start < 10
    batcher.close()


def test_wrong_numbers_of_answers_and_sizes():
    batcher = Batcher(lambda key, values: [1])
    futures = batcher.submit("a", [1, 2])
    assert [future.result(10).value for future in futures] == [
        1,
        1,
    ]  # each alone has its one answer
    batcher.close()
    with pytest.raises(UsageError):
        Batcher(Work(), size=0)


@settings(max_examples=20)
@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.lists(st.integers(-2, 99), min_size=1, max_size=5)),
        max_size=20,
    ),
    st.integers(1, 5),
    st.integers(1, 3),
)
def test_every_input_gets_its_own_answer(asks, size, workers):
    batcher = Batcher(Work(), size=size, workers=workers, capacity=1000)
    futures = [
        (value, future)
        for key, values in asks
        for value, future in zip(values, batcher.submit(key, values), strict=True)
    ]
    for value, future in futures:
        if value < 0:
            assert isinstance(future.exception(20), ValueError)
        else:
            assert future.result(20).value == value * 2
    batcher.close()
    assert batcher.join(10)
