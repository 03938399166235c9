"""A Keras model of the user, rebuilt from its JSON, and the outputs that its task takes of it.

Source: the JSON form of models of built-in layers in Keras 3, `keras.Model.to_json`.

The config is plain JSON:

    network       the model as `keras.Model.to_json` writes it, parsed; see `family.check`
    reason        instead of it: why there is no Keras model, only a compiled program
    activation    what makes probabilities of its outputs, one of `family.ACTIVATIONS` or "complement";
                  "features": they are features of photos
    features      the name of the layer that gives the features; default: what its head takes
    multi_label   whether several classes of a text may apply
    names         the inputs of a model of texts or arrays, in their order
    outputs       the outputs of a model of arrays, in their order
    pooling       of a model that embeds texts: "none", "mean", "cls" or "max"
    normalize     whether vectors of texts get the length 1

and for maps and boxes what `dense` says.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import keras
from keras import layers, ops

from warmstart.checkpoints.base import Checkpoint
from warmstart.errors import UsageError, first_line
from warmstart.models.image.features import feature_layer, pooled_features
from warmstart.models.tensors.wrapped import dense, family
from warmstart.models.tensors.wrapped.colour import in_colour
from warmstart.models.text.encoder import MeanOfTokens
from warmstart.models.text.outputs import PooledTokens, UnitLength

LEAST = 1e-30
"""The lower limit of probabilities before the logarithm."""
FEATURES = "features"
"""The activation of a model of photos whose output is features."""
POOLS = {3: layers.GlobalAveragePooling1D, 4: layers.GlobalAveragePooling2D}
"""Rank of a tensor -> the layer that averages its positions."""


def build(
    config: Mapping[str, Any],
    *,
    include_top: bool = True,
    input_shape: tuple[int | None, ...] | None = None,
    pooling: str | None = None,
    classes: int | None = None,
) -> keras.Model:
    """Build the network with random weights.

    Args:
        config: see above.
        include_top: whether it ends as the user's model does; without, it ends at its features.
        input_shape: of one input; only the model's own.
        pooling: without the top: `None` gives the feature map, `"avg"` or `"max"` a vector.
        classes: only the model's own.

    Raises:
        UsageError: there is no Keras model, or the config is not one of Keras' own layers.
    """
    network = config.get("network")
    if network is None:
        reason = config.get("reason") or "its bundle contains only a compiled program"
        raise UsageError(f"This model has no Keras model: {reason}.")
    model = rebuilt(network)
    if input_shape is not None and tuple(input_shape) != tuple(model.inputs[0].shape[1:]):
        raise UsageError(
            f"The wrapped model takes inputs of the shape {tuple(model.inputs[0].shape[1:])}, not "
            f"{tuple(input_shape)}."
        )
    if include_top:
        return model
    model = functional(model)
    return keras.Model(model.inputs, _top_less(model, config, pooling), name=model.name)


def rebuilt(network: Any) -> keras.Model:
    """The model of a JSON description, with random weights.

    Raises:
        UsageError: it is not one of Keras' own layers, or Keras cannot build it.
    """
    try:
        family.check(network)
        for item in family.objects(network):
            _check_class(item)
    except UsageError as error:
        raise UsageError(f"The model cannot be rebuilt: {error}.") from None
    try:
        model = keras.saving.deserialize_keras_object(_copied(network), safe_mode=True)
    except Exception as error:  # Keras raises whatever its layers raise
        raise UsageError(f"Keras cannot rebuild the model: {first_line(error)}") from error
    if not isinstance(model, keras.Model) or not model.built:
        raise UsageError("The model cannot be rebuilt: the shape of its inputs is unknown.")
    return model


def functional(model: keras.Model) -> keras.Model:
    """The same layers as a functional model: a Sequential has an `output` only once it was called
    as a layer.
    """
    if not isinstance(model, keras.Sequential):
        return model
    return keras.Model(model.inputs, model.outputs, name=model.name)


def _copied(network: Any) -> Any:
    """A copy, from which Keras may take parts."""
    if isinstance(network, Mapping):
        return {key: _copied(value) for key, value in network.items()}
    return [*map(_copied, network)] if isinstance(network, list | tuple) else network


def _check_class(item: Mapping[str, Any]) -> None:
    """Refuse a name that is not a class of its module, of the type that belongs there."""
    module, name = item.get("module"), item["class_name"]
    if module is None:
        return
    types = {
        "keras.layers": keras.layers.Layer,
        "keras.initializers": keras.initializers.Initializer,
        "keras.regularizers": keras.regularizers.Regularizer,
        "keras.constraints": keras.constraints.Constraint,
    }
    if module.startswith(family.OPERATIONS):
        expected: Any = keras.Operation
    elif module in types:
        expected = types[module]
    else:
        return
    layer_class = getattr(import_module(module), name, None)
    if not isinstance(layer_class, type) or not issubclass(layer_class, expected):
        raise UsageError(f"{module}.{name} is not a class of this version of Keras")


def load(model: keras.Model, checkpoint: Checkpoint, config: Mapping[str, Any]) -> None:
    """Fill the model from a checkpoint with the names of its variables.

    Raises:
        MismatchError: the arrays do not fit the model.
    """
    from warmstart.checkpoints.assign import assign
    from warmstart.checkpoints.naming import slots

    if not model.weights and not checkpoint.names():
        return
    known = {slot.name for slot in slots(model)}
    whole = rebuilt(config["network"]) if set(checkpoint.names()) - known else model
    others = {slot.name for slot in slots(whole)} - known  # of the top, if there is none
    assign(model, checkpoint, ignore=[name.replace("[", "[[]") for name in others])


def arrays(model: keras.Model, config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The weights by name; none of a model without weights."""
    from warmstart.checkpoints.naming import model_arrays

    return model_arrays(model) if model.weights else {}


