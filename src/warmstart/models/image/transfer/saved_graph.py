"""The layers of a saved Keras model as one graph of plain data, nested models opened up.

Source: the config that Keras 2 and 3 write into `.h5` and `.keras` files. It is read as data;
nothing in it names code that is run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from warmstart.checkpoints.naming import snake_case
from warmstart.errors import UsageError, WarmstartError

MODELS = ("Sequential", "Functional", "Model")
MAX_NODES, MAX_DEPTH = 20_000, 16


@dataclass(frozen=True)
class Node:
    """A layer, or an operation on tensors.

    Attributes:
        class_name: as Keras calls it.
        config: its arguments.
        names: of the models around it, and its own.
        path: in a Keras 3 file of weights.
        inputs: indices of the nodes before it.
        constants: the other arguments of an operation.
    """

    class_name: str
    config: Mapping[str, Any]
    names: tuple[str, ...]
    path: str
    inputs: tuple[int, ...]
    constants: tuple[Any, ...] = ()

    @property
    def name(self) -> str:
        return self.names[-1]


@dataclass
class Graph:
    """The nodes of a model, each after its inputs; node 0 is the model's input."""

    nodes: list[Node] = field(default_factory=list)
    output: int = 0

    def consumers(self, index: int) -> list[int]:
        """The nodes that take the output of a node."""
        return [i for i, node in enumerate(self.nodes) if index in node.inputs]


def graph_of(config: Mapping[str, Any], label: str) -> Graph:
    """The graph of a model with one input and one output.

    Args:
        config: `Checkpoint.config()`.
        label: of the file, for messages.

    Raises:
        UsageError: it is another type of model.
    """
    graph = Graph()
    with readable(label):
        graph.output = _Reader(graph, label).model(config, (), "", None, 0)
    return graph


@contextmanager
def readable(label: str) -> Iterator[None]:
    """Report values of types that Keras does not write.

    Raises:
        UsageError: there are such values.
    """
    try:
        yield
    except WarmstartError:
        raise
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise UsageError(
            f"{label}: the config of its model is not one that Keras writes "
            f"({type(error).__name__}: {str(error)[:100]})."
        ) from error


class _Reader:
    def __init__(self, graph: Graph, label: str):
        self.graph, self.label = graph, label

    def model(
        self,
        config: Mapping[str, Any],
        names: tuple[str, ...],
        path: str,
        source: int | None,
        depth: int,
    ) -> int:
        """Add the nodes of a model; returns its output. `source` is what it is called on."""
        if config["class_name"] not in MODELS:
            raise UsageError(
                f"{self.label} contains a model of the class "
                f"{str(config['class_name'])[:100]!r}, which is custom code; only Sequential "
                "and functional models are supported."
            )
        if depth > MAX_DEPTH or len(self.graph.nodes) > MAX_NODES:
            raise UsageError(
                f"{self.label} contains a model with too many layers; the limit "
                f"is {MAX_NODES:,} layers in {MAX_DEPTH} levels."
            )
        inner = config["config"]
        layers = inner["layers"] if isinstance(inner, dict) else inner  # Keras 2.2 and earlier
        ends: dict[str, int] = {}
        previous = source
        for layer, own_path in zip(layers, _paths(layers, path), strict=True):
            name = str(layer.get("name") or layer["config"]["name"])
            own = (*names, name)
            if layer["class_name"] == "InputLayer":
                previous = self.input(layer, own, own_path, source)
            else:
                sources, constants = (
                    ([ends[key] for key in _sources(layer, ends, self.label)], _constants(layer))
                    if "inbound_nodes" in layer
                    else ([self.start(layer, own) if previous is None else previous], ())
                )
                if layer["class_name"] in MODELS:
                    if len(sources) != 1:
                        raise UsageError(
                            f"{self.label}: the model {name[:100]!r} in it has {len(sources)} inputs."
                        )
                    previous = self.model(layer, own, own_path, sources[0], depth + 1)
                else:
                    node = Node(
                        str(layer["class_name"]),
                        layer["config"],
                        own,
                        own_path,
                        tuple(sources),
                        constants,
                    )
                    self.graph.nodes.append(node)
                    previous = len(self.graph.nodes) - 1
            ends[name] = previous
        outputs = _outputs(inner)
        if len(outputs) > 1:
            raise UsageError(f"{self.label} contains a model with {len(outputs)} outputs.")
        end = ends[outputs[0]] if outputs else previous
        if end is None:
            raise ValueError("a model without layers")
        return end

    def input(
        self, layer: Mapping[str, Any], names: tuple[str, ...], path: str, source: int | None
    ) -> int:
        """The node of an InputLayer: of an inner model, what it is called on."""
        if source is not None:
            return source
        if self.graph.nodes:
            raise UsageError(f"{self.label} contains a model with several inputs.")
        self.graph.nodes.append(Node("InputLayer", layer["config"], names, path, ()))
        return 0

    def start(self, layer: Mapping[str, Any], names: tuple[str, ...]) -> int:
        """The input of a Sequential whose first layer has the shape of the input."""
        shape = {"batch_shape": layer["config"].get("batch_input_shape")}
        self.graph.nodes.append(Node("InputLayer", shape, (*names[:-1], "input"), "", ()))
        return 0


