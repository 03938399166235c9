"""Match the layers of a legacy Keras `.h5` with those of a model.

Such a file lists layers in their topological order, and for each layer its weights, trainable ones
first. Names changed over the years: Keras 1 wrote `conv1_W`, Keras 2 `conv1/kernel:0` and
`depthwise_kernel`, Keras 3 `conv1/kernel`; automatic layer names depend on what the process had
built before. So layers are matched by name, else by order; inside a layer the same.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any

from warmstart.checkpoints.base import Checkpoint, abbreviated, squeezed
from warmstart.checkpoints.hdf5 import TOP_LEVEL
from warmstart.checkpoints.naming import Slot, automatic_stems, canonical, inner_layers, snake_case
from warmstart.counts import counted
from warmstart.errors import MismatchError

Pairs = list[tuple[Slot, str]]
_KERAS1 = {
    "W": "kernel",
    "b": "bias",
    "U": "recurrent_kernel",
    "running_mean": "moving_mean",
    "running_std": "moving_variance",
    "gamma": "gamma",
    "beta": "beta",
}
_SYNONYMS = {"depthwise_kernel": "kernel"}  # of DepthwiseConv2D, in Keras 2
_STATISTICS = {"moving_mean", "moving_variance", "mean", "variance", "count"}
_ROLES = {
    "kernel",
    "bias",
    "gamma",
    "beta",
    "pointwise_kernel",
    "recurrent_kernel",
    "embeddings",
    *_STATISTICS,
}


def weight_role(name: str) -> str:
    """The role of a weight, from the last part of its name: kernel, bias, gamma, moving_mean, ..."""
    last = name.rsplit("/", 1)[-1].removesuffix(":0")
    if match := re.fullmatch(r".+_(W|b|U|running_mean|running_std|gamma|beta)(_\d+)?", last):
        return _KERAS1[match[1]]
    return _SYNONYMS.get(last, last)


def pair_by_layers(
    model: Any, targets: list[Slot], names: list[str], checkpoint: Checkpoint
) -> Pairs:
    """Pair the arrays of a legacy file with the variables of a model.

    Args:
        model: the model.
        targets: its slots.
        names: the arrays to use.
        checkpoint: the file; its `layers()` give the order.

    Raises:
        MismatchError: neither names nor order fit.
    """
    selected = set(names)
    groups = {
        layer: used
        for layer, all_names in checkpoint.layers().items()
        if (used := [name for name in all_names if name in selected])
    }
    layers = _layers_with_weights(model, targets)
    explicit = {layer.name for layer in inner_layers(model) if not _is_automatic(layer)}
    attempts: list[Callable[[], Pairs]] = []
    if set(groups) == set(layers):
        attempts.append(
            lambda: _pair_layers([(g, groups[g], g, layers[g]) for g in groups], model, checkpoint)
        )
    if len(groups) == len(layers) and list(groups) != list(layers):
        rows = [(g, groups[g], name, layers[name]) for g, name in zip(groups, layers, strict=True)]
        # A layer that the user named must not get another layer's weights.
        if all(g == name for g, _, name, _ in rows if g in explicit):
            attempts.append(lambda: _pair_layers(rows, model, checkpoint))
    first: MismatchError | None = None
    for attempt in attempts:
        try:
            return attempt()
        except MismatchError as error:
            first = first or error
    raise first or _no_match(groups, layers, model, checkpoint)


def _layers_with_weights(model: Any, targets: list[Slot]) -> dict[str, list[Slot]]:
    """Slots by top-level layer, in the model's order; variables of no layer come last, under
    `TOP_LEVEL`.
    """
    by_variable = {id(slot.variable): slot for slot in targets}
    groups: dict[str, list[Slot]] = {}
    for layer in inner_layers(model):
        own = [slot for variable in layer.weights if (slot := by_variable.pop(id(variable), None))]
        if own:
            groups[layer.name] = own
    if by_variable:
        groups[TOP_LEVEL] = list(by_variable.values())
    return groups


def _is_automatic(layer: Any) -> bool:
    return (
        re.fullmatch(re.escape(snake_case(type(layer).__name__)) + r"(_\d+)?", layer.name)
        is not None
    )


def _no_match(
    groups: dict[str, list[str]], layers: dict[str, list[Slot]], model: Any, checkpoint: Checkpoint
) -> MismatchError:
    unused = [name for group in groups if group not in layers for name in groups[group]]
    missing = [slot.name for name in layers if name not in groups for slot in layers[name]]
    text = (
        f"{checkpoint.path} does not fit the model {model.name}: the file has {counted(len(groups), 'layer')} with "
        f"weights, the model {len(layers)}"
    )
    if unused:
        text += f"; no layer of the model has the name of {counted(len(unused), 'array')} ({abbreviated(unused)})"
    if missing:
        text += f"; no layer of the file has the name of {counted(len(missing), 'weight')} ({abbreviated(missing)})"
    advice = "Take the weights or the model of the same variant"
    if unused and not missing:
        advice += ", or pass ignore=[...] with name patterns of the arrays that are not needed"
    return MismatchError(f"{text}. {advice}.")


def _pair_layers(
    rows: Sequence[tuple[str, list[str], str, list[Slot]]], model: Any, checkpoint: Checkpoint
) -> Pairs:
    pairs: Pairs = []
    stems = automatic_stems(model)
    for group, names, layer, mine in rows:
        if len(names) != len(mine):
            raise MismatchError(
                f"{checkpoint.path}: layer {group!r} has {counted(len(names), 'array')} ({abbreviated(names)}), "
                f"but {layer!r} of {model.name} has {counted(len(mine), 'weight')} "
                f"({abbreviated([slot.name for slot in mine])}). Take the weights or the model of "
                "the same variant."
            )
        pairs += _pair_inside(group, names, layer, mine, stems, checkpoint)
    return pairs


def _pair_inside(
    group: str,
    names: list[str],
    layer: str,
    mine: list[Slot],
    stems: set[str],
    checkpoint: Checkpoint,
) -> Pairs:
    """Pair the arrays of one layer (or nested model): by inner names, else by roles and shapes in
    order.
    """
    top = () if layer == TOP_LEVEL else (layer,)
    saved = [tuple(name.removeprefix(f"{group}/").removesuffix(":0").split("/")) for name in names]
    own = [slot.parts[len(top) :] for slot in mine]
    for count in (False, True):  # with the names unchanged, then with automatic names renumbered
        saved_keys, own_keys = _keys(saved, stems, count), _keys(own, stems, count)
        if set(saved_keys) == set(own_keys) and len(set(own_keys)) == len(mine):
            by_key = dict(zip(own_keys, mine, strict=True))
            return [(by_key[key], name) for key, name in zip(saved_keys, names, strict=True)]
    trainable = [slot for slot in mine if slot.variable.trainable]
    frozen = [slot for slot in mine if not slot.variable.trainable]
    weights = [slot for slot in mine if weight_role(slot.name) not in _STATISTICS]
    statistics = [slot for slot in mine if weight_role(slot.name) in _STATISTICS]
    # As the model is now; if all were trainable; if all were frozen.
    orders = [trainable + frozen, weights + statistics, mine]
    for order in orders:
        if all(
            _alike(slot, name) and _same_shape(checkpoint.shape(name), slot)
            for slot, name in zip(order, names, strict=True)
        ):
            return list(zip(order, names, strict=True))
    for slot, name in zip(orders[0], names, strict=True):
        if not _alike(slot, name) or not _same_shape(checkpoint.shape(name), slot):
            raise MismatchError(
                f"{checkpoint.path}: the array {name!r} has shape {checkpoint.shape(name)}, "
                f"but {slot.name!r} of the model has shape {slot.shape}. Take the weights or "
                "the model of the same variant."
            )
    raise MismatchError(
        f"{checkpoint.path}: the arrays of layer {group!r} are not those of {layer!r}."
    )


def _keys(paths: list[tuple[str, ...]], stems: set[str], count: bool) -> list[str]:
    """The last two parts of every path (outer prefixes differ between Keras versions), the last as
    a role.
    """
    paths = [(*path[-2:-1], weight_role(path[-1])) for path in paths]
    return canonical(paths, stems) if count else ["/".join(path) for path in paths]


def _alike(slot: Slot, name: str) -> bool:
    """Whether two names may have the same role; an unknown name (`Variable:0`) may have any."""
    ours, theirs = weight_role(slot.name), weight_role(name)
    return ours == theirs or ours not in _ROLES or theirs not in _ROLES


def _same_shape(shape: tuple[int, ...], slot: Slot) -> bool:
    return sorted(squeezed(shape)) == sorted(squeezed(slot.shape))
