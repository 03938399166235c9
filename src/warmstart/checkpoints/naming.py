"""Names of the variables of a keras.Model: by layers, and by the saved paths of Keras 3.

Nothing here imports keras; a model is used through its public attributes.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from warmstart.errors import UsageError


@dataclass(frozen=True)
class Slot:
    """One variable of a model.

    Attributes:
        name: its unique name, "layer/weight" or "outer/inner/weight", with the counters of
            automatic layer names starting from zero (see `model_arrays`).
        parts: the same with the layers' present names, split.
        variable: the `keras.Variable`.
        layer: the innermost layer of the model that owns it.
    """

    name: str
    parts: tuple[str, ...]
    variable: Any
    layer: Any

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the variable."""
        return tuple(self.variable.shape)


def snake_case(name: str) -> str:
    """A class name as Keras writes it into automatic layer names and saved paths: Conv2D -> conv2d."""
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def slots(model: Any) -> list[Slot]:
    """Every weight of a built model, each once, in the order of its layers.

    State of random generators and of metrics is not a weight.

    Raises:
        UsageError: the model has no weights yet.
    """
    variables: list[tuple[tuple[str, ...], Any, Any]] = []
    _visit(model, (), set(), variables)
    if not variables:
        raise UsageError(
            f"The model {model.name} has no weights: build it first, by calling it on some input."
        )
    names = canonical([parts for parts, _, _ in variables], automatic_stems(model))
    return [Slot(name, *item) for name, item in zip(unique(names), variables, strict=True)]


def _visit(
    layer: Any,
    prefix: tuple[str, ...],
    seen: set[int],
    variables: list[tuple[tuple[str, ...], Any, Any]],
) -> None:
    for child in inner_layers(layer):
        _visit(child, (*prefix, child.name), seen, variables)
    for variable in layer.weights:
        if id(variable) not in seen:
            seen.add(id(variable))
            variables.append(((*prefix, *_local_path(layer, variable)), variable, layer))


def all_layers(model: Any) -> list[Any]:
    """The model's layers and theirs, also those inside composite layers."""
    flatten = getattr(model, "_flatten_layers", None)
    return list(flatten()) if flatten else [model, *inner_layers(model)]


def finalize_layers(model: Any) -> None:
    """Let layers that compute with copies of their weights, such as Normalization, copy them again."""
    for layer in all_layers(model):
        if hasattr(layer, "finalize_state") and layer.weights:
            layer.finalize_state()


def automatic_stems(model: Any) -> set[str]:
    """The stems of automatic layer names in a model; Bidirectional adds a prefix to them."""
    stems = {snake_case(type(layer).__name__) for layer in all_layers(model)}
    return stems | {f"{way}_{stem}" for way in ("forward", "backward") for stem in stems}


def inner_layers(layer: Any) -> list[Any]:
    """Layers of a (nested) model; none for anything else."""
    children = getattr(layer, "layers", None)
    if not isinstance(children, (list, tuple)):
        return []
    return [child for child in children if hasattr(child, "weights") and hasattr(child, "name")]


def _local_path(layer: Any, variable: Any) -> list[str]:
    """The path of a variable inside its layer: ["kernel"], or ["query", "kernel"] of an attention
    layer.
    """
    parts = str(getattr(variable, "path", variable.name)).split("/")
    scopes = [i for i, part in enumerate(parts[:-1]) if part == layer.name]
    return parts[scopes[0] + 1 :] if scopes else parts


def unique(names: Iterable[str]) -> list[str]:
    """The names, with numbers appended to repeated ones."""
    used: set[str] = set()
    result = []
    for name in names:
        candidate, number = name, 0
        while candidate in used:
            number += 1
            candidate = f"{name}_{number}"
        used.add(candidate)
        result.append(candidate)
    return result


def canonical(paths: Sequence[tuple[str, ...]], stems: Iterable[str]) -> list[str]:
    """Names that do not depend on how many layers the process had made before.

    Keras calls the third Conv2D of a process `conv2d_2`, whichever model it is in. Among the
    siblings of one model, such names are numbered afresh in the order of their counters.

    Args:
        paths: split names.
        stems: the snake-case class names that automatic names start with. The last part of a path
            is a weight's name, whose only automatic form is `variable_12`.
    """
    inner = re.compile(
        f"({'|'.join(sorted(map(re.escape, stems), key=len, reverse=True)) or '(?!)'})(?:_([0-9]+))?"
    )
    last = re.compile("(variable)(?:_([0-9]+))?")
    siblings: dict[tuple[str, ...], dict[str, dict[int, str]]] = {}
    for path in paths:
        for depth, part in enumerate(path):
            if match := (inner if depth < len(path) - 1 else last).fullmatch(part):
                number = int(match[2]) if match[2] and len(match[2]) < 10 else -1
                siblings.setdefault(path[:depth], {}).setdefault(match[1], {})[number] = part
    fresh: dict[tuple[str, ...], str] = {}
    for prefix, groups in siblings.items():
        for stem, numbered in groups.items():
            for rank, (_, part) in enumerate(sorted(numbered.items())):
                fresh[(*prefix, part)] = f"{stem}_{rank}" if rank else stem
    return [
        "/".join(fresh.get(path[: i + 1], part) for i, part in enumerate(path)) for path in paths
    ]


