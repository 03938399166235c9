"""Fill a keras.Model from a checkpoint, entirely or not at all."""

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from warmstart.checkpoints.base import Checkpoint, abbreviated
from warmstart.checkpoints.legacy_layers import pair_by_layers
from warmstart.checkpoints.naming import (
    Slot,
    automatic_stems,
    canonical,
    finalize_layers,
    saved_paths,
    slots,
)
from warmstart.counts import counted
from warmstart.errors import MismatchError

# State in Keras files other than weights: optimizers and random generators.
NOT_WEIGHTS = {
    "keras-weights-h5": ("optimizer/*", "*seed_generator*/vars/*", "*random_generator*/vars/*"),
    "keras-h5": ("*/StateVar*", "*/seed_generator_state*"),
    "safetensors": (),
}

DEPTHWISE_ORDERS = (
    (0, 1, 2, 3),  # (H, W, C, 1)
    (0, 1, 3, 2),  # (H, W, 1, C): a grouped convolution, and old Keras files
    (2, 3, 0, 1),  # (C, 1, H, W): PyTorch
    (3, 2, 0, 1),  # (1, C, H, W)
    (3, 0, 1, 2),  # (1, H, W, C): TFLite
    (2, 0, 1, 3),  # (C, H, W, 1)
)


def assign(
    model: Any,
    checkpoint: Checkpoint,
    *,
    rename: Callable[[str], str | None] | None = None,
    transform: Callable[[str, np.ndarray], np.ndarray] | None = None,
    ignore: Sequence[str] = (),
) -> None:
    """Fill every weight of a model, after checking that every one has an array.

    Arrays are matched by name. Where a legacy Keras file's names do not match (old files have
    automatic ones such as `conv2d_5`), its layers are matched in their order, provided that the
    roles of weights and all shapes agree. Dtypes are cast (float16 into float32, ...), except where
    a whole-number variable would lose something. NaN and infinity are assigned unchanged.

    Args:
        model: a built `keras.Model`.
        checkpoint: an open checkpoint.
        rename: from the checkpoint's array name to the variable's (as in `model_arrays`, or with
            the layers' present names); None drops the array. With it, only names count.
        transform: called as (variable's name, array) before the shapes are compared; for
            transposed kernels.
        ignore: fnmatch patterns of array names in the checkpoint that are not needed, such as
            `"predictions/*"` for a model without its top. Optimizer state is never needed.

    Raises:
        MismatchError: arrays without a variable, variables without an array, other shapes. The
            model is then unchanged.
        CorruptCheckpointError: an array cannot be read. The model is then unchanged.
        UsageError: the model is not built.
    """
    targets = slots(model)
    names = [
        name
        for name in checkpoint.names()
        if is_weight(checkpoint, name) and not matches(name, ignore)
    ]
    if rename is not None:
        pairs = _pair_renamed(names, targets, rename, model, checkpoint)
    elif checkpoint.layout == "keras-h5":
        pairs = pair_by_layers(model, targets, names, checkpoint)
    elif checkpoint.layout == "keras-weights-h5":
        pairs = _pair_paths(names, targets, model, checkpoint)
    else:
        pairs = _pair_names(names, targets, model, checkpoint)
    if transform is None:
        _check_shapes([(slot, name, checkpoint.shape(name)) for slot, name in pairs], checkpoint)
    values: list[tuple[Slot, str, np.ndarray]] = []
    for slot, name in pairs:
        value = checkpoint.read(name)
        if transform is not None:
            value = np.asarray(transform(slot.name, value))
        values.append((slot, name, value))
    _check_shapes([(slot, name, value.shape) for slot, name, value in values], checkpoint)
    filled = [
        (slot, _cast(_unfolded(slot, value, name, checkpoint), slot, name, checkpoint))
        for slot, name, value in values
    ]
    for slot, value in filled:
        slot.variable.assign(value)
    finalize_layers(model)


def is_weight(checkpoint: Checkpoint, name: str) -> bool:
    """Whether an array of a checkpoint is a weight, and not the state of an optimizer or of a
    random generator.
    """
    return not matches(name, NOT_WEIGHTS.get(checkpoint.layout, ()))


def matches(name: str, patterns: Sequence[str]) -> bool:
    """Whether an array's name matches one of the patterns, with or without TensorFlow's ":0"."""
    return any(
        fnmatchcase(name, pattern) or fnmatchcase(name.removesuffix(":0"), pattern)
        for pattern in patterns
    )


def _pair_renamed(
    names: list[str],
    targets: list[Slot],
    rename: Callable[[str], str | None],
    model: Any,
    checkpoint: Checkpoint,
) -> list[tuple[Slot, str]]:
    new_names = {name: new for name in names if (new := rename(name)) is not None}
    present = {"/".join(slot.parts): slot for slot in targets}
    slot_of = {slot.name: slot for slot in targets} | (
        present if len(present) == len(targets) else {}
    )
    return _pair(
        list(new_names),
        [slot_of.get(new) for new in new_names.values()],
        targets,
        model,
        checkpoint,
    )


def _pair_names(
    names: list[str], targets: list[Slot], model: Any, checkpoint: Checkpoint
) -> list[tuple[Slot, str]]:
    slot_of = {slot.name: slot for slot in targets}
    present = {"/".join(slot.parts): slot for slot in targets}
    if len(present) == len(targets) and set(present) == set(names):
        slot_of = present
    elif set(slot_of) != set(names):
        counted = canonical([tuple(name.split("/")) for name in names], automatic_stems(model))
        if len(set(counted)) == len(names) and set(counted) == set(slot_of):
            return [(slot_of[new], name) for new, name in zip(counted, names, strict=True)]
    return _pair(names, [slot_of.get(name) for name in names], targets, model, checkpoint)


