"""Between the names and axes of public checkpoints and those of Keras models: a table for each
family, used both ways.

A model's layers have the names of the reference's modules, or names that the table turns into them.
A `Layout` is data; `fill` reads a checkpoint by it, `layout_arrays` writes one. Nothing here
imports Keras.

| layer | PyTorch | Keras |
|---|---|---|
| linear | (out, in) | (in, out) |
| convolution in one dimension | (out, in, W) | (W, in, out) |
| convolution | (out, in, H, W) | (H, W, in, out) |
| depthwise convolution | (in, 1, H, W) | (H, W, in, 1) |
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from warmstart.checkpoints.assign import assign, matches
from warmstart.checkpoints.base import Checkpoint
from warmstart.checkpoints.naming import Slot, slots
from warmstart.checkpoints.parts import part_for
from warmstart.errors import MismatchError

Rules = tuple[tuple[str, str], ...]
"""(regular expression, replacement) pairs, applied one after the other with `re.sub`."""

PYTORCH = {
    "kernel": "weight",
    "embeddings": "weight",
    "gamma": "weight",
    "beta": "bias",
    "bias": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
"""Keras' names of variables -> PyTorch's."""

BUFFERS = (
    "*.num_batches_tracked",
    "*position_ids",
    "*token_type_ids",
    "*.attn.bias",
    "*.attn.masked_bias",
)
"""Counters and constants that PyTorch writes with the weights."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The names and axes of arrays in the public checkpoints of a family.

    Attributes:
        modules: rules from our name of a layer to the reference's, both with dots.
        variables: from the name of a variable to the reference's; others stay.
        aliases: rules from further names in files to those that `modules` and `variables` give.
        prefix: the module around the body in a model with a head, such as "bert"; files may leave
            it out.
        outside: patterns of the reference's names that never have the prefix.
        transposed: patterns of our names ("layer/variable") whose axes PyTorch orders in its way.
        squeezed: patterns of our names that files may hold with a leading axis of length 1.
        optional: patterns of arrays in files that are left out if the model has no variable for
            them.
        keras_hub: converts the arrays of a KerasHub preset to the reference's names and axes.
    """

    modules: Rules = ()
    variables: Mapping[str, str] = field(default_factory=lambda: PYTORCH)
    aliases: Rules = ()
    prefix: str = ""
    outside: tuple[str, ...] = ()
    transposed: tuple[str, ...] = ("*/kernel",)
    squeezed: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    keras_hub: Callable[[Checkpoint], Checkpoint] | None = None

    def module(self, layer: str) -> str:
        """The reference's name of a layer, without the prefix: `head.classifier` -> `classifier`."""
        return _apply(self.modules, layer)

    def name(self, slot: Slot, *, prefixed: bool = False) -> str:
        """The reference's name of a variable: `encoder.layer.0.output.dense.weight`."""
        *layer, variable = slot.parts
        module, variable = self.module(".".join(layer)), self.variables.get(variable, variable)
        name = f"{module}.{variable}" if module else variable
        return self.prefixed(name) if prefixed else name

    def prefixed(self, name: str) -> str:
        """The reference's name of a variable as it is in a model with a head."""
        return f"{self.prefix}.{name}" if self.prefix and not matches(name, self.outside) else name

    def bare(self, name: str) -> str:
        """A name from a file without the prefix."""
        return name.removeprefix(f"{self.prefix}.") if self.prefix else name

    def canonical(self, name: str) -> str:
        """A name from a file without the prefix, and with its alias resolved."""
        return _apply(self.aliases, self.bare(name))

    def with_aliases(self, aliases: Rules) -> Layout:
        """The same with further aliases."""
        return replace(self, aliases=(*self.aliases, *aliases))


