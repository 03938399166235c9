"""Weights of KerasHub's presets, renamed and transposed to PyTorch's conventions.

A preset is a folder with `config.json`, `model.weights.h5` and, for a model with a head,
`task.weights.h5`. Keras names arrays by the class of their layer and a count:
`layers/transformer_encoder_3/_self_attention_layer/_query_dense/vars/0`. Here this becomes
`transformer_encoder.3.self_attention_layer.query_dense.weight`, with the prefix `task.` for arrays
of the head. The rules of a family turn it into the name used in its public checkpoints.

Source: KerasHub's presets, https://keras.io/keras_hub/.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from warmstart.checkpoints.base import Checkpoint, JoinedCheckpoint
from warmstart.checkpoints.derived import Derived, DerivedCheckpoint
from warmstart.checkpoints.layout import Rules

NORMALISED = ("weight", "bias", "running_mean", "running_var")
"""The variables of a normalisation layer, in their order."""
CONVOLUTION, DEPTHWISE, CONVOLUTION_1D = (3, 2, 0, 1), (2, 3, 0, 1), (2, 1, 0)
"""The permutations of a kernel's axes from Keras to PyTorch."""

OPTIMIZER = "optimizer/"
"""Prefix of names that belong to the optimizer."""
SEEDS = "seed_generator"
"""Part of the names of random generator states, which are not weights."""

Rename = Callable[[list[str]], Mapping[str, str]]
"""Maps names of layers, as above, to those of a family's modules. It leaves out unknown names, which the
error of filling a model then lists.
"""


class PresetCheckpoint(JoinedCheckpoint):
    """The weights of a preset and, if it has one, of its head."""

    layout = "keras-hub"

    def __init__(self, whole: Checkpoint, head: Checkpoint | None):
        self.path = whole.path
        self._parts = [whole, *([] if head is None else [head])]
        self._sources = sources = dict[str, tuple[Checkpoint, str]]()
        for part in self._parts:
            for name in part.names():
                if name.startswith(OPTIMIZER):
                    continue
                new = _readable(name)
                sources[new if part is whole else f"task.{new}"] = (part, name)

    def files(self) -> list[Path]:
        return [file for part in self._parts for file in part.files()]

    def close(self) -> None:
        for part in self._parts:
            part.close()


def _readable(name: str) -> str:
    """The name of an array with the number of its layer as a separate part, and without `layers`,
    `vars` and leading underscores: "conv2d.0.vars0".
    """
    *parts, _, index = name.split("/")
    parts = [part.lstrip("_") for part in parts if part != "layers"]
    first, *others = parts or [""]
    match = re.fullmatch(r"(.*?)(?:_(\d+))?", first)
    assert match is not None
    return ".".join([match[1], match[2] or "0", *others, f"vars{index}"])


def modules(names: list[str], rules: Rules) -> Mapping[str, str]:
    """Layer name -> module name, by the first rule that matches."""
    named = {}
    for name in names:
        for pattern, replacement in rules:
            if re.fullmatch(pattern, name):
                named[name] = re.sub(f"^{pattern}$", replacement, name)
                break
    return named


def pytorch_arrays(
    checkpoint: Checkpoint,
    rename: Rename,
    *,
    transposed: bool = True,
    joined: Mapping[str, tuple[str, ...]] | None = None,
    rows_before: Mapping[str, int] | None = None,
) -> Checkpoint:
    """A preset's arrays with the names and axes of a family's public checkpoints.

    Args:
        checkpoint: a `PresetCheckpoint`.
        rename: from names of layers to those of modules.
        transposed: whether PyTorch's kernels of dense layers are (out, in).
        joined: name of a module -> the names of the modules that are concatenated into it.
        rows_before: name of an array -> number of rows of zeros to insert before it.
    """
    by_layer: dict[str, list[tuple[int, str]]] = {}
    for name in checkpoint.names():
        layer, _, variable = name.rpartition(".vars")
        by_layer.setdefault(layer, []).append((int(variable), name))
    derived: dict[str, Derived] = {}
    modules = rename(list(by_layer))
    for layer, arrays in by_layer.items():
        if layer not in modules:
            if SEEDS not in layer:
                derived |= {
                    name: Derived((name,), checkpoint.shape(name), np.asarray) for _, name in arrays
                }
            continue
        for index, name in arrays:
            shape = checkpoint.shape(name)
            new = f"{modules[layer]}.{_variable(layer, index, shape, len(arrays))}"
            make = partial(_transposed, layer=layer, index=index, transposed=transposed)
            new_shape = make(np.broadcast_to(np.False_, shape)).shape
            derived[new] = Derived((name,), new_shape, make)
    for name, rows in (rows_before or {}).items():
        if name in derived:
            derived[name] = _with_rows(derived[name], rows)
    for module, parts in (joined or {}).items():
        for variable in ("weight", "bias"):
            if all(f"{part}.{variable}" in derived for part in parts):
                pieces = [derived.pop(f"{part}.{variable}") for part in parts]
                derived[f"{module}.{variable}"] = _side_by_side(pieces)
    return DerivedCheckpoint(checkpoint, derived, layout="keras-hub", keep_others=False)


def converter(rules: Rules, **options: Any) -> Callable[[Checkpoint], Checkpoint]:
    """`pytorch_arrays` with the names of modules by `rules`, and with these options."""
    return partial(pytorch_arrays, rename=partial(modules, rules=rules), **options)


def _variable(layer: str, index: int, shape: tuple[int, ...], count: int) -> str:
    """PyTorch's name of a layer's variable."""
    if count == 1 and len(shape) == 2 and "embedding" in layer:
        return "weight"
    return NORMALISED[index] if index < len(NORMALISED) else f"vars{index}"


def _transposed(array: np.ndarray, *, layer: str, index: int, transposed: bool) -> np.ndarray:
    """An array with the axes of PyTorch, if attention heads and their size are one axis."""
    name = _layer_name(layer)
    if name == "conv1d" and array.ndim == 3:
        return array.transpose(CONVOLUTION_1D)
    if index == 0 and array.ndim == 3:  # (in, heads, size), of the output (heads, size, out)
        is_output = layer.endswith("output_dense")
        shape = (-1, array.shape[2]) if is_output else (array.shape[0], -1)
        array = array.reshape(shape)
        return array.T if transposed else array
    if index == 1 and array.ndim == 2:
        return array.reshape(-1)
    if index == 0 and array.ndim == 2 and "embedding" not in name:
        return array.T if transposed else array
    if array.ndim == 4:
        is_depthwise = "dwconv" in name or "depthwise_conv2d" in name
        return array.transpose(DEPTHWISE if is_depthwise else CONVOLUTION)
    return array


def _layer_name(layer: str) -> str:
    """The name of a layer without its number and the names of the layers that contain it."""
    return re.sub(r"\.\d+$", "", layer).rpartition(".")[2]


def _with_rows(array: Derived, rows: int) -> Derived:
    def make(*sources: np.ndarray) -> np.ndarray:
        own = array.make(*sources)
        return np.concatenate([np.zeros((rows, *own.shape[1:]), own.dtype), own])

    return Derived(array.sources, (array.shape[0] + rows, *array.shape[1:]), make)


def _side_by_side(pieces: list[Derived]) -> Derived:
    def make(*sources: np.ndarray) -> np.ndarray:
        arrays = [piece.make(source) for piece, source in zip(pieces, sources, strict=True)]
        return np.concatenate(arrays, axis=-1)

    shape = (*pieces[0].shape[:-1], sum(piece.shape[-1] for piece in pieces))
    return Derived(tuple(piece.sources[0] for piece in pieces), shape, make)