def model_arrays(model: Any) -> dict[str, np.ndarray]:
    """The weights of a keras.Model under stable names, for `save_safetensors`.

    Args:
        model: a built `keras.Model`.

    Returns:
        Name -> array (a copy), in the order of the model's layers. A name is "layer/weight", for
        nested models "outer/inner/weight". Names that Keras made automatically (`conv2d_57`) are
        counted from the start of the model (`conv2d`, `conv2d_1`, ...), so that the same code gives
        the same names in every process; `assign` counts in the same way.
    """
    return {slot.name: np.array(slot.variable.numpy()) for slot in slots(model)}


def saved_paths(model: Any) -> dict[str, Any]:
    """Path in a Keras 3 `.weights.h5` -> variable, as `model.save_weights` names them.

    A path consists of attribute names, and inside `layers` of snake-case class names with a
    counter: `layers/conv2d_1/vars/0`. A layer defines its `vars` by `save_own_variables`.
    """
    paths: dict[str, Any] = {}
    _save(model, "", paths, set(), _plain_attributes(model))
    return paths


def _plain_attributes(model: Any) -> set[str]:
    """Attributes that every Keras layer has, which are therefore not searched for inner layers."""
    for base in type(model).__mro__:
        if base.__name__ == "Layer" and base.__module__.startswith("keras."):
            return set(dir(base(name="reference")))
    return set(dir(type(model)))


def _save(layer: Any, path: str, paths: dict[str, Any], seen: set[int], plain: set[str]) -> None:
    if id(layer) in seen:
        return
    seen.add(id(layer))
    store: dict[str, Any] = {}
    layer.save_own_variables(store)
    prefix = f"{path}/" if path else ""
    for key, variable in store.items():
        paths[f"{prefix}vars/{key}"] = variable
    for name, child in _children(layer, plain):
        if _is_layer(child):
            _save(child, f"{prefix}{name}", paths, seen, plain)
        elif isinstance(child, (list, dict, tuple)):
            _save_container(child, f"{prefix}{name}", paths, seen, plain, set())


def _save_container(
    container: Any,
    path: str,
    paths: dict[str, Any],
    seen: set[int],
    plain: set[str],
    open_containers: set[int],
) -> None:
    if id(container) in open_containers:
        return
    open_containers.add(id(container))
    used: dict[str, int] = {}
    for item in container.values() if isinstance(container, dict) else container:
        if _is_layer(item):
            name = snake_case(type(item).__name__)
        elif isinstance(item, (list, dict, tuple)):
            name = "container"
        else:
            continue
        used[name] = used.get(name, -1) + 1
        inner = f"{path}/{name}_{used[name]}" if used[name] else f"{path}/{name}"
        if _is_layer(item):
            _save(item, inner, paths, seen, plain)
        else:
            _save_container(item, inner, paths, seen, plain, open_containers)


def _is_layer(value: Any) -> bool:
    return (
        hasattr(value, "save_own_variables")
        and hasattr(value, "weights")
        and not isinstance(value, type)
    )


def _children(layer: Any, plain: set[str]) -> Iterator[tuple[str, Any]]:
    """Attributes in Keras' order: the model's layers, public ones by name, private ones by name."""
    skip = plain | {"optimizer", "_optimizer"}
    class_name = layer._obj_type() if hasattr(layer, "_obj_type") else ""
    if class_name in ("Functional", "Sequential"):
        skip |= {"_functional"} if class_name == "Sequential" else {"operations", "_operations"}
        yield "layers", layer.layers
    for name in sorted(dir(layer), key=lambda text: f"~{text}" if text.startswith("_") else text):
        if name.startswith("__") or name in skip:
            continue
        try:
            yield name, getattr(layer, name)
        except Exception:  # a property that is not defined at this time; Keras passes over it too
            continue
