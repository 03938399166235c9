"""Keras architectures, one family a file. Importing this package does not import Keras.

An architecture is a module with two functions:

    build(config, *, include_top=True, input_shape=None, pooling=None, classes=None) -> keras.Model
    load(model, checkpoint, config) -> None
"""

from importlib import import_module
from types import ModuleType

from warmstart.errors import UsageError

ARCHITECTURES = ("keras_applications", "cifar_resnet")


def architecture(name: str) -> ModuleType:
    """The module of this architecture; imports Keras.

    Raises:
        UsageError: the name is not one of `ARCHITECTURES`. A name from a file never imports anything else.
    """
    if name not in ARCHITECTURES:
        raise UsageError(f"there is no architecture named {name!r}; there are: {', '.join(ARCHITECTURES)}")
    return import_module(f"{__name__}.{name}")
