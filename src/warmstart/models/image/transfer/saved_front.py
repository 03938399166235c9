"""The layers of a saved Keras model before its backbone: augmentation, resizing and scaling."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from warmstart.catalog import ImagePreprocessing
from warmstart.errors import MismatchError, UsageError
from warmstart.models.image.repository import LARGEST_SIDE
from warmstart.models.image.transfer.saved_graph import Graph, Node

Arrays = Callable[[Node], list[np.ndarray]]
"""The arrays of a layer in the file."""

NOTHING = ("Dropout", "GaussianNoise", "GaussianDropout", "MixUp", "CutMix", "AutoContrast")
OPERATIONS = {
    "Multiply": "mul",
    "TrueDivide": "div",
    "Divide": "div",
    "Add": "add",
    "Subtract": "sub",
    "math.multiply": "mul",
    "math.truediv": "div",
    "math.divide": "div",
    "math.add": "add",
    "__operators__.add": "add",
    "math.subtract": "sub",
}
"""Operations of Keras 3, and functions of TFOpLambda in Keras 2."""
FRONT = ("Rescaling", "Normalization", "Resizing", *OPERATIONS)


@dataclass(frozen=True)
class Front:
    """The scaling of pixels 0..255 of each channel: x * scale + offset.

    Attributes:
        nodes: indices of the layers, in order.
        scale, offset: (3,).
        size: (height, width) that photos are resized to; None if no layer does.
    """

    nodes: tuple[int, ...] = ()
    scale: np.ndarray = field(default_factory=lambda: np.ones(3))
    offset: np.ndarray = field(default_factory=lambda: np.zeros(3))
    size: tuple[int, int] | None = None

    @property
    def scales(self) -> bool:
        """Whether the model scales pixels by itself."""
        return not (np.all(self.scale == 1) and np.all(self.offset == 0))

    def rules(self, base: ImagePreprocessing) -> ImagePreprocessing:
        """The preprocessing of the whole, from that of the backbone."""
        rules = base if self.size is None else replace(base, size=self.size, resize="squash")
        if not self.scales:
            return rules
        if np.allclose(self.scale, 1 / 127.5) and np.allclose(self.offset, -1):
            return replace(rules, scaling="tf", mean=None, std=None)
        std = 1 / (255 * self.scale)
        mean = -self.offset * std
        return replace(
            rules, scaling="standard", mean=tuple(mean.tolist()), std=tuple(std.tolist())
        )


def front_nodes(graph: Graph, own: Sequence[Sequence[str]], label: str) -> tuple[int, ...]:
    """The layers between the input and the backbone.

    Args:
        graph: of the whole model.
        own: classes of the layers by which the backbone itself scales its inputs, in each form.
        label: of the file, for messages.

    Raises:
        MismatchError: the backbone's own layers are missing.
        UsageError: a layer before the backbone is not one of those that are read.
    """
    chain: list[int] = []
    index = 0
    while len(after := graph.consumers(index)) == 1:
        (index,) = after
        node = graph.nodes[index]
        if len(node.inputs) != 1 or not _is_front(node):
            break
        chain.append(index)
    _check_start(graph, chain[-1] if chain else 0, label)
    if not own:
        return tuple(chain)
    classes = [graph.nodes[index].class_name for index in chain]
    for form in own:
        if classes[-len(form) :] == list(form):
            return tuple(chain[: -len(form)])
    raise MismatchError(
        f"{label}: the network of this name begins with {' and '.join(own[-1])}, and the model of the file does not."
    )


def _check_start(graph: Graph, last: int, label: str) -> None:
    """Refuse a layer between the last one that is read and the first convolution of a network; of
    one without weights, nothing else would be missed.
    """
    padding: list[Node] = []
    after = graph.consumers(last)
    while len(after) == 1 and graph.nodes[after[0]].class_name == "ZeroPadding2D":
        padding.append(graph.nodes[after[0]])
        after = graph.consumers(after[0])
    first = [graph.nodes[index] for index in after]
    if all("Conv2D" in node.class_name for node in first):
        first = [node for node in padding if node.names[:-1] != first[0].names[:-1]]
    if first:
        raise UsageError(
            f"{label}: the layer {first[0].name[:100]!r} ({first[0].class_name[:100]}) "
            "before the network is not supported: only augmentation, resizing and scaling "
            "are."
        )


def _is_front(node: Node) -> bool:
    name = node.class_name
    return name in FRONT or name in NOTHING or name.startswith("Random") or name == "TFOpLambda"


def read_front(graph: Graph, nodes: Sequence[int], arrays: Arrays, label: str) -> Front:
    """The scaling by the layers before the backbone during inference.

    Raises:
        UsageError: one of them does something other than scaling and resizing.
    """
    front = Front(tuple(nodes))
    for index in nodes:
        node = graph.nodes[index]
        try:
            front = _after(front, node, arrays)
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            raise UsageError(
                f"{label}: the layer {node.name[:100]!r} ({node.class_name[:100]}) before the network cannot be read"
                f" ({str(error)[:200]})."
            ) from error
    if not np.all(np.isfinite(front.offset) & np.isfinite(front.scale) & (front.scale != 0)):
        raise UsageError(f"{label}: the layers before the network make all photos equal.")
    return front


def _after(front: Front, node: Node, arrays: Arrays) -> Front:
    name, config = node.class_name, node.config
    operation = OPERATIONS.get(str(config.get("function")) if name == "TFOpLambda" else name)
    if operation:
        return _computed(front, operation, node)
    if name == "Rescaling":
        scale, offset = _channels(config["scale"]), _channels(config.get("offset", 0))
        return replace(front, scale=front.scale * scale, offset=front.offset * scale + offset)
    if name == "Normalization":
        mean, variance = _moments(config, node, arrays)
        deviation = np.maximum(np.sqrt(variance), 1e-7)
        return replace(
            front, scale=front.scale / deviation, offset=(front.offset - mean) / deviation
        )
    if name == "Resizing":
        if config.get("crop_to_aspect_ratio") or config.get("pad_to_aspect_ratio"):
            raise ValueError("it keeps the aspect ratio")
        return replace(front, size=(_side(config["height"]), _side(config["width"])))
    if name in NOTHING or (name.startswith("Random") and name != "RandomCrop"):
        return front  # for training only
    raise ValueError("only scaling and resizing are supported")


def _computed(front: Front, operation: str, node: Node) -> Front:
    """After an operation with a number."""
    if len(node.constants) != 1:
        raise ValueError("not an operation with one number")
    number = float(node.constants[0])
    if operation in ("mul", "div"):
        factor = number if operation == "mul" else 1 / number
        return replace(front, scale=front.scale * factor, offset=front.offset * factor)
    return replace(front, offset=front.offset + (number if operation == "add" else -number))


def _moments(
    config: Mapping[str, Any], node: Node, arrays: Arrays
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of a Normalization, from its config or its arrays."""
    if config.get("mean") is not None:
        return _channels(config["mean"]), _channels(config["variance"])
    mean, variance, *_ = arrays(node)
    return _channels(mean), _channels(variance)


def _channels(value: Any) -> np.ndarray:
    """A number, or one for each channel, as (3,)."""
    numbers = np.asarray(value, np.float64).reshape(-1)
    if numbers.size not in (1, 3) or not np.all(np.isfinite(numbers)):
        raise ValueError("its numbers are not one for each channel")
    return np.broadcast_to(numbers, 3).copy()


def _side(value: Any) -> int:
    if not isinstance(value, int) or not 1 <= value <= LARGEST_SIDE:
        raise ValueError(f"its size is {value!r}")
    return value
