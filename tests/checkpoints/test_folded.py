"""Published `.tflite` files, with folded normalisations, in models of ours."""

import numpy as np
import pytest

import warmstart as ws
from warmstart.catalog.queries import EMBEDDED
from warmstart.checkpoints.folded import fill_folded
from warmstart.checkpoints.formats import open_checkpoint
from warmstart.errors import MismatchError
from warmstart.models import architecture

pytestmark = pytest.mark.tensorflow
PROGRAM = EMBEDDED / "efficientnet_lite0" / "artifacts" / "float32" / "program.tflite"


def test_a_program_fills_the_network_that_it_was_made_of():
    entry = ws.load("efficientnet_lite0").entry
    module = architecture(entry.architecture)
    model = module.build(entry.config)
    with open_checkpoint(PROGRAM) as checkpoint:
        module.load(model, checkpoint, entry.config)
    images = np.random.default_rng(0).uniform(-1, 1, (2, 224, 224, 3)).astype(np.float32)
    expected = ws.load("efficientnet_lite0", engine="litert").engine.run("forward", images=images)
    np.testing.assert_allclose(np.asarray(model(images)), expected["probabilities"], atol=1e-5)


@pytest.mark.parametrize(("options", "message"), [
    ({"depth": 1.1}, "operations with a kernel"),
    ({"width": 1.1}, "has a kernel"),
    ({"classes": 10}, "classifier with 1000 classes, and efficientnet_lite has 10"),
])  # fmt: skip
def test_another_variant_is_refused_and_unchanged(options, message):
    module = architecture("efficientnet_lite")
    model = module.build(options)
    before = model.get_weights()
    with open_checkpoint(PROGRAM) as checkpoint, pytest.raises(MismatchError, match=message):
        fill_folded(model, checkpoint)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_the_background_class_is_left_out():
    model = architecture("efficientnet_lite").build({"classes": 999})
    with open_checkpoint(PROGRAM) as checkpoint:
        fill_folded(model, checkpoint)
        (bias,) = [
            checkpoint.read(name)
            for name in checkpoint.names()
            if checkpoint.shape(name) == (1000,)
        ]
    np.testing.assert_array_equal(model.get_layer("predictions").bias, bias[1:])


def test_another_network_is_refused():
    module = architecture("keras_applications")
    config = {"function": "ResNet50", "input_size": [32, 32]}
    model = module.build(config, include_top=False)
    with (
        open_checkpoint(PROGRAM) as checkpoint,
        pytest.raises(MismatchError, match="operations with a kernel"),
    ):
        module.load(model, checkpoint, config)


def branched(first, second, *, pooled):
    """Two convolutions of the same map and shape, the second on its average if `pooled`."""
    import keras
    from keras import layers

    inputs = keras.Input((4, 4, 3))
    x = layers.Conv2D(4, 1, name="stem")(inputs)
    y = layers.GlobalAveragePooling2D(keepdims=True)(x) if pooled else x
    y = layers.Conv2D(4, 1, name=second)(y)
    joined = layers.Multiply()([layers.Conv2D(4, 1, name=first)(x), layers.Softmax()(y)])
    return keras.Model(inputs, joined)


@pytest.fixture
def program_of(tmp_path):
    def convert(model):
        import tensorflow as tf

        random = np.random.default_rng(0)
        model.set_weights([random.normal(size=w.shape) for w in model.get_weights()])
        path = tmp_path / "program.tflite"
        path.write_bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())
        return path

    return convert


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("names", "pooled"), [
    (("other", "another"), True),  # by the graph
    (("left", "right"), False),  # by names
])  # fmt: skip
def test_parallel_branches_are_told_apart(names, pooled, program_of):
    original = branched("left", "right", pooled=pooled)
    model = branched(*names, pooled=pooled)
    with open_checkpoint(program_of(original)) as checkpoint:
        fill_folded(model, checkpoint)
    images = np.random.default_rng(1).normal(size=(2, 4, 4, 3)).astype(np.float32)
    np.testing.assert_allclose(np.asarray(model(images)), np.asarray(original(images)), atol=1e-5)


@pytest.mark.filterwarnings("ignore")
def test_branches_without_a_difference_are_refused(program_of):
    path = program_of(branched("left", "right", pooled=False))
    model = branched("other", "another", pooled=False)
    with open_checkpoint(path) as checkpoint, pytest.raises(MismatchError, match="may be that of"):
        fill_folded(model, checkpoint)


@pytest.mark.shared
@pytest.mark.parametrize(("name", "file", "top1"), [
    ("mobilenet_v2", "tf2_mobilenet_v2_1.0_224_ptq.tflite", 0.88),
    ("mobilenet_v3_small", "v3-small_224_1.0_uint8.tflite", 0.75),
])  # fmt: skip
def test_accuracy_of_published_files(shared_data, name, file, top1):
    photos = sorted((shared_data / "images" / "imagenet-sample").glob("*.JPEG"))
    model = ws.load(name, weights=shared_data / "weights" / "tflite" / file)
    assert model.evaluate([(photo, photo.name.split("_")[0]) for photo in photos])["top1"] >= top1


@pytest.mark.filterwarnings("ignore")
def test_a_program_that_scales_its_input_is_refused(program_of):
    import keras

    def network(*before):
        inputs = keras.Input((4, 4, 3))
        x = inputs
        for layer in before:
            x = layer(x)
        return keras.Model(
            inputs, keras.layers.ReLU()(keras.layers.Conv2D(2, 3, padding="same")(x))
        )

    path = program_of(network(keras.layers.Rescaling(1 / 255, offset=-0.5)))
    with (
        open_checkpoint(path) as checkpoint,
        pytest.raises(MismatchError, match=r"scales its input itself \(.*ADD\)"),
    ):
        fill_folded(network(), checkpoint)