def fill(
    model: Any,
    checkpoint: Checkpoint,
    layout: Layout,
    *,
    ignore: Sequence[str] = (),
    head: str = "",
    heads: Sequence[str] = (),
) -> None:
    """Fill a model from a public checkpoint: all of it, or an error.

    Of an array that the file contains under its own name and under an alias (tied weights), the
    alias is not read.

    Args:
        model: a built `keras.Model`.
        checkpoint: open, in one file or several.
        layout: of the model's family.
        ignore: patterns of arrays that are not needed.
        head: what the model's head does, for the error if the file has no weights for it.
        heads: patterns of the arrays of heads; left out if the model has no variable for them.

    Raises:
        MismatchError: an array without a variable, a variable without an array, another shape, or
            no head.
    """
    if layout.keras_hub is not None and checkpoint.layout == "keras-hub":
        checkpoint = layout.keras_hub(checkpoint)
    targets = {layout.name(slot): slot for slot in slots(model)}
    names = {name: layout.canonical(name) for name in checkpoint.names()}
    own_names = {layout.bare(name) for name in names}
    optional = (*BUFFERS, *layout.optional, *heads)
    chosen: dict[str, str | None] = {}
    for name, canonical in names.items():
        is_alias = canonical != layout.bare(name)
        if matches(name, ignore) or matches(canonical, ignore):
            chosen[name] = None
        elif canonical in targets:
            chosen[name] = None if is_alias and canonical in own_names else targets[canonical].name
        elif matches(canonical, optional) or matches(name, optional):
            chosen[name] = None
        else:
            chosen[name] = name  # `assign` names it in its error
    read = set(chosen.values())
    missing = [name for name, slot in targets.items() if slot.name not in read]
    if missing and all(matches(name, heads) for name in missing):
        raise MismatchError(
            f"{checkpoint.path} has no weights for {head}: {', '.join(missing[:4])} are missing. "
            "It has another head or none; fine-tune it, or take a checkpoint with this head."
        )
    by_name = {slot.name: slot for slot in targets.values()}
    assign(
        model,
        checkpoint,
        rename=chosen.get,
        transform=lambda name, array: to_keras(layout, by_name[name], array),
    )


def layout_arrays(model: Any, layout: Layout, *, prefixed: bool = True) -> dict[str, np.ndarray]:
    """The weights of a model under the reference's names and with its axes.

    Args:
        model: a built `keras.Model`.
        layout: of the model's family.
        prefixed: whether the body's names have the layout's prefix.
    """
    return {
        layout.name(slot, prefixed=prefixed): to_reference(
            layout, slot, np.array(slot.variable.numpy())
        )
        for slot in slots(model)
    }


def arrays_of(layout: Layout) -> Callable[[Any, Any], dict[str, np.ndarray]]:
    """The `arrays` of a family whose config does not change the names."""
    return lambda model, config: layout_arrays(model, layout)


def patterns_of_absent(model: Any, *modules: str) -> list[str]:
    """Patterns of the arrays of those modules that a model does not have, such as its head."""
    names = [f"{layer.name}." for layer in model.layers]
    return [
        f"{module}.*"
        for module in modules
        if not any(name.startswith(f"{module}.") for name in names)
    ]


def load_by_name(model: Any, checkpoint: Checkpoint, config: Any) -> None:
    """Fill a model from a checkpoint whose arrays have the names of its variables, or from the
    part of a Keras file that contains it: all of it, or an error.

    It is the `load` of families that have no public layout; they do not need `config`.

    Raises:
        MismatchError: the arrays do not fit the model.
    """
    assign(model, part_for(model, checkpoint))


def to_keras(layout: Layout, slot: Slot, array: np.ndarray) -> np.ndarray:
    """An array of a file with the axes that its variable has."""
    name = "/".join(slot.parts)
    if matches(name, layout.squeezed) and array.ndim == 3 and array.shape[0] == 1:
        return array.reshape(array.shape[1:])
    if not matches(name, layout.transposed):
        return array
    if array.ndim == 4:
        return array.transpose((2, 3, 0, 1) if _is_depthwise(slot) else (2, 3, 1, 0))
    return array.T


def to_reference(layout: Layout, slot: Slot, array: np.ndarray) -> np.ndarray:
    """The opposite of `to_keras`."""
    if not matches("/".join(slot.parts), layout.transposed):
        return array
    if array.ndim == 4:
        return np.ascontiguousarray(
            array.transpose((2, 3, 0, 1) if _is_depthwise(slot) else (3, 2, 0, 1))
        )
    return np.ascontiguousarray(array.T)


def _is_depthwise(slot: Slot) -> bool:
    return type(slot.layer).__name__ == "DepthwiseConv2D"


def _apply(rules: Rules, name: str) -> str:
    for pattern, replacement in rules:
        name = re.sub(pattern, replacement, name)
    return name
