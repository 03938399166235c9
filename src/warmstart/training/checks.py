"""Checks of Keras objects among the options."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from warmstart.errors import UsageError


def check_keras_options(options: Any) -> None:
    """Refuse an optimizer, loss, metric or callback that Keras does not accept.

    Raises:
        UsageError: Keras does not accept one of them.
    """
    _check("optimizer", getattr(options, "optimizer", None), keras.optimizers.get)
    _check("loss", getattr(options, "loss", None), keras.losses.get)
    for metric in getattr(options, "metrics", ()):
        _check("metrics", metric, keras.metrics.get)
    for callback in options.callbacks:
        if not isinstance(callback, keras.callbacks.Callback):
            raise UsageError(f"callbacks: {callback!r:.80} is not a keras.callbacks.Callback.")


def _check(name: str, value: Any, get: Callable[[Any], Any]) -> None:
    if value is None:
        return
    noun = name.rstrip("s") if name == "metrics" else name
    try:
        get(value)
    except (ValueError, TypeError):
        if isinstance(value, str):
            raise UsageError(f"{name}: Keras has no {noun} called {value!r}.") from None
        raise UsageError(f"{name}: {value!r:.80} is not a Keras {noun}.") from None
