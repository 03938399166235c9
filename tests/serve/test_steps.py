"""The queue of work in steps: inputs join and leave one batch, within its memory."""

import threading
import time

import pytest

from warmstart.core.inputs import Prepared
from warmstart.core.joinable import StepBatch
from warmstart.errors import InputError, TooLargeError
from warmstart.serve.queue import Closed, Expired, Full
from warmstart.serve.steps import StepBatcher

from .processes import until


class Countdown(StepBatch):
    """An input is the number of its steps; each writes a dot."""

    def __init__(self, work):
        self.work, self.left, self.pieces = work, {}, {}

    def __len__(self):
        return len(self.left)

    def size(self, prepared):
        return prepared.context

    def join(self, prepared):
        self.left[prepared] = prepared.context

    def leave(self, prepared):
        del self.left[prepared]

    def step(self):
        self.work.sizes.append(sorted(self.left.values()))
        self.work.entered.set()
        assert self.work.gate.wait(20)
        time.sleep(0.001)  # the other thread may go on
        if self.work.fails.is_set():
            raise RuntimeError("out of order")
        self.left = {prepared: steps - 1 for prepared, steps in self.left.items()}
        self.pieces |= dict.fromkeys(self.left, ".")
        ended = [prepared for prepared, steps in self.left.items() if steps == 0]
        for prepared in ended:
            del self.left[prepared]
        poisoned = ValueError("poison")
        return [(one, poisoned if one.name == "poison" else one.context) for one in ended]

    def piece(self, prepared):
        return self.pieces.pop(prepared, "")


class Work:
    """Counts down; waits at a gate before each step."""

    def __init__(self, *, opened=True):
        self.sizes, self.written, self.seen, self.prepared = [], [], [], []
        self.gate, self.entered, self.fails = (threading.Event() for _ in range(3))
        if opened:
            self.gate.set()

    def batch(self):
        return Countdown(self)

    def prepare(self, key, value):
        if value == "poison":
            return Prepared("poison", context=1)
        if not isinstance(value, int):
            raise InputError(f"{value}: is no number", str(value))
        self.prepared.append(value)
        return Prepared("number", context=value)

    def result(self, key, prepared, outputs):
        return outputs * 2

    def write(self, key, piece):
        self.written.append(key)

    def on_step(self, rows, seconds, waited):
        self.seen.append(("stepped", rows, len(waited)))

    def on_first_text(self, seconds):
        self.seen.append(("began",))

    def on_end(self, seconds, waited, is_failure):
        self.seen.append(("ended", is_failure))


def started(work, **options):
    return StepBatcher(work, work, **{"tokens": 100, **options})


def value(answer):
    return answer.result(20).value


def test_inputs_join_a_running_batch_and_leave_it_when_they_end():
    work = Work(opened=False)
    batcher = started(work)
    [long] = batcher.submit("a", [50])
    assert work.entered.wait(10)
    short = batcher.submit("b", [20, 25])
    until(lambda: len(work.prepared) == 3)
    work.gate.set()
    assert [value(one) for one in short] == [40, 50]
    assert value(long) == 100
    assert len(work.sizes) < 50 + 20 + 25  # side by side
    assert long.result().batch_size == 3
    assert short[0].result().batch_size == 3
    assert work.written.count("b") == 45
    assert [one for one in work.seen if one[0] == "ended"] == [("ended", False)] * 3
    assert work.seen.count(("began",)) == 3
    stepped = [one for one in work.seen if one[0] == "stepped"]
    assert max(rows for _, rows, _ in stepped) == 3
    assert sum(joined for _, _, joined in stepped) == 3
    batcher.close()
    assert batcher.join(10)


def test_the_next_input_waits_until_there_is_room_for_it():
    work = Work()
    batcher = started(work, tokens=10)
    answers = batcher.submit("a", [6, 5, 4, 1])
    assert [value(one) for one in answers] == [12, 10, 8, 2]
    assert work.sizes[:6] == [[6], [5], [4], [3], [2], [1]]  # first come, first served
    with pytest.raises(TooLargeError, match="11 tokens of the cache, and this server has 10"):
        value(batcher.submit("a", [11])[0])
    assert batcher.reserved == 0
    batcher.close()
    assert batcher.join(10)


def test_unusable_inputs_and_those_that_fail_leave_the_others_alone():
    work = Work()
    batcher = started(work)
    bad, poison, good = batcher.submit("a", ["x", "poison", 3])
    with pytest.raises(InputError, match="x: is no number"):
        value(bad)
    with pytest.raises(ValueError, match="poison"):
        value(poison)
    assert value(good) == 6
    assert not batcher.broken
    batcher.close()
    assert batcher.join(10)


def test_an_engine_that_fails_fails_what_it_had_and_is_tried_again():
    work = Work()
    batcher = started(work)
    work.fails.set()
    for answer in batcher.submit("a", [3, 4, 5]):
        with pytest.raises(RuntimeError):
            value(answer)
    assert batcher.broken
    work.fails.clear()
    assert value(batcher.submit("a", [2])[0]) == 4
    assert not batcher.broken
    batcher.close()
    assert batcher.join(10)


def test_those_for_whom_nobody_waits_leave_between_two_steps():
    work = Work(opened=False)
    batcher = started(work, tokens=60)
    gone, late, other = (
        batcher.submit("a", [count], deadline)[0]
        for count, deadline in (
            (20, float("inf")),
            (21, time.monotonic() + 0.2),
            (10, float("inf")),
        )
    )
    until(lambda: batcher.running and not batcher.waiting)
    [waits] = batcher.submit("a", [50])  # for the room of the others
    [drops] = batcher.submit("a", [5], time.monotonic() + 0.2)
    gone.abandon()
    time.sleep(0.3)
    work.gate.set()
    for one in (gone, late, drops):
        with pytest.raises(Expired):
            one.result(20)
    assert value(other) == 20
    assert value(waits) == 100
    assert len(work.sizes) < 10 + 50 + 5
    batcher.close()
    assert batcher.join(10)


def test_room_in_the_queue_and_the_end():
    work = Work(opened=False)
    batcher = started(work, tokens=10, capacity=3)
    answers = batcher.submit("a", [10])
    assert work.entered.wait(10)
    answers += batcher.submit("a", [9])
    until(lambda: len(batcher._waiting) == 0)
    for _ in range(3):
        answers += batcher.submit("a", [1])
    until(lambda: len(batcher._waiting) == 0)
    for _ in range(3):
        answers += batcher.submit("a", [1])
    assert batcher.full
    with pytest.raises(Full):
        batcher.submit("a", [1])
    batcher.close()
    with pytest.raises(Closed):
        batcher.submit("a", [1])
    assert not batcher.join(0.05)
    work.gate.set()
    assert [value(one) for one in answers] == [20, 18] + [2] * 6
    assert batcher.join(10)


def test_a_step_that_hangs_shows(monkeypatch):
    monkeypatch.setattr("warmstart.serve.steps.OVERDUE", 0.1)
    work = Work(opened=False)
    batcher = started(work)
    [answer] = batcher.submit("a", [5], time.monotonic() + 0.1)
    until(lambda: batcher.stuck)
    work.gate.set()
    with pytest.raises(Expired):
        answer.result(20)
    assert not batcher.stuck
    batcher.close()
    assert batcher.join(10)
