"""Finds the features of an image classifier of any family."""

import keras
from keras import layers

FEATURES = "image_features"
"""The name of the layer whose output (B, D) a network without a pooling layer gives to its head."""
_POOLS = (layers.GlobalAveragePooling2D, layers.GlobalMaxPooling2D, layers.Flatten)


def feature_layer(model: keras.Model) -> keras.KerasTensor:
    """The last feature map before the head: what the head pools or flattens first.

    The head is the unbranched chain of layers that ends in the model's output; of its pooling and
    flattening layers the one nearest to the input counts. So the pooled (B, 1, 1, C) map inside
    MobileNetV3's head is passed over, the pools of squeeze-and-excitation blocks are never met
    (their branch joins by a product), and an input so small that the last map is 1 x 1 is no
    special case. Height and width may be unknown (None).

    Args:
        model: a classifier, or a network without top, pooled or not.

    Returns:
        A symbolic tensor (B, H, W, C). `keras.Model(model.input, GlobalAveragePooling2D()(it))`
        gives the features of `build(..., include_top=False, pooling="avg")`; only ConvNeXt puts a
        LayerNormalization after that pool, which `pooled_features` applies too.

    Raises:
        ValueError: the model has no such map.
    """
    pool = _head_pool(model)
    tensor = pool.input if pool is not None else model.output
    if len(tensor.shape) != 4:
        raise ValueError(
            f"the model {model.name!r} has no feature map of shape (B, H, W, C) before its output"
        )
    return tensor


def pooled_features(model: keras.Model) -> keras.KerasTensor:
    """The features (B, C) of `build(..., include_top=False, pooling="avg")`, as a tensor of this
    very model.

    It is the average of `feature_layer(model)` over height and width; if the head normalises the
    average (ConvNeXt), that layer of the model follows with its weights. A network that pools in
    another way (ViT) has a layer named `FEATURES`, whose output it is.

    Raises:
        ValueError: the model has no feature map.
    """
    named = [layer for layer in model.layers if layer.name == FEATURES]
    if named:
        return named[0].output
    feature_map = feature_layer(model)
    pool = _head_pool(model)
    average = layers.GlobalAveragePooling2D(name="pooled_features")(feature_map)
    if isinstance(pool, layers.GlobalAveragePooling2D):
        for layer in _chain(model):
            if isinstance(layer, layers.LayerNormalization) and layer.input is pool.output:
                return layer(average)
    return average


def _chain(model: keras.Model) -> list[keras.Operation]:
    """The operations of the unbranched chain that ends in the output, last first."""
    chain: list[keras.Operation] = []
    tensor = model.output
    while True:
        operation = tensor._keras_history.operation
        if isinstance(operation, layers.InputLayer) or not _single(operation):
            return chain
        chain.append(operation)
        tensor = operation.input


def _single(operation: keras.Operation) -> bool:
    nodes = operation._inbound_nodes
    return len(nodes) >= 1 and len(nodes[0].input_tensors) == 1


def _head_pool(model: keras.Model) -> keras.Operation | None:
    pools = [op for op in _chain(model) if isinstance(op, _POOLS) and len(op.input.shape) == 4]
    return pools[-1] if pools else None
