"""A network inside a larger file: nested in an outer model, or with a head that it does not have.

Files of fine-tuned models hold the backbone as a nested Sequential or Functional model, or its
layers with those of a head after them. Groups of the file are compared with the network by
structure: the shapes of all arrays first, then names and order, as for any other file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Mapping
from typing import Any

from warmstart.checkpoints.assign import is_weight
from warmstart.checkpoints.base import Checkpoint, JoinedCheckpoint, abbreviated, squeezed
from warmstart.checkpoints.naming import (
    automatic_stems,
    canonical,
    inner_layers,
    saved_paths,
    slots,
)
from warmstart.errors import CheckpointError

LAYERS = ("layers", "_layer_checkpoint_dependencies")
"""The name of the container of a model's layers in Keras 3 and in TensorFlow 2.12."""

Shapes = Counter[tuple[int, ...]]


class Part(JoinedCheckpoint):
    """A part of the arrays of an open checkpoint, under other names; closed with the checkpoint.

    Args:
        whole: an open checkpoint.
        group: the name of the part in it; "" for its outermost model.
        names: name in the part -> name in the whole.
        layers: names in the part by layer, as `Checkpoint.layers`.
    """

    def __init__(
        self,
        whole: Checkpoint,
        group: str,
        names: Mapping[str, str],
        layers: Mapping[str, list[str]],
    ):
        self.path, self.layout, self.group = whole.path, whole.layout, group
        self.whole, self.whole_names, self._layers = whole, dict(names), dict(layers)
        self._sources = {name: (whole, own) for name, own in names.items()}

    def layers(self) -> dict[str, list[str]]:
        return {layer: list(names) for layer, names in self._layers.items()}

    def close(self) -> None:
        """Nothing: the whole is closed by whoever opened it."""


def part_for(model: Any, checkpoint: Checkpoint) -> Checkpoint:
    """The part of a Keras file that contains the weights of a model; the whole file if it contains
    nothing else, or if no part fits.

    Args:
        model: a built `keras.Model`.
        checkpoint: an open checkpoint.

    Raises:
        CheckpointError: several parts fit.
    """
    expected = Counter(_axes(slot.shape) for slot in slots(model))
    whole = _whole(checkpoint)
    if whole is None or _shapes(whole) == expected:
        return checkpoint
    fitting: dict[frozenset[str], Part] = {}
    for part in (whole, *_nested(checkpoint)):
        own = part if _shapes(part) == expected else _own_layers(part, model)
        if own is not None and _shapes(own) == expected:
            fitting[frozenset(own.whole_names.values())] = own
    if len(fitting) > 1:
        groups = [repr(part.group) for part in fitting.values()]
        raise CheckpointError(
            f"{checkpoint.path} contains the network {model.name} {len(groups)} times: "
            f"{abbreviated(groups)}. Save the one to be loaded with its own save_weights(…)."
        )
    return next(iter(fitting.values()), checkpoint)


def _whole(checkpoint: Checkpoint) -> Part | None:
    """The weights of a Keras file; None for a file of another layout."""
    if checkpoint.layout not in ("keras-h5", "keras-weights-h5"):
        return None
    names = {name: name for name in checkpoint.names() if is_weight(checkpoint, name)}
    return Part(checkpoint, "", names, _layers_of(checkpoint, names))


def _nested(checkpoint: Checkpoint) -> list[Part]:
    """The models inside the outermost one, outer ones first."""
    if checkpoint.layout == "keras-h5":
        return [
            _legacy_part(checkpoint, layer, names) for layer, names in checkpoint.layers().items()
        ]
    groups: dict[str, dict[str, str]] = {}
    for name in checkpoint.names():
        parts = name.replace("\\", "/").split("/")
        for index in range(2, len(parts)):
            if parts[index] in LAYERS and is_weight(checkpoint, name):
                group = "/".join(parts[:index])
                groups.setdefault(group, {})["/".join(parts[index:])] = name
    return [Part(checkpoint, group, names, {}) for group, names in groups.items()]


def _legacy_part(checkpoint: Checkpoint, group: str, names: list[str]) -> Part:
    """A layer of a legacy file as a model: its arrays by inner layer, "inner layer/weight"."""
    inner: dict[str, list[str]] = {}
    for name in names:
        layer = name.removeprefix(f"{group}/").rpartition("/")[0] or group
        inner.setdefault(layer, []).append(name)
    last = Counter(layer.rpartition("/")[2] for layer in inner)
    own: dict[str, str] = {}
    layers: dict[str, list[str]] = {}
    for layer, arrays in inner.items():
        short = layer.rpartition("/")[2]
        label = short if last[short] == 1 else layer
        layers[label] = [f"{label}/{name.rpartition('/')[2]}" for name in arrays]
        own |= dict(zip(layers[label], arrays, strict=True))
    return Part(checkpoint, group, own, layers)


def _own_layers(part: Part, model: Any) -> Part | None:
    """The part without the layers before and after those of a model; None if layers of the
    model are missing, or others stand between them.
    """
    if part.layout == "keras-h5":
        return _own_legacy_layers(part, model)
    paths = set(saved_paths(model))
    extra = [name for name in part.names() if _present(name) not in paths]
    if any("/normalization" in f"/{name}" for name in extra):
        return None  # the file does not say which of two is the model's
    return _without(part, extra)


def _own_legacy_layers(part: Part, model: Any) -> Part | None:
    own = [layer.name for layer in inner_layers(model) if layer.weights]
    layers = list(part.layers())
    if not set(own) <= set(layers):  # automatic names depend on what was built before
        stems = automatic_stems(model)
        numbered = dict(zip(_numbered(layers, stems), layers, strict=True))
        own = [numbered[name] for name in _numbered(own, stems) if name in numbered]
    indices = sorted(layers.index(layer) for layer in own)
    if not indices or indices[-1] - indices[0] + 1 != len(indices):
        return None
    extra = [name for layer, names in part.layers().items() if layer not in own for name in names]
    return _without(part, extra)


def _numbered(layers: list[str], stems: Iterable[str]) -> list[str]:
    return [
        name.removesuffix("/weight")
        for name in canonical([(layer, "weight") for layer in layers], stems)
    ]


def _layers_of(checkpoint: Checkpoint, names: Container[str]) -> dict[str, list[str]]:
    """The layers of a checkpoint that have arrays among `names`, with these arrays."""
    layers = {
        layer: [name for name in own if name in names] for layer, own in checkpoint.layers().items()
    }
    return {layer: own for layer, own in layers.items() if own}


def _without(part: Part, extra: Iterable[str]) -> Part:
    dropped = set(extra)
    names = {own: whole for own, whole in part.whole_names.items() if own not in dropped}
    return Part(part.whole, part.group, names, _layers_of(part, names))


def _present(name: str) -> str:
    """A path with the present name of the container of layers."""
    return name.replace("\\", "/").replace(LAYERS[1], LAYERS[0])


def _shapes(part: Part) -> Shapes:
    return Counter(_axes(part.shape(name)) for name in part.names())


def _axes(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The lengths of a kernel's axes, sorted: old files have another order of axes."""
    return tuple(sorted(squeezed(shape)))
