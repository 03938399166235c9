"""Between checkpoints of PyTorch modules and Keras models whose layers bear the modules' names.

A module's `weight` is a dense layer's `kernel` (transposed), an embedding's `embeddings`, or a normalisation's
`gamma`; its `bias` is `bias` or `beta`. Old checkpoints, converted from the first TensorFlow release of BERT, say
`gamma` and `beta` themselves.
"""

import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import numpy as np

from warmstart.errors import MismatchError

if TYPE_CHECKING:
    from warmstart.checkpoints import Checkpoint

TORCH = {"kernel": "weight", "embeddings": "weight", "gamma": "weight", "beta": "bias", "bias": "bias"}
BUFFERS = ("*position_ids", "*token_type_ids", "*.attn.bias", "*.attn.masked_bias")
"""Constants that some versions of the reference wrote beside the weights."""


def torch_name(slot: str) -> str:
    """`encoder.layer.0.output.dense/kernel` -> `encoder.layer.0.output.dense.weight`."""
    layer, _, weight = slot.rpartition("/")
    return f"{layer}.{TORCH[weight]}"


def load(model: Any, checkpoint: "Checkpoint", *, prefix: str, head: str, other_heads: Sequence[str] = (),
         same: Mapping[str, str] | None = None) -> None:
    """Fill a model from a checkpoint in the reference's names.

    Args:
        model: its layers bear the modules' names, without the prefix.
        checkpoint: with or without the prefix on the names of the encoder.
        prefix: of the encoder inside a model with a head, such as `"bert"`.
        head: the task of the model's head, for the error where the file has none.
        other_heads: patterns of what belongs to heads; such arrays are left out where the model has no place for them.
        same: further names of arrays that may hold what another name holds, `{"cls.predictions.decoder.bias":
            "cls.predictions.bias"}`; where both are there, they are the same array.

    Raises:
        MismatchError: the arrays do not fit the model, or the file lacks the head.
    """
    from warmstart.checkpoints import assign
    from warmstart.checkpoints.naming import slots

    places = {torch_name(slot.name): slot.name for slot in slots(model)}
    plain = {name: _plain(name, prefix) for name in checkpoint.names()}
    present = set(plain.values())
    chosen: dict[str, str | None] = {}
    for name, own in plain.items():
        other = (same or {}).get(own)
        if other in places and other not in present:
            own = other
        if own in places:
            chosen[name] = places[own]
        elif any(fnmatchcase(own, pattern) for pattern in (*BUFFERS, *other_heads, *(same or {}))):
            chosen[name] = None
        else:
            chosen[name] = own  # no place: assign says so
    missing = [own for own, place in places.items() if place not in chosen.values()]
    if missing and all(any(fnmatchcase(own, pattern) for pattern in other_heads) for own in missing):
        raise MismatchError(f"{checkpoint.path} has no weights for {head}: {', '.join(missing[:4])} are missing. It "
                            "holds another head or none; fine-tune it, or take a checkpoint that was made for this.")
    assign(model, checkpoint, rename=chosen.get, transform=_transposed)


def arrays(model: Any, *, prefix: str, head: bool, heads: Sequence[str]) -> dict[str, np.ndarray]:
    """The weights under the reference's names: with the prefix on the encoder's where the model has a head.

    `heads` are patterns of the modules outside of the encoder.
    """
    from warmstart.checkpoints import model_arrays

    found: dict[str, np.ndarray] = {}
    for slot, value in model_arrays(model).items():
        name = torch_name(slot)
        inside = head and not any(fnmatchcase(name, pattern) for pattern in heads)
        found[f"{prefix}.{name}" if inside else name] = np.ascontiguousarray(_transposed(slot, value))
    return found


def _plain(name: str, prefix: str) -> str:
    name = name.removeprefix(f"{prefix}.")
    return re.sub(r"\.gamma$", ".weight", re.sub(r"\.beta$", ".bias", name))


def _transposed(slot: str, value: np.ndarray) -> np.ndarray:
    return value.T if slot.endswith("/kernel") else value
