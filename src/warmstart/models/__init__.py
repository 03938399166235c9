"""Keras architectures, one family a file. Importing this package does not import Keras.

An architecture is a module with two functions:

    build(config, **options) -> keras.Model      for images: include_top, input_shape, pooling, classes
    load(model, checkpoint, config) -> None

and, where a bundle's checkpoint has names of its own (those of Hugging Face), the opposite of `load`:

    arrays(model, config) -> {name: array}
"""

from collections.abc import Mapping
from importlib import import_module
from types import ModuleType
from typing import Any

from warmstart.errors import UsageError

ARCHITECTURES = (
    "keras_applications",
    "cifar_resnet",
    "segformer",
    "deeplabv3_mobilenet_v2",
    "dfine",
    "gpt2",
    "transfer",
    "bert",
    "distilbert",
    "roberta",
    "deepar",
    "chronos_bolt",
    "whisper",
    "deeplabv3",
    "fcos",
    "wavenet",
    "wavenet_asr",
    "wavenet_raw",
)


def architecture(name: str) -> ModuleType:
    """The module of this architecture; imports Keras.

    Raises:
        UsageError: the name is not one of `ARCHITECTURES`. A name from a file never imports anything else.
    """
    if name not in ARCHITECTURES:
        raise UsageError(f"there is no architecture named {name!r}; there are: {', '.join(ARCHITECTURES)}")
    return import_module(f"{__name__}.{name}")


def arrays(module: ModuleType, model: Any, config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The weights of a model under the names that `module.load` finds again."""
    from warmstart.checkpoints import model_arrays

    own = getattr(module, "arrays", None)
    return own(model, config) if own else model_arrays(model)
