"""A classifier that somebody trained with Keras, read from its `.keras` or `.h5` file as data.

    photos -> [augmentation, scaling] -> backbone -> head -> classes

The backbone is a network of the catalogue, nested as a model or with its layers among the others.
The layers before it become the preprocessing, those after it the head of a transfer
network. Nothing is imported or run by a name from the file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from warmstart.checkpoints.base import Checkpoint
from warmstart.errors import UsageError
from warmstart.json_values import is_integer, is_number
from warmstart.models import family
from warmstart.models.image.repository import LARGEST_SIDE
from warmstart.models.image.transfer.family import ACTIVATIONS, HEAD_ARGUMENTS, MAP_LAYERS
from warmstart.models.image.transfer.saved_front import Front, front_nodes, read_front
from warmstart.models.image.transfer.saved_graph import Graph, Node, graph_of, readable

POOLED = ("GlobalAveragePooling2D", "GlobalMaxPooling2D", "Flatten")
SPATIAL = ("AveragePooling2D", "MaxPooling2D", "Conv2D", "DepthwiseConv2D", "SeparableConv2D")
"""Layers of a head that, inside a backbone, are the backbone's."""
FUNCTIONS = ("Activation", "ReLU", "LeakyReLU", "PReLU", "ELU", "Rescaling", "UnitNormalization")
"""Also layers of a head; a backbone ends with at most one of them."""
BACKBONE_ENDS = (*SPATIAL, "Add", "Multiply", "Concatenate")
"""Layers before the last normalisation and activation of a backbone."""


@dataclass(frozen=True)
class SavedClassifier:
    """A classifier in a Keras file.

    Attributes:
        front: what happens to photos before the backbone.
        size: (height, width) of the model's input; None if it takes any.
        head: the layers between backbone and classes, as `network.head_config` gives them.
        units: of the last Dense; 1 is one logit of two classes.
        sigmoid: whether each class has a probability of its own.
        temperature: what the logits are divided by.
        arrays: names in the file, of each layer of the head with weights; the last Dense is last.
    """

    front: Front
    size: tuple[int, int] | None
    head: list[dict[str, Any]]
    units: int
    sigmoid: bool
    temperature: float
    arrays: list[list[str]]

    @property
    def classes(self) -> int:
        return max(self.units, 2)


def read(checkpoint: Checkpoint, base: Mapping[str, Any]) -> SavedClassifier | None:
    """The classifier of an open file; None if the file has weights only.

    Args:
        checkpoint: an open file of Keras.
        base: architecture and config of its backbone.

    Raises:
        UsageError: it is not a classifier on one backbone, or has layers that are not read.
        CorruptCheckpointError: its config is damaged.
    """
    config = checkpoint.config()
    if config is None:
        return None
    label = str(checkpoint.path)
    with readable(label):
        return _read(checkpoint, config, base, label)


def _read(
    checkpoint: Checkpoint, config: Mapping[str, Any], base: Mapping[str, Any], label: str
) -> SavedClassifier:
    graph = graph_of(config, label)
    nodes = front_nodes(graph, _own_preprocessing(base), label)
    front = read_front(graph, nodes, lambda node: _arrays(checkpoint, node), label)
    tail = [graph.nodes[index] for index in _tail(graph, label)]
    tail, sigmoid, temperature = _without_activation(tail, config, label)
    dense = tail.pop()
    head = tail[1:] if tail[0].class_name == "GlobalAveragePooling2D" else tail
    return SavedClassifier(
        front=front,
        size=_input_size(graph, label),
        head=[_spec(node, label) for node in head],
        units=_units(dense, label),
        sigmoid=sigmoid,
        temperature=temperature,
        arrays=[names for node in (*head, dense) if (names := arrays_of(checkpoint, node))],
    )


