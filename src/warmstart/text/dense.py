"""Dense modules of sentence-transformers: layers behind an encoder, applied to its vectors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from warmstart.core.probabilities import sigmoid
from warmstart.errors import BundleError
from warmstart.models.text import sentence_modules

KERNEL, BIAS = "linear.weight", "linear.bias"


@dataclass(frozen=True, eq=False)
class Dense:
    """activation(kernel @ x + bias), scaled to length 1 if `normalize` is set.

    Attributes:
        kernel: float32 (E, D).
        bias: float32 (E,).
        activation: of each number.
        normalize: whether the result gets length 1.
    """

    kernel: NDArray[np.float32]
    bias: NDArray[np.float32]
    activation: str
    normalize: bool = False

    @classmethod
    def open(cls, path: Path, layer: Mapping[str, Any]) -> Dense:
        """The layer of a file.

        Args:
            path: of its safetensors file.
            layer: of `sentence_modules.read`.

        Raises:
            BundleError: the file is missing, or holds something else.
        """
        if not path.is_file():
            raise BundleError(
                f"{path} is missing; {path.parent.parent} is not a complete repository."
            )
        from warmstart.checkpoints.formats import open_checkpoint

        with open_checkpoint(path) as checkpoint:
            names = set(checkpoint.names())
            if not {KERNEL} <= names <= {KERNEL, BIAS} or len(checkpoint.shape(KERNEL)) != 2:
                raise BundleError(f"{path} is not a Dense module: it contains {sorted(names)}.")
            kernel = checkpoint.read(KERNEL).astype(np.float32)
            bias = checkpoint.read(BIAS) if BIAS in names else np.zeros(len(kernel))
        return cls(
            kernel, bias.astype(np.float32), layer["activation"], bool(layer.get("normalize"))
        )

    @property
    def size(self) -> int:
        """E: the length of its vectors."""
        return len(self.kernel)

    def __call__(self, vector: NDArray[np.float32]) -> NDArray[np.float32]:
        """float32 (D,) -> (E,)."""
        result = ACTIVATIONS[self.activation](self.kernel @ vector + self.bias)
        if self.normalize:
            result = result / max(float(np.linalg.norm(result)), 1e-12)
        return result.astype(np.float32)


def _gelu(x: NDArray[Any]) -> NDArray[Any]:
    from math import erf

    return np.array([0.5 * value * (1 + erf(value / 2**0.5)) for value in x.tolist()])


ACTIVATIONS: Mapping[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
    "Identity": lambda x: x,
    "Tanh": np.tanh,
    "ReLU": lambda x: np.maximum(x, 0),
    "GELU": _gelu,
    "Sigmoid": sigmoid,
    "SiLU": lambda x: x * sigmoid(x),
}


def module_files(folder: Path | None) -> dict[str, Path | bytes]:
    """The files of sentence-transformers in a folder, by their names in it."""
    if folder is None or not (folder / sentence_modules.MODULES).is_file():
        return {}
    names = [sentence_modules.MODULES, sentence_modules.PROMPTS, sentence_modules.LENGTH]
    for part in sentence_modules.folders(folder):
        names += [f"{part}/config.json", f"{part}/{sentence_modules.WEIGHTS}"]
    return {name: folder / name for name in names if (folder / name).is_file()}