def _pair_paths(
    names: list[str], targets: list[Slot], model: Any, checkpoint: Checkpoint
) -> list[tuple[Slot, str]]:
    by_variable = {id(slot.variable): slot for slot in targets}
    slot_of = {path: by_variable.get(id(variable)) for path, variable in saved_paths(model).items()}
    matched = []
    for name in names:
        path = name.replace("\\", "/")  # Keras on Windows
        if path not in slot_of:  # TensorFlow 2.12 and 2.13
            path = path.replace("_layer_checkpoint_dependencies", "layers")
        matched.append(slot_of.get(path))
    labels = {id(slot): path for path, slot in slot_of.items() if slot is not None}
    return _pair(names, matched, targets, model, checkpoint, labels)


def _pair(
    names: list[str],
    matched: list[Slot | None],
    targets: list[Slot],
    model: Any,
    checkpoint: Checkpoint,
    labels: dict[int, str] | None = None,
) -> list[tuple[Slot, str]]:
    """The pairs, if they are one to one and complete. Raises MismatchError, which lists the others."""
    pairs: dict[int, tuple[Slot, str]] = {}
    unused = []
    for name, slot in zip(names, matched, strict=True):
        if slot is None:
            unused.append(name)
        elif id(slot) in pairs:
            raise MismatchError(
                f"{checkpoint.path}: the arrays {pairs[id(slot)][1]!r} and {name!r} both belong to {slot.name!r} of "
                f"{model.name}."
            )
        else:
            pairs[id(slot)] = (slot, name)
    missing = [
        slot.name + (f" ({labels[id(slot)]})" if labels and id(slot) in labels else "")
        for slot in targets
        if id(slot) not in pairs
    ]
    if unused or missing:
        raise incomplete(checkpoint, model, unused, missing)
    return list(pairs.values())


def incomplete(
    checkpoint: Checkpoint, model: Any, unused: Sequence[str], missing: Sequence[str]
) -> MismatchError:
    """The error for arrays without a variable and variables without an array."""
    parts = []
    if unused:
        parts.append(
            f"the model lacks {counted(len(unused), 'array')} of the file ({abbreviated(unused)})"
        )
    if missing:
        parts.append(
            f"the file lacks {counted(len(missing), 'weight')} of the model ({abbreviated(missing)})"
        )
    advice = "take the weights or the model of the same variant"
    if unused and not missing:
        advice += ", or pass ignore=[...] with name patterns of the arrays that are not needed"
    return MismatchError(
        f"{checkpoint.path} does not fit the model {model.name}: {'; '.join(parts)}. "
        f"{advice[0].upper()}{advice[1:]}."
    )


def _check_shapes(items: list[tuple[Slot, str, tuple[int, ...]]], checkpoint: Checkpoint) -> None:
    wrong = [item for item in items if not _fits(item[0], item[2])]
    if wrong:
        slot, name, shape = wrong[0]
        others = counted(len(wrong) - 1, "more array")
        more = f" (and {others} of other shapes)" if len(wrong) > 1 else ""
        raise MismatchError(
            f"{checkpoint.path}: the array {name!r} has shape {shape}, but {slot.name!r} of the model "
            f"has shape {slot.shape}{more}. Take the weights or the model of the same variant."
        )


def _depthwise_orders(slot: Slot) -> dict[tuple[int, ...], list[tuple[int, ...]]]:
    """Shapes in which files hold the kernel of a depthwise convolution, (H, W, C, M) in Keras, and
    the orders of the axes H, W, C * M and 1 that each may stand for.
    """
    depthwise = type(slot.layer).__name__.startswith(("Depthwise", "Separable"))
    if not depthwise or len(slot.shape) != 4 or slot.name.endswith("pointwise_kernel"):
        return {}
    height, width, channels, multiplier = slot.shape
    sides = (height, width, channels * multiplier, 1)
    orders: dict[tuple[int, ...], list[tuple[int, ...]]] = {}
    for order in DEPTHWISE_ORDERS:
        orders.setdefault(tuple(sides[axis] for axis in order), []).append(order)
    return orders


def _fits(slot: Slot, shape: tuple[int, ...]) -> bool:
    return shape == slot.shape or shape in _depthwise_orders(slot)


def _unfolded(slot: Slot, value: np.ndarray, name: str, checkpoint: Checkpoint) -> np.ndarray:
    """An array with the axes of its variable."""
    if value.shape == slot.shape:
        return value
    readings = [
        value.transpose(np.argsort(order)).reshape(slot.shape)
        for order in _depthwise_orders(slot)[value.shape]
    ]
    if any(not np.array_equal(reading, readings[0]) for reading in readings):
        raise MismatchError(
            f"{checkpoint.path}: the array {name!r} of shape {value.shape} may hold the kernel {slot.shape} of "
            f"{slot.name!r} in {len(readings)} orders of axes. Save it as {slot.shape}."
        )
    return readings[0]


def _cast(value: np.ndarray, slot: Slot, name: str, checkpoint: Checkpoint) -> np.ndarray:
    dtype = str(slot.variable.dtype)
    target = np.dtype("float32" if dtype in ("bfloat16", "float8_e4m3fn", "float8_e5m2") else dtype)
    with np.errstate(all="ignore"):
        result = value.astype(target, copy=False)
        if target.kind in "iub" and not (
            np.array_equal(result.astype(value.dtype), value)
            and np.array_equal(result < 0, value < 0)
        ):
            raise MismatchError(
                f"{checkpoint.path}: the array {name!r} ({value.dtype}) does not fit into the {dtype} "
                f"numbers of {slot.name!r}."
            )
    return result
