"""The first calls of a model that is not compiled on this machine: they run on Keras, while another
process compiles the model.

Once the program is ready, calls use it. A process that exits waits for its running compilations,
because the next process would have to start again; Ctrl+C cancels them. Their partial files are
removed, and never used as a program.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeVar, cast
from weakref import WeakKeyDictionary

from warmstart import log
from warmstart.core.compiling import compiled
from warmstart.core.programs import warn_of_cache
from warmstart.core.terminal import say
from warmstart.errors import CacheError, UsageError, WarmstartError, is_installed

if TYPE_CHECKING:
    from warmstart.core.loaded_model import LoadedModel

ModelT = TypeVar("ModelT", bound="LoadedModel")

VARIABLE = "WARMSTART_FIRST_CALL"
"""The environment variable: `"keras"` (default), or `"wait"` to wait for the compiled program."""
CANCEL_SECONDS = 5.0
"""Seconds to wait until a cancelled compilation has removed its files."""
_running: set[FirstUse] = set()
_first_uses: WeakKeyDictionary[LoadedModel, FirstUse] = WeakKeyDictionary()
_lock = threading.Lock()


class FirstUse:
    """A model that is compiled in the background.

    Args:
        model: not compiled yet, with `engine="auto"`.

    Attributes:
        stand_in: the same model on Keras; None once the program is ready, or compiling failed for
            another reason than that the cache cannot be written.
    """

    def __init__(self, model: LoadedModel):
        self.stand_in: LoadedModel | None = model.on_engine("keras")
        self._name = model.name
        self._process: subprocess.Popen[str] | None = None
        self._is_cancelled = self._has_started = False
        # Not `Thread.join`: after Ctrl+C it considers the thread ended (bpo-45274).
        self._ended = threading.Event()
        self._thread = threading.Thread(
            target=self._compile, args=(model,), name=f"warmstart-compile-{model.name}", daemon=True
        )

    @property
    def is_alive(self) -> bool:
        """Whether it is being compiled."""
        return self._has_started and not self._ended.is_set() and self._thread.is_alive()

    def start(self) -> None:
        """Start compiling, unless it has started already."""
        with _lock:
            if self._has_started:
                return
            self._has_started = True
            _running.add(self)
            _print(
                f"{self._name} is being compiled in the background, once; this takes 10 to "
                "60 seconds. Until then, Keras predicts."
            )
            self._thread.start()

    def finish(self) -> None:
        """Wait until it is compiled; Ctrl+C cancels."""
        try:
            if self.is_alive:
                _print(
                    f"{self._name} is still being compiled, for the next run; Ctrl+C cancels it."
                )
            while self.is_alive:
                self._ended.wait(0.1)
        except KeyboardInterrupt:
            self.cancel()

    def cancel(self) -> None:
        """Stop compiling, and remove its files."""
        self._is_cancelled = True
        if self._process is not None:
            self._process.kill()
        if self.is_alive:
            self._ended.wait(CANCEL_SECONDS)

    def _compile(self, model: LoadedModel) -> None:
        is_stored = True
        try:
            compiled(
                model.entry, model.weights, model.precision, self._report, started=self._started
            )
            engine = model.engine  # opened and timed here, not during a call
            _print(f"{self._name} is compiled and now runs on {engine.name}.")
        except CacheError as error:
            is_stored = False
            warn_of_cache(self._name, error)
        except WarmstartError as error:  # the next call compiles, and raises it
            log.info("%s: not compiled in the background: %s", self._name, error)
        finally:
            if is_stored:
                self.stand_in = None
            _running.discard(self)
            self._ended.set()

    def _report(self, stage: str) -> None:
        log.info("%s: %s", self._name, stage)

    def _started(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        if self._is_cancelled:
            process.kill()


def _print(text: str) -> None:
    """Print a message if standard error is a terminal."""
    if sys.stderr.isatty():
        say(text)


def waits_for_compilation() -> bool:
    """Whether first calls wait for the compiled program.

    Raises:
        UsageError: `WARMSTART_FIRST_CALL` has another value.
    """
    value = os.environ.get(VARIABLE) or "keras"
    if value not in ("keras", "wait"):
        raise UsageError(f"{VARIABLE} must be keras or wait, not {value!r}.")
    return value == "wait"


@contextlib.contextmanager
def model_for_call(model: ModelT) -> Iterator[ModelT]:
    """The model that runs a call: itself or, until it is compiled, its stand-in."""
    first = None if model.is_open else _first_use(model)
    stand_in = first.stand_in if first else None
    if first is None or stand_in is None:
        yield model
        return
    try:
        yield cast("ModelT", stand_in)
    finally:
        first.start()  # not earlier: the two would compete for the processors


def _first_use(model: LoadedModel) -> FirstUse | None:
    """The background compilation of a model; None if it needs none."""
    with _lock:
        first = _first_uses.get(model)
        if first is None and _is_needed(model):
            first = _first_uses[model] = FirstUse(model)
        return first


def _is_needed(model: LoadedModel) -> bool:
    if not model.has_stand_in or model.requested_engine != "auto" or model.precision != "float32":
        return False
    return not waits_for_compilation() and not model.is_compiled() and is_installed("tensorflow")


@atexit.register
def _end() -> None:
    """Wait for running compilations; if Ctrl+C ends the process, cancel them."""
    interrupted = issubclass(getattr(sys, "last_type", None) or Exception, KeyboardInterrupt)
    for compilation in list(_running):
        with contextlib.suppress(Exception):
            compilation.cancel() if interrupted else compilation.finish()
