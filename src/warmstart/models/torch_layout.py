"""Between the names and axes of PyTorch checkpoints and those of Keras layers.

A model whose layers have the names of the reference's modules (`"decode_head.classifier"`) is filled and written by
the two functions here: `weight` is a kernel, a gamma or an embedding by the kind of its layer, and axes are moved.

| layer | PyTorch | Keras |
|---|---|---|
| linear | (out, in) | (in, out) |
| convolution | (out, in, H, W) | (H, W, in, out) |
| depthwise convolution | (in, 1, H, W) | (H, W, in, 1) |
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from warmstart.checkpoints import assign
from warmstart.checkpoints.naming import Slot, slots

if TYPE_CHECKING:
    import keras

    from warmstart.checkpoints import Checkpoint

SUFFIXES = {"kernel": "weight", "gamma": "weight", "beta": "bias", "bias": "bias", "moving_mean": "running_mean",
            "moving_variance": "running_var", "embeddings": "weight"}
COUNTERS = "*.num_batches_tracked"


def assign_torch(model: "keras.Model", checkpoint: "Checkpoint", *, rename: Callable[[str], str | None] | None = None,
                 ignore: Sequence[str] = ()) -> None:
    """Fill a model from a checkpoint with the names and axes of PyTorch: all of it, or an error.

    Args:
        model: its layers have the names of the reference's modules.
        checkpoint: an opened file.
        rename: from a name in the file to the one that the layers are called after; None drops the array.
        ignore: fnmatch patterns of arrays that are not needed.

    Raises:
        MismatchError: arrays without a place, variables without an array, other shapes.
    """
    places = {torch_name(slot): slot for slot in slots(model)}
    kinds = {slot.name: slot for slot in places.values()}

    def to_slot(name: str) -> str | None:
        new = rename(name) if rename else name
        return None if new is None else places[new].name if new in places else f"(no layer) {new}"

    assign(model, checkpoint, rename=to_slot, transform=lambda name, array: to_keras(kinds[name], array),
           ignore=(COUNTERS, *ignore))


def torch_arrays(model: "keras.Model") -> dict[str, np.ndarray]:
    """The weights of such a model under the names, and with the axes, of the reference."""
    return {torch_name(slot): to_torch(slot, np.array(slot.variable.numpy())) for slot in slots(model)}


def torch_name(slot: Slot) -> str:
    """What the reference calls a variable: "decode_head.classifier.weight"."""
    return ".".join((*slot.parts[:-1], SUFFIXES.get(slot.parts[-1], slot.parts[-1])))


def to_keras(slot: Slot, array: np.ndarray) -> np.ndarray:
    """An array of the checkpoint with the axes that its variable has."""
    if slot.parts[-1] != "kernel":
        return array
    if array.ndim == 4:
        return array.transpose((2, 3, 0, 1) if _is_depthwise(slot) else (2, 3, 1, 0))
    return array.T


def to_torch(slot: Slot, array: np.ndarray) -> np.ndarray:
    """The opposite of `to_keras`."""
    if slot.parts[-1] != "kernel":
        return array
    if array.ndim == 4:
        return np.ascontiguousarray(array.transpose((2, 3, 0, 1) if _is_depthwise(slot) else (3, 2, 0, 1)))
    return np.ascontiguousarray(array.T)


def _is_depthwise(slot: Slot) -> bool:
    return type(slot.layer).__name__ == "DepthwiseConv2D"


def padded(x: Any, before: tuple[int, int], after: tuple[int, int] | None = None) -> Any:
    """Zeros around the pixels of (B, H, W, C): rows and columns before, and after (default: as many)."""
    from keras import layers

    after = before if after is None else after
    if not any((*before, *after)):
        return x
    return layers.ZeroPadding2D(((before[0], after[0]), (before[1], after[1])))(x)
