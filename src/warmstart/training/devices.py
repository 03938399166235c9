"""Training on several GPUs of one host, each of which takes a part of every batch."""

from __future__ import annotations

import contextlib
from typing import Any


def scope() -> contextlib.AbstractContextManager[Any]:
    """A context in which to build and compile a model; its variables are mirrored on all visible
    GPUs if there are several.
    """
    strategy = mirrored()
    return strategy.scope() if strategy is not None else contextlib.nullcontext()


def mirrored() -> Any:
    """A `tf.distribute.MirroredStrategy` over the visible GPUs; None if there are fewer than
    two.
    """
    import tensorflow as tf

    devices = visible()
    return tf.distribute.MirroredStrategy(devices) if len(devices) > 1 else None


def visible() -> list[str]:
    """The GPUs that TensorFlow may use, such as `GPU:0`."""
    import tensorflow as tf

    return [f"GPU:{index}" for index in range(len(tf.config.list_logical_devices("GPU")))]