def classifier_outputs(model: keras.Model, config: Mapping[str, Any]) -> keras.Model:
    """The model of one photo with the outputs `probabilities` (B, classes), unless its output is
    features, and `features` (B, D), if it has some.
    """
    model = functional(model)
    features = feature_tensor(model, config)
    if config.get("activation") == FEATURES:
        return in_colour(model, {}, features)
    scores = probabilities(model.outputs[0], str(config.get("activation")))
    return in_colour(model, {"probabilities": scores}, features)


def segmentation_outputs(model: keras.Model, config: Mapping[str, Any]) -> keras.Model:
    """See `dense.segmentation_outputs`."""
    model = functional(model)
    return dense.segmentation_outputs(model, _named_features(model, config), config)


def detection_outputs(model: keras.Model, config: Mapping[str, Any]) -> keras.Model:
    """See `dense.detection_outputs`."""
    model = functional(model)
    return dense.detection_outputs(model, _named_features(model, config), config)


def _named_features(model: keras.Model, config: Mapping[str, Any]) -> Any:
    return feature_tensor(model, config) if config.get("features") else None


def text_outputs(model: keras.Model, config: Mapping[str, Any]) -> keras.Model:
    """A model of token ids with outputs by name: `logits` (B, classes), whose softmax (or sigmoid,
    if several classes may apply) are its probabilities, and, where it has some, `features`.

    Args:
        model: of token ids (B, T), and maybe a mask (B, T).
        config: its `names` are those of the inputs, in their order.

    Returns:
        A model of int32 inputs by name.
    """
    model = functional(model)
    inputs = {
        name: keras.Input(tensor.shape[1:], dtype="int32", name=name)
        for name, tensor in zip(config["names"], model.inputs, strict=True)
    }
    is_embedder = "pooling" in config
    features = None if is_embedder else feature_tensor(model, config)
    inner = keras.Model(model.inputs, [*model.outputs, *([] if features is None else [features])])
    casts = [
        ops.cast(tensor, own.dtype)
        for tensor, own in zip(inputs.values(), model.inputs, strict=True)
    ]
    first, *others = keras.tree.flatten(inner(casts))
    if is_embedder:
        vector = _text_vector(first, inputs, config)
        return keras.Model(inputs, {"features": vector}, name=model.name)
    named = {"logits": logits(first, config)}
    if others:
        named["features"] = ops.cast(others[0], "float32")
    return keras.Model(inputs, named, name=model.name)


def _text_vector(states: Any, inputs: Mapping[str, Any], config: Mapping[str, Any]) -> Any:
    """The vector (B, D) of a text, from states (B, T, D) or as it is."""
    vector = ops.cast(states, "float32")
    if config["pooling"] == "cls":
        vector = vector[:, 0]
    elif config["pooling"] != "none":
        mask = inputs.get("attention_mask")
        if mask is None:
            mask = ops.cast(inputs["input_ids"] != config["pad_token_id"], "int32")
        pool = MeanOfTokens() if config["pooling"] == "mean" else PooledTokens("max")
        vector = pool(vector, mask)
    return UnitLength()(vector) if config.get("normalize") else vector


