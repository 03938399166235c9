"""Keras weight files in HDF5: the legacy `.h5` and the Keras 3 `.weights.h5`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from warmstart.checkpoints import hdf5_arrays, hdf5_format
from warmstart.checkpoints.base import ByteSource, IndexedCheckpoint
from warmstart.checkpoints.keras_config import LARGEST_CONFIG, parse
from warmstart.errors import CorruptCheckpointError

MAX_DEPTH = 32
TOP_LEVEL = "top_level_model_weights"  # variables of the model itself, which are in no layer


class Hdf5Checkpoint(IndexedCheckpoint):
    """An open HDF5 file of either Keras layout; made by `open_hdf5`."""

    def __init__(self, path: Path, source: ByteSource, config_text: str | None = None):
        self.path, self._config_text = path, config_text
        self._source = source
        self._arrays: dict[str, hdf5_arrays.ArrayInfo] = {}
        self._layers: dict[str, list[str]] = {}
        self._file = hdf5_format.Structure(source)
        self._declared = 0
        root = self._file.root
        members = self._file.links(root)
        if "model_weights" in members:  # a full model; the state of its optimizer is not read
            root = self._group(members["model_weights"], "model_weights")
        if (layer_names := self._file.attributes(root, "layer_names")) is not None:
            self.layout = "keras-h5"
            self._legacy(root, layer_names)
        else:
            self.layout = "keras-weights-h5"
            self._walk(root, "", set(), 0)
            if not any("vars" in name.split("/")[:-1] for name in self._arrays):
                raise CorruptCheckpointError(
                    f"{source.label} is an HDF5 file, but contains no Keras weights."
                )

    def read(self, name: str) -> np.ndarray:
        return self._arrays[name].read()

    def layers(self) -> dict[str, list[str]]:
        return {layer: list(names) for layer, names in self._layers.items()}

    def config(self) -> Mapping[str, Any] | None:
        if self._config_text is not None:
            return parse(self._config_text, self._source.label)
        texts = {
            name: "".join(self._file.attribute(self._file.root, name, LARGEST_CONFIG) or ())
            for name in ("model_config", "training_config")
        }
        if not texts["model_config"]:
            return None
        config = parse(texts["model_config"], self._source.label)
        if texts["training_config"]:
            training = parse(texts["training_config"], self._source.label)
            config = {**config, "compile_config": training}
        return config

    def close(self) -> None:
        self._source.close()

    def _group(self, address: int, name: str) -> int:
        if not self._file.is_group(address):
            raise self._file.corrupt(f"{name!r} is not a group")
        return address

    def _add(self, name: str, address: int) -> None:
        if name in self._arrays:
            raise self._file.corrupt(f"two arrays are named {name!r}")
        info = hdf5_arrays.array_info(self._file, address, name)
        self._declared += info.nbytes
        if self._declared > hdf5_arrays.SMALL + hdf5_arrays.MAX_EXPANSION * self._source.size:
            raise self._file.unsafe(
                f"its {self._source.size} bytes declare arrays of over {self._declared} bytes"
            )
        self._arrays[name] = info

    def _legacy(self, root: int, layer_names: list[str]) -> None:
        """Layer groups in the order of `layer_names`; each lists its arrays in `weight_names`."""
        members = self._file.links(root)
        if TOP_LEVEL in members and TOP_LEVEL not in layer_names:
            layer_names = [*layer_names, TOP_LEVEL]
        for layer in layer_names:
            address = self._find(members, root, layer)
            listed = self._file.attributes(address, "weight_names")
            if listed is None:
                raise self._file.corrupt(f"layer {layer!r} has no list of weights")
            if layer in self._layers:
                raise self._file.corrupt(f"two layers are named {layer!r}")
            known: dict[int, dict[str, int]] = {}
            names = []
            for weight in listed:
                target = address
                for part in weight.split("/"):
                    if target not in known:
                        known[target] = self._file.links(self._group(target, weight))
                    if part not in known[target]:
                        raise self._file.corrupt(f"{weight!r} of layer {layer!r} is missing")
                    target = known[target][part]
                names.append(weight if weight.startswith(f"{layer}/") else f"{layer}/{weight}")
                self._add(names[-1], target)
            if names:
                self._layers[layer] = names

    def _find(self, members: dict[str, int], root: int, layer: str) -> int:
        target = root
        for part in layer.split("/"):  # a slash in a layer's name makes nested groups in HDF5
            links = members if target == root else self._file.links(target)
            if part not in links:
                raise self._file.corrupt(f"layer {layer!r} is listed, but missing")
            target = self._group(links[part], layer)
        return target

    def _walk(self, address: int, prefix: str, seen: set[int], depth: int) -> None:
        """Every array below a group, by path; a group may be reached by one path only."""
        if address in seen or depth > MAX_DEPTH:
            raise self._file.unsafe(
                f"its groups are nested in a circle or too deep, at {prefix[:80]!r}"
            )
        seen.add(address)
        for name, target in self._file.links(address).items():
            if self._file.is_group(target):
                self._walk(target, f"{prefix}{name}/", seen, depth + 1)
            else:
                self._add(f"{prefix}{name}", target)


def open_hdf5(path: Path, source: ByteSource, config_text: str | None = None) -> Hdf5Checkpoint:
    """Open Keras weights in HDF5; closes `source` on failure.

    Args:
        path: the file.
        source: its bytes, or those of the weights in it.
        config_text: the JSON of the model's config, if it is not in HDF5 itself.

    Raises:
        CorruptCheckpointError: damaged, or no Keras weights.
        UnsafeCheckpointError: links to other files, types other than numbers, absurd sizes.
    """
    try:
        return Hdf5Checkpoint(path, source, config_text)
    except BaseException:
        source.close()
        raise
