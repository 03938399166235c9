"""Freezing layers of a pretrained base."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import keras

from warmstart.errors import UsageError

Block = Sequence[keras.layers.Layer]


def freeze(
    network: keras.Model,
    blocks: Sequence[Block],
    how: int | str,
    *,
    words: Mapping[str, int] | None = None,
    statistics: bool = True,
) -> list[str]:
    """Mark the first blocks of the base as not trainable.

    A BatchNormalization layer that is trainable replaces the statistics of a million examples by
    those of a few batches; only `trainable = False` on the layer itself prevents that.

    Args:
        network: base and head; the head stays trainable.
        blocks: of the base, from the input on; what comes before the first belongs to it.
        how: "none"; a number of first blocks; the name of the last frozen layer; or one of `words`.
        words: numbers of first blocks by name; default: "backbone" and "encoder" for all of them.
        statistics: whether all BatchNormalization layers of the base are frozen.

    Returns:
        The names of the base's layers that are trained.

    Raises:
        UsageError: there is no such block or layer.
    """
    everything = len(blocks)
    counts = {"none": 0, **(words or {"backbone": everything, "encoder": everything})}
    layers = [layer for block in blocks for layer in block]
    order = [layer.name for layer in network.layers]
    if isinstance(how, str) and how not in counts and how in order:
        before = {*order[: order.index(how) + 1]}
        frozen = [layer for layer in layers if layer.name in before]
    else:
        count = counts.get(how, -1) if isinstance(how, str) else how
        if isinstance(how, bool) or not 0 <= count <= everything:
            raise UsageError(
                f"freeze must be {', '.join(map(repr, counts))}, a number of first blocks up to "
                f"{everything}, or the name of a layer (the last of the base is "
                f"{layers[-1].name!r}), not {how!r}."
            )
        frozen = [layer for block in blocks[:count] for layer in block]
    for layer in frozen:
        layer.trainable = False
    if statistics:
        freeze_statistics(layers)
    return [layer.name for layer in layers if layer.trainable_weights]


def grouped(layers: Sequence[keras.layers.Layer], pattern: str | None) -> list[Block]:
    """The layers of a base in blocks: by the number that `pattern` finds in their names.

    Layers without such a number belong to the block before them, at the start to the first block.
    Without a pattern each layer is a block.
    """
    if pattern is None:
        return [[layer] for layer in layers]
    blocks: dict[int, list[keras.layers.Layer]] = {0: []}
    index = 0
    for layer in layers:
        match = re.match(pattern, layer.name)
        index = int(match[1]) if match else index
        blocks.setdefault(index, []).append(layer)
    return [blocks[index] for index in sorted(blocks)]


def freeze_statistics(layers: Sequence[keras.layers.Layer]) -> None:
    """Freeze the BatchNormalization and Normalization layers within these layers."""
    for layer in layers:
        for inner in layer._flatten_layers():
            if isinstance(inner, keras.layers.BatchNormalization | keras.layers.Normalization):
                inner.trainable = False