def array_outputs(model: keras.Model, config: Mapping[str, Any]) -> keras.Model:
    """The model with outputs by the names of its config, in their order."""
    return keras.Model(model.inputs, dict(zip(config["outputs"], model.outputs, strict=True)))


def series_outputs(model: keras.Model, config: Mapping[str, Any]) -> keras.Model:
    """The model of a window (B, T) with the output `quantiles` (B, levels, horizon)."""
    model = functional(model)
    window = keras.Input((int(config["context"]),), dtype="float32", name="context")
    own = model.inputs[0]
    shaped = window if len(own.shape) == 2 else ops.expand_dims(window, -1)
    outputs = keras.Model(model.inputs, model.outputs[0])(ops.cast(shaped, own.dtype))
    outputs = ops.cast(outputs, "float32")
    table = ops.expand_dims(outputs, -1) if len(outputs.shape) == 2 else outputs
    return keras.Model(window, {"quantiles": ops.transpose(table, (0, 2, 1))}, name=model.name)


def logits(tensor: Any, config: Mapping[str, Any]) -> Any:
    """Logits (B, classes) from the outputs (B, N) of a text classifier."""
    tensor = ops.cast(tensor, "float32")
    activation = config["activation"]
    if activation in ("softmax", "sigmoid"):
        return tensor
    if activation == "binary":
        return ops.concatenate([ops.zeros_like(tensor), tensor], axis=-1)
    log = ops.log(ops.maximum(tensor, LEAST))
    opposite = ops.log(ops.maximum(1.0 - tensor, LEAST))
    if activation == "complement":
        return ops.concatenate([opposite, log], axis=-1)
    return log - opposite if config.get("multi_label") else log


def probabilities(tensor: Any, activation: str) -> Any:
    """Probabilities (B, classes) from the outputs (B, N) of a model."""
    if activation in ("softmax", "sigmoid", "binary"):
        name = "softmax" if activation == "softmax" else "sigmoid"
        tensor = layers.Activation(name, dtype="float32", name="probabilities")(tensor)
    if activation in ("binary", "complement"):
        first = layers.Rescaling(-1.0, 1.0, dtype="float32", name="first_class")(tensor)
        tensor = layers.Concatenate(dtype="float32", name="two_classes")([first, tensor])
    return tensor


def feature_tensor(model: keras.Model, config: Mapping[str, Any]) -> Any:
    """The features (B, D) of a model: those of the layer that the config names, else the last
    feature map averaged over its pixels, else what the last layer takes; None if that is not a
    vector.

    Raises:
        UsageError: there is no such layer, or it gives no vector.
    """
    if config.get("activation") == FEATURES:
        return _pooled(model.outputs[0], "output")
    if name := config.get("features"):
        return _pooled(_layer(model, str(name)).output, str(name))
    try:
        return pooled_features(model)
    except (ValueError, AttributeError):
        pass
    operation = model.outputs[0]._keras_history.operation
    while isinstance(operation, layers.Activation | layers.Softmax | layers.Rescaling):
        operation = operation.input._keras_history.operation
    source = operation.input
    is_vector = not isinstance(source, list | tuple | dict) and len(source.shape) == 2
    is_input = is_vector and any(source is tensor for tensor in model.inputs)
    return source if is_vector and not is_input and None not in source.shape[1:] else None


def _layer(model: keras.Model, name: str) -> keras.layers.Layer:
    try:
        return model.get_layer(name)
    except ValueError:
        known = ", ".join(layer.name for layer in model.layers[-8:])
        raise UsageError(
            f"The model has no layer {name[:60]!r} for features; its last ones are: {known}."
        ) from None


def _pooled(tensor: Any, name: str) -> Any:
    if isinstance(tensor, list | tuple | dict) or len(tensor.shape) not in (2, 3, 4):
        raise UsageError(f"The layer {name!r} does not return features: a vector or a feature map.")
    pool = POOLS.get(len(tensor.shape))
    return tensor if pool is None else pool(name="pooled_features")(tensor)


def _top_less(model: keras.Model, config: Mapping[str, Any], pooling: str | None) -> Any:
    if pooling == "avg":
        features = feature_tensor(model, config)
    else:
        try:
            features = feature_layer(model)
        except (ValueError, AttributeError):
            features = None
        if features is not None and pooling == "max":
            features = layers.GlobalMaxPooling2D()(features)
    if features is None:
        raise UsageError(
            "The wrapped model has no features to build on; name the layer that returns them "
            "when you wrap it: features=LAYER."
        )
    return features
