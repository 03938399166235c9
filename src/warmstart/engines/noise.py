"""Removes the log lines that TensorFlow and LiteRT write to standard error."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator

LEVEL = "TF_CPP_MIN_LOG_LEVEL"
_lock = threading.RLock()
_NOISE = re.compile(
    rb"[IWE]\d{4} \d\d:\d\d:|[IWE]\d{4} 00:00:|"
    rb"\d{4}-\d\d-\d\d [\d:.]+: [IWE] (tensorflow|external)/|"
    rb"WARNING: All log messages before absl|To enable the following instructions: |"
    rb"(INFO|WARNING): (Created|Initialized|Attempting|\[compiler|XNNPACK)|"
    rb"\[\d{4}-\d\d-\d\d [\d:,]+ [IWECF] \d+ \d+\] |"  # Ray
    rb"SUBPROCESS|I tensorflow|loc\(|error: Lowering tensor list|"
    rb"error: failed while converting|Some ops are not supported by the native TFLite|"
    rb"TF Select ops: |Details:\n|\ttf\."
)
"""Lines that no level of their log stops, such as those before the log is set up."""


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Buffer what is written to file descriptor 2, and write the lines that are not noise at the end.

    TensorFlow and LiteRT write there directly, so that neither `sys.stderr` nor a level of their
    log stops it. Exceptions pass; `TF_CPP_MIN_LOG_LEVEL=0` shows everything.
    """
    if os.environ.get(LEVEL) == "0":
        yield
        return
    with _lock, contextlib.ExitStack() as stack:
        try:
            saved = os.dup(2)
        except OSError:  # the process has no standard error at all
            yield
            return
        stack.callback(os.close, saved)
        file = stack.enter_context(tempfile.TemporaryFile())
        _flush()
        try:
            os.dup2(file.fileno(), 2)
            yield
        finally:
            _flush()
            os.dup2(saved, 2)
            file.seek(0)
            if rest := b"".join(line for line in file if not _NOISE.match(line)):
                os.write(2, rest)


@contextlib.contextmanager
def quiet_import() -> Iterator[None]:
    """`quiet`, while TensorFlow is imported: its log then has errors only, unless
    `TF_CPP_MIN_LOG_LEVEL` is set.
    """
    unset = LEVEL not in os.environ
    if unset:
        os.environ[LEVEL] = "3"  # read during the import
    try:
        with quiet():
            yield
    finally:
        if unset:
            del os.environ[LEVEL]


def _flush() -> None:
    with contextlib.suppress(AttributeError, OSError, ValueError):  # there is none, or it is closed
        sys.stderr.flush()