def is_plain(checkpoint: Checkpoint, base: Mapping[str, Any], classes: int) -> bool:
    """Whether a file contains only a network with this many classes, or weights
    only: then it is filled by its arrays.

    Raises:
        CorruptCheckpointError: its config is damaged.
        UsageError: its config is that of another type of model.
        MismatchError: it is that of another network.
    """
    config = checkpoint.config()
    if config is None:
        return True
    label = str(checkpoint.path)
    with readable(label):
        graph = graph_of(config, label)
        if _backbone_group(graph):  # networks may have small nested models of their own
            return False
        sizes = (
            node.config.get("units") or node.config.get("filters") for node in reversed(graph.nodes)
        )
        if next(filter(None, sizes), None) != classes:
            return False
        return not front_nodes(graph, _own_preprocessing(base), label)


def _own_preprocessing(base: Mapping[str, Any]) -> Sequence[Sequence[str]]:
    own = getattr(family(base["architecture"]), "own_preprocessing", lambda config: ())
    forms: Sequence[Sequence[str]] = own(base["config"])
    return forms


def arrays_of(checkpoint: Checkpoint, node: Node) -> list[str]:
    """The names of the arrays of a layer, in their order."""
    if checkpoint.layout == "keras-h5":
        names = checkpoint.layers().get(node.names[0], [])
        if len(node.names) == 1:
            return names
        return [name for name in names if name.split("/")[-2] == node.name]
    prefix = f"{node.path}/vars/"
    own = [
        name
        for name in checkpoint.names()
        if name.replace("_layer_checkpoint_dependencies", "layers").startswith(prefix)
    ]
    return sorted(own, key=lambda name: (len(name), name))


def _arrays(checkpoint: Checkpoint, node: Node) -> list[np.ndarray]:
    return [checkpoint.read(name) for name in arrays_of(checkpoint, node)]


def _tail(graph: Graph, label: str) -> list[int]:
    """The chain of layers after the backbone, up to the output."""
    group = _backbone_group(graph)
    chain: list[int] = []
    inside = 0
    index = graph.output
    while _continues(graph, index, chain, group):
        inside += graph.nodes[index].names[: len(group)] == group
        chain.insert(0, index)
        (index,) = graph.nodes[index].inputs
    last = graph.nodes[index]
    pooled = [i for i, c in enumerate(chain[:inside]) if graph.nodes[c].class_name in POOLED]
    tail = chain[pooled[0] if pooled else inside :]
    first = graph.nodes[tail[0]] if tail else last
    if not group:
        _check_end(graph, [index, *chain[: len(chain) - len(tail)]], label)
    if last.names[: len(group)] != group or first.class_name not in MAP_LAYERS:
        raise UsageError(
            f"{label}: the head, after the layer {last.name[:100]!r} "
            f"({last.class_name[:100]}), is not supported: it must begin with one of "
            f"{', '.join(MAP_LAYERS)}, and go on with these or "
            f"{', '.join(sorted(set(HEAD_ARGUMENTS) - set(MAP_LAYERS)))}."
        )
    return tail


def _check_end(graph: Graph, before: Sequence[int], label: str) -> None:
    """Refuse layers that were added at the end of a backbone whose layers stand among the others.

    Args:
        before: the last layers before the head.
    """
    nodes = [graph.nodes[index] for index in before]
    own = [node for node in nodes[:1] if node.class_name not in BACKBONE_ENDS]
    added = own or [node for node in nodes[1:] if node.class_name in FUNCTIONS][1:]
    if added:
        raise UsageError(
            f"{label}: the layer {added[0].name[:100]!r} ({added[0].class_name[:100]}) "
            "between the network and the head is not supported."
        )


def _continues(graph: Graph, index: int, chain: Sequence[int], group: tuple[str, ...]) -> bool:
    """Whether a node before the chain may belong to the head."""
    node = graph.nodes[index]
    if node.names[: len(group)] == group and node.class_name in SPATIAL:
        return False
    only_consumer = not chain or graph.consumers(index) == [chain[0]]
    return node.class_name in HEAD_ARGUMENTS and len(node.inputs) == 1 and only_consumer


def _backbone_group(graph: Graph) -> tuple[str, ...]:
    """The names of the innermost model with most of the layers; none if they are not nested."""
    counts = Counter(
        node.names[:depth] for node in graph.nodes for depth in range(1, len(node.names))
    )
    groups = [group for group, count in counts.items() if count > len(graph.nodes) / 2]
    return max(groups, key=len, default=())