def _paths(layers: Sequence[Mapping[str, Any]], outer: str) -> Iterator[str]:
    """The path of each layer in a Keras 3 file: its class with a counter."""
    used: dict[str, int] = {}
    for layer in layers:
        stem = snake_case(str(layer["class_name"]))
        stem = "functional" if stem == "model" else stem
        used[stem] = used.get(stem, -1) + 1
        name = f"{stem}_{used[stem]}" if used[stem] else stem
        yield f"{outer}/layers/{name}".lstrip("/")


def _sources(layer: Mapping[str, Any], known: Mapping[str, int], label: str) -> list[str]:
    """The names of the layers before a layer."""
    calls = layer["inbound_nodes"]
    if len(calls) > 1:
        raise UsageError(
            f"{label}: the layer {str(layer['config'].get('name'))[:100]!r} is used {len(calls)} times."
        )
    names = [str(name) for call in calls for name in _tensors(call)]
    if missing := [name for name in names if name not in known]:
        raise ValueError(f"the layer {missing[0][:100]!r} comes after its use")
    return names


def _tensors(call: Any) -> Iterator[Any]:
    """The layers that the arguments of a call come from, in both forms: `["name", 0, 0, {…}]` of
    Keras 2, and `{"class_name": "__keras_tensor__", …}` of Keras 3.
    """
    if isinstance(call, Mapping):
        if call.get("class_name") == "__keras_tensor__":
            yield call["config"]["keras_history"][0]
        else:
            for value in call.values():
                yield from _tensors(value)
    elif isinstance(call, list | tuple):
        if len(call) >= 3 and isinstance(call[0], str) and isinstance(call[1], int):
            yield call[0]
        else:
            for value in call:
                yield from _tensors(value)


def _constants(layer: Mapping[str, Any]) -> tuple[Any, ...]:
    """The numeric arguments of an operation on a tensor."""
    if not layer["inbound_nodes"]:
        return ()
    call = layer["inbound_nodes"][0]
    if isinstance(call, Mapping):
        arguments = [*call.get("args", ()), *call.get("kwargs", {}).values()]
    else:
        last = call[0] if call and isinstance(call[0], list) else call
        arguments = list(last[3].values()) if len(last) > 3 and isinstance(last[3], dict) else []
    return tuple(
        value
        for value in arguments
        if isinstance(value, int | float) and not isinstance(value, bool)
    )


def _outputs(config: Any) -> list[str]:
    """The names of the output layers of a functional model; none for a Sequential."""
    outputs: Any = config.get("output_layers", []) if isinstance(config, dict) else []
    if isinstance(outputs, Mapping):
        return [str(output[0]) for output in outputs.values()]
    if len(outputs) == 3 and isinstance(outputs[0], str):
        return [outputs[0]]
    return [str(output[0]) for output in outputs]
