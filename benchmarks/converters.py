"""From a Keras model to the files that peers read. Imports TensorFlow; runs in a worker with
bounded memory.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

LARGE = 50_000_000  # parameters from which tf2onnx is given the weights as inputs
SHARE = 0.6  # of the machine's memory that a conversion may ask for


def bound_memory() -> None:
    """Let a conversion that grows without end fail by itself, before the system ends some other
    process.
    """
    with contextlib.suppress(ImportError, ValueError, OSError, AttributeError):
        import resource

        limit = int(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * SHARE)
        resource.setrlimit(resource.RLIMIT_AS, (limit, resource.getrlimit(resource.RLIMIT_AS)[1]))


def saved_model(model: Any, shape: tuple[int, ...], folder: Path) -> None:
    """Keras' own export, to `folder/saved_model`."""
    model.export(str(folder / "saved_model"), verbose=False)


def onnx_file(model: Any, shape: tuple[int, ...], folder: Path) -> None:
    """tf2onnx, to `folder/model.onnx`, with the fixed input shape `shape`, named `images`.

    tf2onnx copies constants many times over: with VGG16's it takes more than 20 GB. The weights of
    large models are therefore arguments of the function that it converts, and are put into the file
    afterwards.
    """
    import onnx
    import tensorflow as tf
    import tf2onnx

    images = tf.TensorSpec(shape, "float32", name="images")
    values: dict[str, Any] = {}
    if model.count_params() < LARGE:
        signature = [images]
        function = tf.function(
            lambda images: model(images, training=False), input_signature=signature
        )
    else:
        trained, fixed = model.trainable_variables, model.non_trainable_variables
        signature = [
            images,
            *(
                tf.TensorSpec(v.shape, v.dtype, name=f"w{i}")
                for i, v in enumerate([*trained, *fixed])
            ),
        ]
        values = {f"w{i}": v.numpy() for i, v in enumerate([*trained, *fixed])}

        def stateless(images: Any, *weights: Any) -> Any:
            return model.stateless_call(
                weights[: len(trained)], weights[len(trained) :], images, training=False
            )[0]

        function = tf.function(stateless, input_signature=signature)
    converted, _ = tf2onnx.convert.from_function(function, signature, opset=17)
    # Constants that a layer keeps outside its variables (EfficientNet's Normalization) come out as
    # inputs, too.
    values |= {
        inside.name: captured.numpy()
        for captured, inside in function.get_concrete_function().graph.captures
        if captured.dtype != tf.resource
    }
    for given in list(converted.graph.input):
        if given.name in values:
            converted.graph.input.remove(given)
            converted.graph.initializer.append(
                onnx.numpy_helper.from_array(values[given.name], given.name)
            )
    onnx.save(converted, str(folder / "model.onnx"))


CONVERTERS = {"SavedModel": saved_model, "ONNX": onnx_file}