def _without_activation(
    tail: list[Node], config: Mapping[str, Any], label: str
) -> tuple[list[Node], bool, float]:
    """The layers up to the last Dense, whether its classes are independent, and the temperature."""
    activations: list[str] = []
    temperature = 1.0
    while tail and tail[-1].class_name in ("Softmax", "Activation", "Rescaling"):
        last = tail.pop()
        if last.class_name == "Rescaling":
            scale: Any = last.config.get("scale")
            if last.config.get("offset") or not _is_positive(scale):
                raise UsageError(f"{label}: its logits are shifted by {last.name[:100]!r}.")
            temperature /= scale
        else:
            activations.append(str(last.config.get("activation", "softmax")))
    if not tail or tail[-1].class_name != "Dense":
        raise UsageError(f"{label} is not a classifier: it does not end with a Dense layer.")
    activations.append(str(tail[-1].config.get("activation", "linear")))
    chosen = [name for name in activations if name != "linear"] or [_of_loss(config, label)]
    if len(chosen) > 1 or chosen[0] not in ("softmax", "sigmoid"):
        raise UsageError(
            f"{label} is not a classifier: its last layer has the activation {', '.join(chosen)}."
        )
    units = _units(tail[-1], label)
    if units == 1 and chosen[0] == "softmax":
        raise UsageError(f"{label} has a single class, whose probability is always 1.")
    return tail, chosen[0] == "sigmoid" and units > 1, temperature


def _of_loss(config: Mapping[str, Any], label: str) -> str:
    """The activation that belongs to the loss, for a last layer of logits."""
    loss = (config.get("compile_config") or {}).get("loss")
    if isinstance(loss, Mapping):
        loss = loss.get("class_name") or loss.get("config")
    name = str(loss or "").lower().replace("_", "")
    if "binary" in name:
        return "sigmoid"
    if "categorical" in name or name == "kldivergence":
        return "softmax"
    raise UsageError(
        f"{label} ends with a linear layer and does not say whether its classes exclude each other (softmax) or not "
        f"(sigmoid): its loss is {str(loss)[:100]!r}. Add the activation to the model and save it again."
    )


def _spec(node: Node, label: str) -> dict[str, Any]:
    """A layer of the head as plain values."""
    config = {}
    for key in HEAD_ARGUMENTS[node.class_name]:
        value = node.config.get(key)
        if key == "axis" and isinstance(value, list) and len(value) == 1:
            (value,) = value
        if key == "negative_slope" and value is None:  # Keras 2
            value = node.config.get("alpha")
        if value is not None:
            config[key] = value
    if (
        not isinstance(config.get("activation", "linear"), str)
        or config.get("activation", "linear") not in ACTIVATIONS
    ):
        raise UsageError(
            f"{label}: the layer {node.name[:100]!r} has an activation that is not one of Keras' own."
        )
    if node.config.get("keepdims") or node.config.get("data_format") == "channels_first":
        raise UsageError(
            f"{label}: the layer {node.name[:100]!r} has another data format (axis order)."
        )
    return {"class_name": node.class_name, "config": config}


def _units(dense: Node, label: str) -> int:
    units = dense.config.get("units")
    if not is_integer(units, 1):
        raise UsageError(f"{label}: its last layer has {units!r} units.")
    return units


def _input_size(graph: Graph, label: str) -> tuple[int, int] | None:
    """Height and width of the model's input; None if it takes any."""
    config = graph.nodes[0].config
    shape = config.get("batch_shape") or config.get("batch_input_shape") or ()
    if not isinstance(shape, list) or len(shape) != 4 or None in shape[1:]:
        return None
    height, width, channels = shape[1:]
    if channels != 3:
        raise UsageError(
            f"{label}: the number of channels of its input is {channels!r}, and photos have 3: red, green and blue."
        )
    if not all(isinstance(side, int) and 1 <= side <= LARGEST_SIDE for side in (height, width)):
        raise UsageError(f"{label}: its input has the shape {str(shape)[:100]}.")
    return height, width


def _is_positive(value: Any) -> bool:
    return is_number(value) and value > 0
