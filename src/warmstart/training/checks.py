"""Options of Keras, checked before any work."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from warmstart.errors import UsageError


def check_keras_options(options: Any) -> None:
    """Refuse names of an optimizer, a loss or a metric that Keras does not know.

    Raises:
        UsageError: there is one.
    """
    _check("optimizer", getattr(options, "optimizer", None), keras.optimizers.get)
    _check("loss", getattr(options, "loss", None), keras.losses.get)
    for metric in getattr(options, "metrics", ()):
        _check("metrics", metric, keras.metrics.get)


def _check(name: str, value: Any, get: Callable[[Any], Any]) -> None:
    if not isinstance(value, str):
        return
    try:
        get(value)
    except ValueError:
        raise UsageError(f"{name}: Keras has no {name.rstrip('s')} called {value!r}.") from None
