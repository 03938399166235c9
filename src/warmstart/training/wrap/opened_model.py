"""Opens the argument of `ws.wrap`: a Keras model in memory, or a file or folder of one."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras

from warmstart.checkpoints.formats import open_checkpoint
from warmstart.errors import UsageError, WarmstartError, first_line
from warmstart.models.repository import slug
from warmstart.models.tensors.wrapped import family
from warmstart.models.tensors.wrapped.network import functional

KERAS_FILES = (".keras", ".h5", ".hdf5")
CHANNELS = (1, 3)
"""Channels of greyscale and of colour photos."""
CHANNELS_FIRST = "it takes photos with channels first"
GRAPH = "saved_model.pb"
SIGNATURE = "serving_default"
COMPILED = ("compile_config", "training_config")
"""Keys of the optimizer and loss in a file, which are not loaded."""
LOAD = "load it with keras.saving.load_model, and wrap the model that it returns"


@dataclass(frozen=True)
class OpenedModel:
    """A Keras model to wrap.

    Attributes:
        model: functional or Sequential, built.
        name: for the catalogue, from its file or its own name.
        network: its JSON, if it consists of Keras' own layers.
        reason: why there is no such JSON, or "".
        rows: the batch size, if the file fixes one.
    """

    model: keras.Model
    name: str
    network: Mapping[str, Any] | None
    reason: str
    rows: int | None = None

    def with_model(self, model: keras.Model) -> OpenedModel:
        """The same for another model."""
        return replace(_opened(model, self.name), rows=self.rows)

    def channels_last(self) -> OpenedModel:
        """The same model with inputs (height, width, channels), if it takes (channels, height,
        width) as PyTorch's models do.
        """
        model = functional(self.model)
        shape = tuple(model.inputs[0].shape)
        is_first = len(shape) == 4 and shape[1] in CHANNELS and shape[3] not in CHANNELS
        if len(model.inputs) != 1 or not is_first:
            return self
        photos = keras.Input((*shape[2:], shape[1]), name="photos")
        transposed = keras.layers.Permute((3, 1, 2))(photos)
        outputs = model(keras.tree.map_structure(lambda _: transposed, model.input))
        whole = self.with_model(keras.Model(photos, outputs, name=model.name))
        return replace(whole, network=None, reason=self.reason or CHANNELS_FIRST)


def open_model(model: Any) -> OpenedModel:
    """A model in memory, or the model of a path.

    Raises:
        UsageError: it is not functional or Sequential, or the file does not contain a model.
    """
    if isinstance(model, keras.Model):
        return _opened(model, _name(model.name))
    if not isinstance(model, str | os.PathLike):
        raise UsageError(
            f"ws.wrap takes a keras.Model, or the path of one, not an object of type {type(model).__name__}."
        )
    path = Path(model).expanduser()
    if not path.exists():
        raise UsageError(f"The file or folder {path} does not exist.")
    if path.is_dir():
        if not (path / GRAPH).is_file():
            raise UsageError(f"{path} is not a SavedModel folder: it has no {GRAPH}.")
        return _opened(_saved_model(path), _name(path.name))
    if path.suffix.lower() in KERAS_FILES:
        return _opened(_keras_file(path), _name(path.stem))
    if path.suffix.lower() in (".onnx", ".tflite"):
        from warmstart.training.wrap import files

        name = _name(path.stem)
        open_file = files.onnx_model if path.suffix.lower() == ".onnx" else files.tflite_model
        graph, rows = open_file(path, name)
        return OpenedModel(graph, name, None, f"it was made from a {path.suffix} file", rows)
    raise UsageError(
        f"{path} is not a model: ws.wrap takes {', '.join(KERAS_FILES)}, .onnx and .tflite files, and "
        "SavedModel folders."
    )


def _name(text: str) -> str:
    return slug(Path(text))


def _opened(model: keras.Model, name: str) -> OpenedModel:
    """Check a model, and describe it by JSON if it consists of Keras' own layers."""
    label = f"The model {model.name!r}"
    if isinstance(model, keras.Sequential) and not model.built:
        raise UsageError(f"{label} is not built: call it on an input, or add a keras.Input.")
    if not getattr(model, "inputs", None) or not getattr(model, "outputs", None):
        raise UsageError(
            f"{label} is a subclassed model without fixed inputs. Wrap a functional or "
            "Sequential model; or write it with model.export(FOLDER), and wrap that folder."
        )
    if not isinstance(model, keras.Sequential) and type(model).__name__ != "Functional":
        model = keras.Model(model.inputs, model.outputs, name=model.name)
    try:
        config: dict[str, Any] = json.loads(model.to_json())
        network = {key: value for key, value in config.items() if key not in COMPILED}
        family.check(network)
    except UsageError as error:
        return OpenedModel(model, name, None, str(error))
    except Exception as error:  # layers without a config raise whatever they like
        return OpenedModel(model, name, None, f"Keras cannot describe it: {first_line(error)}")
    return OpenedModel(model, name, network, "")


