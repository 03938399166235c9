"""The first calls of a model: Keras answers while the model is compiled in the background."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from tests.photos import CIFAR

import warmstart as ws
from warmstart.core import first_use
from warmstart.core.first_use import FirstUse, model_for_call
from warmstart.engines import store
from warmstart.errors import CacheError, CompileError, UsageError

SLEEPS = (sys.executable, "-c", "import time; time.sleep(60)")


class Net:
    """A model that is not compiled, and what is done with it."""

    name, precision, requested_engine, has_stand_in = "net", "float32", "auto", True

    def __init__(self, **changed):
        model = ws.load(CIFAR)
        self.entry, self.weights = model.entry, model.weights
        self.is_open = self.compiled = False
        self.__dict__.update(changed)

    def is_compiled(self):
        return self.compiled

    def on_engine(self, name):
        return f"on {name}"

    @property
    def engine(self):
        self.is_open = True
        return self


@pytest.fixture(autouse=True)
def keras_first(monkeypatch, tmp_path):
    monkeypatch.setenv("WARMSTART_FIRST_CALL", "keras")
    monkeypatch.setenv("WARMSTART_HOME", str(tmp_path))
    monkeypatch.setattr(first_use, "is_installed", lambda package: True)


def until(true):
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_keras_answers_until_the_program_is_there(monkeypatch):
    gate, began = threading.Event(), []

    def compiled(entry, weights, precision, report, *, started):
        began.append(entry.name)
        assert gate.wait(20)

    monkeypatch.setattr(first_use, "compiled", compiled)
    net = Net()
    with model_for_call(net) as model:
        assert model == "on keras"
        assert not began  # the first answer has the processors for itself
    until(lambda: began)
    with model_for_call(net) as model:
        assert model == "on keras"
    gate.set()
    until(lambda: net.is_open)
    with model_for_call(net) as model:
        assert model is net
    assert len(began) == 1


def test_what_cannot_be_compiled_says_so_in_the_next_call(monkeypatch):
    def fails(*arguments, started):
        raise CompileError("out of order")

    monkeypatch.setattr(first_use, "compiled", fails)
    net = Net()
    with model_for_call(net) as model:
        assert model == "on keras"

    def is_over():
        with model_for_call(net) as model:
            return model is net

    until(is_over)
    assert not net.is_open


@pytest.mark.parametrize(
    "changed",
    [
        {"compiled": True},
        {"is_open": True},
        {"requested_engine": "litert"},
        {"precision": "int8"},
        {"has_stand_in": False},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_only_where_a_call_would_wait(changed):
    net = Net(**changed)
    with model_for_call(net) as model:
        assert model is net


def test_the_variable(monkeypatch):
    monkeypatch.setenv("WARMSTART_FIRST_CALL", "wait")
    net = Net()
    with model_for_call(net) as model:
        assert model is net
    monkeypatch.setenv("WARMSTART_FIRST_CALL", "sometimes")
    with pytest.raises(UsageError, match="keras or wait"), model_for_call(net):
        pass


def test_cancelling_leaves_neither_a_process_nor_half_a_program(monkeypatch):
    monkeypatch.setattr("warmstart.core.compiling.COMPILER", SLEEPS)
    monkeypatch.setattr("warmstart.core.compiling.require", lambda *names, **options: None)
    first = FirstUse(Net())
    first.start()
    until(lambda: first._process is not None)
    assert [path.name[:8] for path in store.root().iterdir() if path.is_dir()] == [".making-"]
    first.cancel()
    assert not first.is_alive
    assert first._process.poll() is not None
    assert not [path for path in store.root().iterdir() if path.is_dir()]


SCRIPT = """
import sys, time
sys.path.insert(0, {tests!r})
from pathlib import Path
from warmstart.core import compiling, first_use
from tests.core.test_first_use import Net
compiling.require = lambda *names, **options: None
first_use.is_installed = lambda package: True
work = '''
import json, os, pathlib, time
note = pathlib.Path({note!r})
note.write_text(str(os.getpid()))
time.sleep({seconds})
note.write_text("done")
print(json.dumps(dict(error="CompileError", message="no")))
'''
compiling.COMPILER = (sys.executable, "-c", work)
with first_use.model_for_call(Net()) as model:
    assert model == "on keras"
while not Path({note!r}).exists() or not Path({note!r}).read_text():
    time.sleep(0.01)
{end}
"""


LATER = """
import os, signal, threading
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in jobs of shells without a terminal
timer = threading.Timer(1, os.kill, (os.getpid(), signal.SIGINT))
timer.daemon = True
timer.start()
"""


@pytest.mark.parametrize(
    ("end", "seconds", "fails"),
    [("", 1, False), ("raise KeyboardInterrupt", 60, True), (LATER, 60, False)],
    ids=["the end", "Ctrl+C", "Ctrl+C at the end"],
)
def test_the_end_of_a_process(end, seconds, fails, tmp_path):
    note = tmp_path / "note"
    root = str(Path(__file__).parents[2])
    script = SCRIPT.format(tests=root, note=str(note), seconds=seconds, end=end)
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=50, check=False
    )
    assert time.monotonic() - start < 40
    assert bool(done.returncode) == fails, done.stderr
    assert not [path for path in store.root().iterdir() if path.is_dir()]
    if seconds == 1:
        assert note.read_text() == "done"
    else:
        pid = int(note.read_text())
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_keras_goes_on_where_the_cache_cannot_be_written(monkeypatch, capsys):
    def fails(*arguments, started):
        raise CacheError("the cache folder cannot be written: set WARMSTART_HOME")

    monkeypatch.setattr(first_use, "compiled", fails)
    nets = [Net(), Net()]
    for net in nets:
        for _ in range(3):
            with model_for_call(net) as model:
                assert model == "on keras"
            until(lambda net=net: not first_use._first_use(net).is_alive)
    warned = [line for line in capsys.readouterr().err.splitlines() if "Keras predicts" in line]
    assert len(warned) == 1
    assert "WARMSTART_HOME" in warned[0]
