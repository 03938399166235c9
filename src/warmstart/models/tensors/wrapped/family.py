"""A Keras model of the user: which descriptions of layers are rebuilt.

A bundle contains the JSON that Keras writes of a model. It is data that names classes, so it is
read by a closed list: Keras' own layers, operations, initializers, regularizers, constraints and
dtype policies. Whatever can run code of its author (Lambda, functions, wrapped models of other
libraries) or read files (vocabularies by path) is refused before Keras sees it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from warmstart.errors import UsageError

ARCHITECTURE = "wrapped"
RUNNER = "warmstart.series.window_model:WindowModel"
"""The class that runs wrapped forecasters."""
MODELS = ("Functional", "Sequential")
CLASSES: Mapping[str, tuple[str, ...]] = {
    "keras": (*MODELS, "DTypePolicy"),
    "keras.dtype_policies": ("DTypePolicy",),
    "keras.src.models.functional": ("Functional",),
    "keras.src.models.sequential": ("Sequential",),
}
"""Modules with the few classes of them that are read."""
WHOLE = ("keras.layers", "keras.initializers", "keras.regularizers", "keras.constraints")
"""Modules whose public classes are read, except `UNSAFE`."""
OPERATIONS = "keras.src.ops."
"""The beginning of the modules of Keras' operations on tensors."""
UNSAFE = frozenset({
    "FlaxLayer", "JaxLayer", "Lambda", "Layer", "TFSMLayer", "TorchModuleWrapper",
})  # fmt: skip
PARTS = ("__ellipsis__", "__keras_tensor__", "__slice__")
"""Classes in Keras' JSON for arguments of layers that are not objects of a module."""
LOOKUPS = ("vocabulary", "idf_weights")
"""Arguments of lookup layers that may be the path of a file."""
MOST_VALUES, MOST_DEPTH = 2_000_000, 64
ACTIVATIONS = ("none", "softmax", "sigmoid", "binary")
"""How outputs become probabilities: not at all, by a softmax, by a sigmoid for each class, or by a
sigmoid of one number for the second of two classes (`binary`).
"""


def check(config: Any) -> None:
    """Refuse the JSON of a model that is not one of Keras' own layers.

    Args:
        config: as `keras.Model.to_json` gives it, parsed.

    Raises:
        UsageError: it has another object, which the message names.
    """
    if not isinstance(config, Mapping) or config.get("class_name") not in MODELS:
        name = config.get("class_name") if isinstance(config, Mapping) else config
        raise UsageError(
            f"its class {str(name)[:100]!r} is custom code; only Sequential and functional "
            "models are supported"
        )
    for item in objects(config):
        check_object(item)


def objects(config: Any) -> Iterator[Mapping[str, Any]]:
    """All objects in a config that have a class, starting with the config itself."""
    waiting: list[tuple[Any, int]] = [(config, 0)]
    count = 0
    while waiting:
        value, depth = waiting.pop()
        count += 1
        if count > MOST_VALUES or depth > MOST_DEPTH:
            raise UsageError("its description has too many values to be one of layers")
        if isinstance(value, Mapping):
            if "class_name" in value:
                yield value
            waiting += [(inner, depth + 1) for inner in value.values()]
        elif isinstance(value, list | tuple):
            waiting += [(inner, depth + 1) for inner in value]


def check_object(item: Mapping[str, Any]) -> None:
    """Refuse an object of a description that is not one of Keras' own.

    Raises:
        UsageError: it is not.
    """
    name, module = item["class_name"], item.get("module")
    if not isinstance(name, str) or not isinstance(module, str | None):
        raise UsageError("its description names a class by something that is not a string")
    config = item.get("config")
    label = config.get("name") if isinstance(config, Mapping) else None
    where = f"the layer {str(label)[:60]!r} " if label else ""
    if module is None:
        if name not in PARTS:
            raise UsageError(
                f"{where}contains {name[:60]!r}, which is not one of Keras' own objects"
            )
        return
    is_known = name in CLASSES.get(module, ()) or module in WHOLE or module.startswith(OPERATIONS)
    if not is_known or name in UNSAFE:
        raise UsageError(
            f"{where}is of the class {name[:60]}, which is not one of Keras' own layers"
        )
    if item.get("registered_name") not in (None, name):
        raise UsageError(f"{where}is registered as {str(item['registered_name'])[:60]!r}")
    if isinstance(config, Mapping):
        for key in LOOKUPS:
            if isinstance(config.get(key), str):
                raise UsageError(f"{where}reads its {key} from a file")
