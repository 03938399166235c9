"""Pretrained models for TensorFlow: one call to use a model, one to fine-tune it, one folder to
deploy it.

    import warmstart as ws

    ws.load("mobilenet_v2")("cat.jpg", top_k=3)

Importing this package is quick: names are loaded when they are first used, and TensorFlow only
where a Keras model is asked for or a program has to be compiled.
"""

from typing import TYPE_CHECKING

from warmstart.version import __version__ as __version__

if TYPE_CHECKING:
    from warmstart import errors as errors
    from warmstart import sklearn as sklearn
    from warmstart.api import *  # noqa: F403
else:

    def __getattr__(name):
        from importlib import import_module

        if name in ("errors", "sklearn"):
            return import_module(f"warmstart.{name}")
        api = import_module("warmstart.api")
        if name == "__all__":
            return [*api.__all__, "__version__", "errors"]
        if name in api.MODULES:
            return getattr(import_module(api.MODULES[name]), name)
        if name in api.__all__:
            return getattr(api, name)
        raise AttributeError(f"module 'warmstart' has no attribute {name!r}")

    def __dir__():
        return sorted(__getattr__("__all__"))