def _keras_file(path: Path) -> keras.Model:
    """The model of a `.keras` or `.h5` file, whose description is checked before Keras reads it."""
    try:
        with open_checkpoint(path) as checkpoint:
            config = checkpoint.config()
    except WarmstartError as error:
        raise UsageError(str(error)) from error
    if config is None:
        raise UsageError(
            f"{path} contains only weights; build the model, load them, and wrap the model."
        )
    layers = {key: value for key, value in config.items() if key not in COMPILED}
    try:
        _check_file(layers, path)
    except UsageError as error:
        raise UsageError(f"{path}: {error}. If you trust the file, {LOAD}.") from None
    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises whatever its layers raise
        first = first_line(error).partition(". ")[0]
        raise UsageError(f"{path}: Keras cannot load the model ({first}).") from error
    return model


def _check_file(config: Mapping[str, Any], path: Path) -> None:
    """Refuse a description with classes that are not Keras' own; files of Keras 2 have no modules.

    Raises:
        UsageError: it has such a class.
    """
    if path.suffix.lower() == ".keras":
        family.check(config)
        return
    for item in family.objects(config):
        if "module" in item:
            family.check_object(item)
        elif item["class_name"] in family.UNSAFE:  # names without a module are Keras' or registered
            raise UsageError(f"it has a {item['class_name']} layer, which is custom code")


def _saved_model(path: Path) -> keras.Model:
    """A SavedModel folder as a model of one layer, with named inputs and outputs."""
    import tensorflow as tf

    try:
        loaded = tf.saved_model.load(str(path))
    except Exception as error:  # TensorFlow raises whatever its loader raises
        raise UsageError(f"{path} cannot be loaded: {first_line(error)}") from error
    names = list(loaded.signatures)
    if not names:
        raise UsageError(f"{path} has no signature to call; save it with model.export(FOLDER).")
    endpoint = SIGNATURE if SIGNATURE in names else names[0]
    _, specs = loaded.signatures[endpoint].structured_input_signature
    inputs = {
        name: keras.Input(tuple(spec.shape[1:]), dtype=spec.dtype.name, name=name)
        for name, spec in specs.items()
    }
    layer = _Endpoint(loaded, endpoint, name="saved_model")
    return keras.Model(inputs, layer(inputs), name=_name(path.name))


class _Endpoint(keras.layers.Layer):
    """A signature of a loaded SavedModel as a layer."""

    def __init__(self, loaded: Any, endpoint: str, **options: Any):
        super().__init__(**options)
        self.loaded, self._function = loaded, loaded.signatures[endpoint]
        self.built = True

    def call(self, inputs: Mapping[str, Any]) -> Any:
        return self._function(**inputs)

    def compute_output_spec(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        return {
            name: keras.KerasTensor((None, *spec.shape[1:]), spec.dtype.name)
            for name, spec in self._function.structured_outputs.items()
        }

    def get_config(self) -> dict[str, Any]:
        raise NotImplementedError("it is the graph of a SavedModel folder, which is code")
