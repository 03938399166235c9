"""Bundles that contain a LoRA adapter instead of weights.

The adapter names its base model by source and sha256; both are merged when the bundle is opened. The
files have the format of Hugging Face PEFT. Source of the formula: Hu et al., "LoRA" (2021),
arXiv:2106.09685.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from warmstart.checkpoints.base import Checkpoint
from warmstart.core.bundle import ADAPTER
from warmstart.core.resolver import open_source
from warmstart.errors import BundleError, ChecksumError, UsageError, WarmstartError
from warmstart.models import family

if TYPE_CHECKING:
    from warmstart.checkpoints.layout import Layout

CONFIG = "adapter_config.json"
ROOT = "base_model.model."
DIGEST = "base_sha256"
FORMER_DIGESTS = {
    "24d75bc641f7437ed5b10a9cd672bcd0c88e4c9484a5c6b7437dad9dca2fbc4b":  # shakespeare_gpt2
        "1bff49d387a1db928963daf2fcda337c9e7b54ccc2e194ab620966e62f5f329e",
    "a727524480fcc87f32efa30ea54e8338d426276f0e968f53ea8dfb869cb3238b":  # sst2_bert_tiny
        "e8f0723dbbd2f86e7a9a7bde9c0c07cfa74fe9cf45c06e65db94e583110e4bf1",
}  # fmt: skip
"""sha256 of embedded weights in version 0.1 -> sha256 of the same weights in the present format."""


def is_adapter(path: Path | None) -> bool:
    """Whether a file of weights is an adapter."""
    return path is not None and path.name == ADAPTER


class Merged(Checkpoint):
    """The arrays of the base with the adapter applied, and the heads of the adapter, in the layout
    of the base.

    Names are those of the reference's modules, without the prefix of a model with a head.
    """

    layout = "safetensors"

    def __init__(
        self, path: Path, base: Checkpoint, adapter: Checkpoint, scale: float, layout: Layout
    ):
        self.path, self.base, self.adapter, self.scale = path, base, adapter, scale
        sources = {layout.bare(name.removeprefix(ROOT)): name for name in adapter.names()}
        self._lora_a = {
            name.removesuffix(".lora_A.weight"): source
            for name, source in sources.items()
            if ".lora_A." in name
        }
        self._heads = {name: source for name, source in sources.items() if ".lora_" not in name}
        self._base = {layout.bare(name): name for name in base.names()}
        for module in self._lora_a:
            if f"{module}.weight" not in self._base:
                raise BundleError(
                    f"{path} adapts {module}, which its base {base.path} does not have."
                )

    def names(self) -> list[str]:
        return [*(name for name in self._base if name not in self._heads), *self._heads]

    def _origin(self, name: str) -> tuple[Checkpoint, str]:
        """The checkpoint of an array, and its name there."""
        if name in self._heads:
            return self.adapter, self._heads[name]
        return self.base, self._base[name]

    def shape(self, name: str) -> tuple[int, ...]:
        checkpoint, source = self._origin(name)
        return checkpoint.shape(source)

    def dtype(self, name: str) -> str:
        checkpoint, source = self._origin(name)
        return checkpoint.dtype(source)

    def read(self, name: str) -> np.ndarray:
        checkpoint, source = self._origin(name)
        value = checkpoint.read(source)
        lora_a = self._lora_a.get(name.removesuffix(".weight"))
        if lora_a and name.endswith(".weight") and name not in self._heads:
            a = self.adapter.read(lora_a)
            b = self.adapter.read(lora_a.replace(".lora_A.", ".lora_B."))
            if (b.shape[0], a.shape[1]) != value.shape:
                raise BundleError(
                    f"{self.path}: the adapter of {name} does not fit its shape {value.shape}."
                )
            value = value.astype(np.float32) + np.float32(self.scale) * (b @ a)
        return value

    def close(self) -> None:
        self.base.close()
        self.adapter.close()


def open_merged(path: Path) -> Checkpoint:
    """The weights of a base model with an adapter applied.

    Raises:
        BundleError: the adapter's files are damaged, or its base cannot be read.
        ChecksumError: the base is not the file that the adapter was trained on.
    """
    from warmstart.checkpoints.formats import open_checkpoint

    config = _config(path.parent / CONFIG)
    source, digest = str(config["base_model_name_or_path"]), str(config[DIGEST])
    try:
        base_model = open_source(source)
    except (WarmstartError, OSError) as error:
        raise BundleError(
            f"{path} is an adapter of {source}, which cannot be loaded ({error}); its "
            f"weights have the sha256 {digest}."
        ) from error
    base = base_model.weights
    if base.digest != FORMER_DIGESTS.get(digest, digest) or base.path is None:
        raise ChecksumError(
            f"{path} is an adapter of the weights with sha256 {digest}, but those of {source} have "
            f"{base.digest}."
        )
    opened = open_checkpoint(base.path)
    try:
        layout = family(base_model.entry.architecture).LAYOUT
        return Merged(
            path, opened, open_checkpoint(path), config["lora_alpha"] / config["r"], layout
        )
    except BaseException:
        opened.close()
        raise


def _config(path: Path) -> dict[str, Any]:
    try:
        config: dict[str, Any] = json.loads(path.read_text("utf-8"))
        if config["peft_type"] != "LORA" or config.get("use_dora") or config.get("use_rslora"):
            raise UsageError(
                f"{path} describes an adapter that is not LoRA; only LoRA is supported."
            )
        if not (config["r"] > 0 and config["lora_alpha"] > 0):
            raise ValueError("r and lora_alpha must be above 0")
        config["base_model_name_or_path"], config[DIGEST]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BundleError(
            f"{path} is missing or damaged ({type(error).__name__}: {error})."
        ) from error
    return config
